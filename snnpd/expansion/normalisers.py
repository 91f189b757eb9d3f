"""Normalisers h: what the kernel values of one query are divided by."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from snnpd.errors import UsageError
from snnpd.expansion.kernels import FeatureKernel, Kernel
from snnpd.expansion.power_weights import DEFAULT_BITS, check_rounding, rounded_log2, shiftmax

Scores = Float[Tensor, "... N M"]
Mask = Bool[Tensor, "... #N M"]
Mass = Float[Tensor, "..."]


class Normaliser(ABC):
    """A function h of a query's kernel mass Σ_j κ(q, k_j). Support points outside the mask have no mass.

    `weights` gives κ/h from scores, in the way that is numerically right; `h` from the mass alone, which is all
    that the primal form knows.
    """

    rows: str

    @property
    def constant(self) -> float | None:
        """h, where it is the same for every mass; None elsewhere."""
        return None

    @abstractmethod
    def weights(self, kernel: Kernel, scores: Scores, mask: Mask | None) -> Scores:
        """κ(q_i, k_j) / h(q_i) for all i, j; a row without any support point is zero."""

    @abstractmethod
    def h(self, mass: Mass) -> Mass:
        """h of the kernel mass."""

    def check(self, kernel: Kernel) -> None:
        """Raises UsageError where this normaliser has no meaning for `kernel`."""
        return


def _support(values: Scores, mask: Mask | None) -> Scores:
    return values if mask is None else values.masked_fill(~mask, 0)


@dataclass(frozen=True)
class RowSum(Normaliser):
    """h(q) = Σ_j κ(q, k_j): rows are stochastic. With an exponential kernel this is softmax."""

    rows = "sum to one exactly"

    def check(self, kernel: Kernel) -> None:
        """Refuses kernels that may be negative, whose row sums can vanish."""
        if not kernel.positive:
            raise UsageError(f"row sums of {kernel} can vanish; use Constant, or a positive kernel")

    def h(self, mass: Mass) -> Mass:
        """The mass itself; one for a query that sees nothing."""
        return mass.masked_fill(mass == 0, 1)

    def weights(self, kernel: Kernel, scores: Scores, mask: Mask | None) -> Scores:
        """Softmax for an exponential kernel, plain division for a feature map."""
        if kernel.base is None:
            values = _support(scores, mask)
            return values / self.h(values.sum(-1, keepdim=True))
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
    rows = "sum to anything"

    def __post_init__(self) -> None:
        if self.value <= 0:
            raise UsageError(f"constant normaliser: h = {self.value} must be positive")

    @property
    def constant(self) -> float:
        """The value."""
        return self.value

    def h(self, mass: Mass) -> Mass:
        """The value, whatever the mass."""
        return torch.full_like(mass, self.value)

    def weights(self, kernel: Kernel, scores: Scores, mask: Mask | None) -> Scores:
        """κ / value."""
        return _support(kernel.values(scores) / self.value, mask)


@dataclass(frozen=True)
class Shiftmax(Normaliser):
    """h(q) = 2^γ with integer γ near log2 Σ_j κ(q, k_j), see `shiftmax`: weights are powers of two."""

    rounding: str = "ceil"
    bits: int = DEFAULT_BITS

    def __post_init__(self) -> None:
        check_rounding(self.rounding, self.bits)

    @property
    def rows(self) -> str:  # type: ignore[override]
        """What the rows sum to."""
        bounds = {"ceil": "sum to something in (1/2, 1]", "round": "sum to something in (0.707, 1.414]"}
        return bounds.get(self.rounding, "sum to one exactly")

    def check(self, kernel: Kernel) -> None:
        """Refuses all but the base-2 kernel, whose values are shifts, and feature maps that stand for it."""
        if kernel.base != 2 and not isinstance(kernel, FeatureKernel):
            raise UsageError(f"Shiftmax normalises the base-2 kernel, got {kernel}; use Exponential(base=2)")
        if kernel.base != 2 and self.rounding == "dyadic":
            raise UsageError(
                "dyadic Shiftmax completes the largest score, which a feature map does not know; use rounding='ceil'"
            )

    def h(self, mass: Mass) -> Mass:
        """2^γ; the rounding is passed straight through, as in `shiftmax`. `dyadic` has the h of `ceil`.

        A mass that comes through a feature map carries rounding errors, some 4^D of them for the exact ternary map:
        within ε^(2/3) above a power of two (2^-35 in float64) it counts as that.

        Source: docs/math/feature_maps.md#f8-powers-of-two-behind-a-map.
        """
        # not positive: nothing is seen, or an approximate feature map strays below zero
        mass = torch.where(mass > 0, mass, 1)
        if self.rounding == "sum":
            return mass
        doubt = 1 - torch.finfo(mass.dtype).eps ** (2 / 3)
        gamma = rounded_log2(mass.detach() * doubt, self.rounding)
        return mass * (torch.exp2(gamma.to(mass.dtype)) / mass.detach())

    def weights(self, kernel: Kernel, scores: Scores, mask: Mask | None) -> Scores:
        """`shiftmax` of the scores, absent support points at -inf; κ/h for a feature map."""
        if kernel.base is None:
            values = _support(scores, mask)
            return values / self.h(values.sum(-1, keepdim=True))
        if mask is not None:
            scores = scores.masked_fill(~mask, -math.inf)
        return shiftmax(scores, -1, self.rounding, self.bits)
