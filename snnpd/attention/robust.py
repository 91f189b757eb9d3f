"""RPC-Attention: attention as principal components of its keys, made robust against sparse corruptions."""

from torch import Tensor

from snnpd.attention.base import Attention
from snnpd.attention.views import HeadView, Observed
from snnpd.expansion.robust_pca import SELF_ATTENTION, robust_components
from snnpd.projections import PlainLinear
from snnpd.shapes import merge_heads, split_heads


class RobustAttention(Attention, Observed):
    """RPC-Attention: keys split into what attention reconstructs and a sparse rest, in a few rounds.

    Symmetric: queries are the keys, cleaned by the rounds before. The last round is a support vector expansion
    whose support points are those keys. Options as in `robust_components`, which has the equations.

    Source: Teo & Nguyen, NeurIPS 2024 (arXiv 2406.13762), and its code, which puts it in one layer or in all.
    """

    no_context = "its queries are its keys; use softmax attention across two sequences"

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        iterations: int = 4,
        sparsity: float | None = None,
        reference_code: bool = False,
    ) -> None:
        super().__init__(dim, num_heads)
        self.iterations, self.sparsity, self.reference_code = iterations, sparsity, reference_code
        self.kv, self.out = PlainLinear(dim, 2 * dim), PlainLinear(dim, dim)

    def attend(
        self, x: Tensor, mask: Tensor | None, context: Tensor | None, context_mask: Tensor | None
    ) -> Tensor:
        """Projections, rounds, output map."""
        k, v = (split_heads(part, self.num_heads) for part in self.kv(x, mask).chunk(2, -1))
        components = robust_components(
            k,
            v,
            None if mask is None else mask.unsqueeze(1),
            iterations=self.iterations,
            sparsity=self.sparsity,
            reference_code=self.reference_code,
            num_heads=self.num_heads,
        )
        if self.watchers:
            self.show(HeadView(components.low_rank, SELF_ATTENTION, components.points))
        return self.out(merge_heads(components.low_rank), mask)

    def extra_repr(self) -> str:
        """The rounds and which form of them."""
        form = "reference code" if self.reference_code else "derived"
        return f"dim={self.dim}, num_heads={self.num_heads}, iterations={self.iterations}, {form}"
