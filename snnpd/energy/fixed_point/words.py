"""Integers that stand for real numbers: formats, rounding, saturation."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True)
class Format:
    """Signed fixed point: whole numbers of `bits` bits, each worth 2^-fraction."""

    bits: int
    fraction: int

    @property
    def low(self) -> int:
        """The least integer."""
        return -(1 << (self.bits - 1))

    @property
    def high(self) -> int:
        """The largest integer."""
        return (1 << (self.bits - 1)) - 1

    def integers(self, real: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The nearest integers, saturated, as float64."""
        return (real.double() * 2.0**self.fraction).round().clamp(self.low, self.high)


def finest(bits: int, peak: float) -> Format:
    """The format of `bits` bits with the smallest step that still holds ±`peak`."""
    if peak == 0:
        return Format(bits, bits - 1)
    limit = (1 << (bits - 1)) - 1
    return Format(bits, math.floor(math.log2(limit / peak)))


class ToPotential(nn.Module):
    """Complete sums as potentials: moved to their binary point (rounded down), then saturated.

    Moving by a fixed number of places is wiring, no operation.

    Shapes: any, float64 that holds integers.
    """

    def __init__(self, potential: Format, places: int = 0) -> None:
        super().__init__()
        self.potential, self.places = potential, places

    def forward(self, sums: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
        """⌊sums · 2^places⌋ within the word."""
        return move(sums, self.places).clamp(self.potential.low, self.potential.high)

    def extra_repr(self) -> str:
        """The format."""
        return f"{self.potential}, places={self.places}"


def move(integers: Float[Tensor, "*S"], places: int) -> Float[Tensor, "*S"]:
    """⌊integers · 2^places⌋: wires moved to the left, or to the right."""
    if places == 0:
        return integers
    moved = integers * 2.0**places
    return moved if places > 0 else torch.floor(moved)
