"""Normalisers h: what the kernel values of one query are divided by."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from snnpd.errors import UsageError, unknown
from snnpd.expansion.kernels import Kernel
from snnpd.expansion.power_weights import DEFAULT_BITS, ROUNDINGS, shiftmax

Scores = Float[Tensor, "... N M"]
Mask = Bool[Tensor, "... #N M"]


class Normaliser(ABC):
    """Turns the scores of a kernel into weights κ/h. Support points outside the mask get weight zero."""

    @abstractmethod
    def weights(self, kernel: Kernel, scores: Scores, mask: Mask | None) -> Scores:
        """κ(q_i, k_j) / h(q_i) for all i, j; a row without any support point is zero."""

    def check(self, kernel: Kernel) -> None:
        """Raises UsageError where this normaliser has no meaning for `kernel`."""
        return


@dataclass(frozen=True)
class RowSum(Normaliser):
    """h(q) = Σ_j κ(q, k_j): rows are stochastic. With an exponential kernel this is softmax."""

    def check(self, kernel: Kernel) -> None:
        """Refuses kernels that may be negative, whose row sums can vanish."""
        if not kernel.positive:
            raise UsageError(f"row sums of {kernel} can vanish; use Constant, or a positive kernel")

    def weights(self, kernel: Kernel, scores: Scores, mask: Mask | None) -> Scores:
        """Softmax for an exponential kernel, plain division for positive features."""
        if kernel.base is None:
            values = scores if mask is None else scores.masked_fill(~mask, 0)
            return values / values.sum(-1, keepdim=True).clamp_min(torch.finfo(values.dtype).tiny)
        exponents = scores if kernel.base == math.e else scores * math.log(kernel.base)
        if mask is None:
            return torch.softmax(exponents, -1)
        # not -inf: the softmax of a row without support points would be nan, and its gradient too
        finite = exponents.masked_fill(~mask, torch.finfo(exponents.dtype).min)
        return torch.softmax(finite, -1).masked_fill(~mask, 0)


@dataclass(frozen=True)
class Constant(Normaliser):
    """h(q) = value for every query: rows sum to anything."""

    value: float = 1.0

    def __post_init__(self) -> None:
        if self.value <= 0:
            raise UsageError(f"constant normaliser: h = {self.value} must be positive")

    def weights(self, kernel: Kernel, scores: Scores, mask: Mask | None) -> Scores:
        """κ / value."""
        values = kernel.values(scores) / self.value
        return values if mask is None else values.masked_fill(~mask, 0)


@dataclass(frozen=True)
class Shiftmax(Normaliser):
    """h(q) = 2^γ with integer γ near log2 Σ_j κ(q, k_j), see `shiftmax`: weights are powers of two."""

    rounding: str = "ceil"
    bits: int = DEFAULT_BITS

    def __post_init__(self) -> None:
        if self.rounding not in ROUNDINGS:
            raise unknown("rounding", self.rounding, ROUNDINGS)

    def check(self, kernel: Kernel) -> None:
        """Refuses all but the base-2 kernel: 2^-γ is a shift only on powers of two."""
        if kernel.base != 2:
            raise UsageError(f"Shiftmax normalises the base-2 kernel, got {kernel}; use Exponential(base=2)")

    def weights(self, kernel: Kernel, scores: Scores, mask: Mask | None) -> Scores:
        """`shiftmax` of the scores, absent support points at -inf."""
        if mask is not None:
            scores = scores.masked_fill(~mask, -math.inf)
        return shiftmax(scores, -1, self.rounding, self.bits)
