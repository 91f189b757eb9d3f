"""The support vector expansion: a kernel, a normaliser, transforms and a reach; its dual form, written out."""

from dataclasses import dataclass, field
from functools import reduce

from jaxtyping import Bool, Float
from torch import Tensor

from snnpd.errors import UsageError
from snnpd.expansion.kernels import Kernel
from snnpd.expansion.normalisers import Normaliser
from snnpd.expansion.reach import Everywhere, Reach
from snnpd.expansion.transforms import Points, Transform


@dataclass(frozen=True)
class Expansion:
    """What fixes an attention: kernel κ, normaliser h, transforms of the support points, and a query's reach.

    Source: Nguyen et al., "A Primal-Dual Framework for Transformers and Neural Networks", ICLR 2023
    (arXiv 2406.13781): a value is a scaled dual variable, a key a support point.
    See docs/math/regression.md#r5-the-dual-form-is-attention.

    Raises:
        UsageError: the normaliser has no meaning for the kernel, or the reach none behind a transform.
    """

    kernel: Kernel
    normaliser: Normaliser
    transforms: tuple[Transform, ...] = ()
    reach: Reach = field(default_factory=Everywhere)

    def __post_init__(self) -> None:
        self.normaliser.check(self.kernel)
        if not isinstance(self.reach, Everywhere):
            for step in self.transforms:
                if not step.is_positional:
                    raise UsageError(f"{self.reach}: {step.why_not}")

    def transform(self, points: Points) -> Points:
        """The points after all transforms, in order."""
        return reduce(lambda moved, step: step(moved), self.transforms, points)

    def support(self, points: Points) -> Bool[Tensor, "... #N M"] | None:
        """Which support points each query sees: reached and real; None where it sees all."""
        real = None if points.mask is None else points.mask.unsqueeze(-2)
        reached = self.reach.allowed(points.q.shape[-2], points.k.shape[-2], points.q.device)
        if real is None or reached is None:
            return reached if real is None else real
        return real & reached

    def weights(self, points: Points) -> Float[Tensor, "... N M"]:
        """κ(q_i, k_j)/h(q_i) of points that are already transformed: the attention map."""
        scores = self.kernel.scores(points.q, points.k)
        return self.normaliser.weights(self.kernel, scores, self.support(points))


def dual_form(expansion: Expansion, points: Points) -> Float[Tensor, "... N E"]:
    """Σ_j κ(q_i, k_j)/h(q_i) v_j of transformed points, with the attention map written out: O(N M) memory."""
    return expansion.weights(points) @ points.v
