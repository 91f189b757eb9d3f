"""The support vector expansion: a kernel, a normaliser and transforms, evaluated in its dual form."""

from dataclasses import dataclass
from functools import reduce

from jaxtyping import Float
from torch import Tensor

from snnpd.expansion.kernels import Kernel
from snnpd.expansion.normalisers import Normaliser
from snnpd.expansion.transforms import Points, Transform


@dataclass(frozen=True)
class Expansion:
    """The triple that fixes an attention: kernel κ, normaliser h, transforms of the support points.

    Source: Nguyen et al., "A Primal-Dual Framework for Transformers and Neural Networks", ICLR 2023
    (arXiv 2406.13781): a value is a scaled dual variable, a key a support point. See docs/math.

    Raises:
        UsageError: the normaliser has no meaning for the kernel.
    """

    kernel: Kernel
    normaliser: Normaliser
    transforms: tuple[Transform, ...] = ()

    def __post_init__(self) -> None:
        self.normaliser.check(self.kernel)

    def transform(self, points: Points) -> Points:
        """The points after all transforms, in order."""
        return reduce(lambda moved, step: step(moved), self.transforms, points)

    def weights(self, points: Points) -> Float[Tensor, "... N M"]:
        """κ(q_i, k_j)/h(q_i) of points that are already transformed: the attention map."""
        mask = None if points.mask is None else points.mask.unsqueeze(-2)
        return self.normaliser.weights(self.kernel, self.kernel.scores(points.q, points.k), mask)


def expand(expansion: Expansion, points: Points) -> Float[Tensor, "... N E"]:
    """The expansion at the queries, dual form, transforms included.

    Equation: f(q_i) = Σ_j κ(q_i, k_j)/h(q_i) v_j.

    Example:
        >>> import torch
        >>> from snnpd.expansion import Exponential, RowSum
        >>> softmax = Expansion(Exponential(), RowSum())
        >>> expand(softmax, Points(torch.randn(5, 8), torch.randn(7, 8), torch.randn(7, 3))).shape
        torch.Size([5, 3])
    """
    moved = expansion.transform(points)
    return expansion.weights(moved) @ moved.v
