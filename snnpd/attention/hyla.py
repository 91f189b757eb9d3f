"""HYLA: attention whose heads are the code of a value network, generated for each pair of tokens."""

from torch import Tensor

from snnpd.attention.base import Attention
from snnpd.attention.views import HeadView, Observed
from snnpd.expansion import Linear
from snnpd.expansion.hypernetwork import find_value_network, head_codes
from snnpd.projections import PlainLinear
from snnpd.shapes import merge_heads, split_heads

SCORES = Linear(scale=None)


class HypernetworkAttention(Attention, Observed):
    """HYLA: scores of root mean square one over the heads, and a value network that they parametrise.

    Equation: out_q = Σ_k (Σ_h a_hqk W_h^out) σ(Σ_h a_hqk W_h^val x_k), a = RMS-normalised q·k/√D.

    `value_network`: "relu" is the layer; "identity" leaves σ out, which makes multi-head attention over all pairs of
    heads of it; "multi_head" is the one-layer linear network, which is multi-head attention with weights a.
    Nothing divides by the number of tokens. The first two take O(N M C/H) memory per sample.

    Source: Schug et al., "Attention as a hypernetwork", ICLR 2025 (arXiv 2406.05816), and its code;
    docs/math/systems.md#c12-a-value-network-for-every-pair-of-tokens.

    Raises:
        UsageError: unknown value network.
    """

    no_expansion = "its values depend on the query: each pair of tokens has a value network of its own"

    def __init__(self, dim: int, num_heads: int, *, value_network: str = "relu") -> None:
        super().__init__(dim, num_heads)
        self.value_network = value_network
        self.network = find_value_network(value_network)
        self.qkv, self.out = PlainLinear(dim, 3 * dim), PlainLinear(dim, dim)

    def attend(
        self, x: Tensor, mask: Tensor | None, context: Tensor | None, context_mask: Tensor | None
    ) -> Tensor:
        """Projections, codes, value network, output map."""
        source, source_mask = (x, mask) if context is None else (context, context_mask)
        q = self.qkv.columns(x, mask, slice(0, self.dim))
        kv = self.qkv.columns(source, source_mask, slice(self.dim, 3 * self.dim))
        q, k, v = (split_heads(part, self.num_heads) for part in (q, *kv.chunk(2, -1)))
        codes = head_codes(SCORES.scores(q, k), None if source_mask is None else source_mask.unsqueeze(1))
        heads = self.network(codes, v)
        if self.watchers:
            self.show(HeadView(heads, attention_map=lambda: codes))
        return self.out(merge_heads(heads), mask)

    def extra_repr(self) -> str:
        """The value network."""
        return f"dim={self.dim}, num_heads={self.num_heads}, value_network={self.value_network}"
