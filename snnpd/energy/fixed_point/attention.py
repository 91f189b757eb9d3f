"""Attention on integers: products of spikes, and Shiftmax by shifts."""

import math
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from snnpd.attention import ExpansionAttention
from snnpd.attention.layer import HeadGroup
from snnpd.energy.fixed_point.words import Format
from snnpd.errors import UsageError
from snnpd.expansion import (
    Constant,
    Everywhere,
    Exponential,
    Linear,
    Points,
    Shiftmax,
    shift_accumulate,
    shift_counts,
)
from snnpd.expansion.forms import Sizes, choose_form
from snnpd.expansion.integer_shiftmax import ABSENT


class FixedShiftmaxGroup(nn.Module):
    """Heads of Σ_j v_j >> n_ij, with the shifts n of Shiftmax(q kᵀ): ternary queries and keys, values in potentials.

    A value shifted by its whole width or more adds nothing (an arithmetic shift of a negative word would leave −1).

    Shapes: points q `[T, B, H, N, D]`, k `[T, B, H, M, D]`, v `[T, B, H, M, E]` to `[T, B, H, N, E]`.
    """

    def __init__(self, query: nn.Module, key: nn.Module, value: nn.Module, value_format: Format) -> None:
        super().__init__()
        self.query, self.key, self.value = query, key, value
        self.value_bits = value_format.bits

    def forward(self, points: Points) -> Float[Tensor, "T B H N E"]:
        """Sums of shifted values."""
        counts = shift_counts((points.q @ points.k.transpose(-1, -2)).long())
        kept = counts.masked_fill(counts >= self.value_bits, ABSENT)
        return shift_accumulate(points.v.long(), kept).double()


class FixedProductGroup(nn.Module):
    """Heads of Σ_j (q·k_j) v_j of spikes: whole numbers. `is_primal` sums k_j v_jᵀ first.

    Shapes: points as in `FixedShiftmaxGroup`.
    """

    def __init__(self, query: nn.Module, key: nn.Module, value: nn.Module, is_primal: bool) -> None:
        super().__init__()
        self.query, self.key, self.value = query, key, value
        self.is_primal = is_primal

    def forward(self, points: Points) -> Float[Tensor, "T B H N E"]:
        """Sums of products, without their constant scale."""
        if self.is_primal:
            return points.q @ (points.k.transpose(-1, -2) @ points.v)
        return (points.q @ points.k.transpose(-1, -2)) @ points.v


class Scaled(NamedTuple):
    """What the heads of a group are to the neuron behind them: potentials, or whole numbers worth 2^exponent."""

    are_potentials: bool
    exponent: int = 0


def scale_of(attention: ExpansionAttention, where: str) -> Scaled:
    """Whether the layer is Shiftmax attention or products of spikes, by what it declares.

    Raises:
        UsageError: the layer has no integer form, and why.
    """
    groups = attention.head_groups
    expansion = groups[0].expansion
    if len(groups) > 1 or expansion.transforms or not isinstance(expansion.reach, Everywhere):
        raise _refused(attention, where, "heads that pool, normalise or hide tokens are not offered")
    kernel, normaliser = expansion.kernel, expansion.normaliser
    if isinstance(normaliser, Shiftmax) and kernel == Exponential(base=2, scale=1.0):
        if normaliser.rounding != "ceil":
            raise _refused(attention, where, f"rounding {normaliser.rounding!r} is not offered; use 'ceil'")
        return Scaled(are_potentials=True)
    if not isinstance(normaliser, Constant) or kernel != Linear():
        raise _refused(attention, where, f"no whole numbers do {kernel} and {normaliser}")
    mantissa, exponent = math.frexp(1 / normaliser.value)
    if mantissa != 0.5:
        raise _refused(attention, where, f"the scale {1 / normaliser.value:g} is no power of two")
    return Scaled(are_potentials=False, exponent=exponent - 1)


def is_primal(attention: ExpansionAttention, group: HeadGroup, num_tokens: int) -> bool:
    """Whether the layer sums over tokens before it looks at queries, at this number of tokens."""
    width = attention.dim // attention.num_heads
    form = attention.form
    if form == "auto":
        form = choose_form(group.expansion, Sizes(num_tokens, num_tokens, width, width))
    return form == "primal"


def _refused(attention: nn.Module, where: str, reason: str) -> UsageError:
    return UsageError(
        f"{where}: {type(attention).__name__} has no integer form: {reason}; bsa, ssa, sdsa1, token_qk, channel_qk do"
    )
