"""Shiftmax on integers: shifts, additions and comparisons only, equal to `shiftmax` bit for bit."""

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from snnpd.errors import UsageError
from snnpd.expansion.power_weights import DEFAULT_BITS

# The count of an absent support point, which no shift can stand for: -1 >> 63 is still -1.
ABSENT = -1

# Fraction bits of each of the two words of a row's sum: 2^22 terms of at most 2^40 fit a signed 64-bit word.
_FRACTION = 40
_INT64 = torch.iinfo(torch.int64)


def shift_counts(
    scores: Int[Tensor, "*batch M"], mask: Bool[Tensor, "*#batch M"] | None = None
) -> Int[Tensor, "*batch M"]:
    """The shifts n_j of each row: `shiftmax(scores)` is 2^-n, and 0 where a point is `ABSENT` by the mask.

    Equation: n_j = γ(x) - x_j, γ(x) = ⌈log2 Σ_j 2^(x_j)⌉.
    Source: BSA, eq. 13 and 15; docs/math/shiftmax.md#s7-the-same-on-integers.

    γ is exact for scores that spread over up to 80 bits and rows of up to 2^22; a term further below the
    largest counts only as "more than nothing".

    Example:
        >>> shift_counts(torch.tensor([1, 0, 0]))
        tensor([1, 2, 2])
    """
    if scores.shape[-1] == 0:
        return scores.long()
    present = torch.ones_like(scores, dtype=torch.bool) if mask is None else mask.expand_as(scores)
    wide = scores.long().masked_fill(~present, _INT64.min)
    depth = (wide.amax(-1, keepdim=True) - wide).masked_fill(~present, 0)
    return (depth + _ceil_log2_sum(depth, present)).masked_fill(~present, ABSENT)


def _ceil_log2_sum(depth: Int[Tensor, "... M"], present: Bool[Tensor, "... M"]) -> Int[Tensor, "... 1"]:
    """⌈log2 Σ_j 2^(-depth_j)⌉ of rows whose least depth is 0, from a fixed-point sum of two words."""
    high = _word(depth, present & (depth <= _FRACTION), _FRACTION)
    low = _word(depth, present & (depth > _FRACTION) & (depth <= 2 * _FRACTION), 2 * _FRACTION)
    carry = low >> _FRACTION
    high, low = high + carry, low - (carry << _FRACTION)
    has_more = (low > 0) | (present & (depth > 2 * _FRACTION)).any(-1, keepdim=True)
    powers = 1 << torch.arange(63, device=depth.device)
    length = (high >= powers).sum(-1, keepdim=True)
    is_power = (high == powers).any(-1, keepdim=True) & ~has_more
    return length - _FRACTION - is_power.long()


def _word(depth: Int[Tensor, "... M"], chosen: Bool[Tensor, "... M"], fraction: int) -> Int[Tensor, "... 1"]:
    """Σ_j 2^(fraction - depth_j) over the chosen terms."""
    terms = 1 << (fraction - depth).clamp(0, _FRACTION)
    return terms.masked_fill(~chosen, 0).sum(-1, keepdim=True)


def dyadic_numerators(
    scores: Int[Tensor, "*batch M"], bits: int = DEFAULT_BITS, mask: Bool[Tensor, "*#batch M"] | None = None
) -> Int[Tensor, "*batch M"]:
    """The weights of `shiftmax(scores, rounding="dyadic", bits=bits)` times 2^bits: rows sum to 2^bits exactly.

    A row without support points is zero. The word of a weight is one set bit, but for the completed one.

    Example:
        >>> dyadic_numerators(torch.tensor([1, 0, 0, -1]), bits=4)
        tensor([11,  2,  2,  1])

    Raises:
        UsageError: `bits` outside 1..23.
    """
    if not 1 <= bits <= 23:
        raise UsageError(f"dyadic numerators: bits = {bits} is not offered; choose 1 to 23, as in shiftmax")
    counts = shift_counts(scores, mask)
    if counts.shape[-1] == 0:
        return counts
    is_kept = (counts != ABSENT) & (counts <= bits)
    kept = (1 << (bits - counts).clamp(0, bits)).masked_fill(~is_kept, 0)
    is_empty = (counts == ABSENT).all(-1, keepdim=True)
    missing = ((1 << bits) - kept.sum(-1, keepdim=True)).masked_fill(is_empty, 0)
    largest = counts.masked_fill(counts == ABSENT, _INT64.max).argmin(-1, keepdim=True)
    return kept.scatter_add(-1, largest, missing)


def shift_accumulate(
    values: Int[Tensor, "... M E"], counts: Int[Tensor, "... N M"]
) -> Int[Tensor, "... N E"]:
    """Score ▷ V on integer values: Σ_j (v_j >> n_ij), one support point after the other.

    Source: BSA, eq. 15; docs/math/shiftmax.md#s8-values-are-shifted-and-added.

    The shift is arithmetic: every term is rounded down, towards -∞, so that a small negative value ends at
    -1 and not at 0 (counts above 63 act as 63). Values in fixed point with some fraction bits lose less.
    """
    wide = values.long()
    batch = torch.broadcast_shapes(values.shape[:-2], counts.shape[:-2])
    total = wide.new_zeros(*batch, counts.shape[-2], values.shape[-1])
    for value, count in zip(wide.unbind(-2), counts.unbind(-1), strict=True):
        shift = count.unsqueeze(-1)
        terms = value.unsqueeze(-2) >> shift.clamp(0, 63)
        total = total + terms.masked_fill(shift == ABSENT, 0)
    return total


def dyadic_accumulate(
    values: Int[Tensor, "... M E"], numerators: Int[Tensor, "... N M"], bits: int = DEFAULT_BITS
) -> Int[Tensor, "... N E"]:
    """⌊Σ_j v_j numerator_ij / 2^bits⌋, by a shift and an addition for every set bit of a numerator.

    Left shifts into a 64-bit sum lose nothing; one right shift at the end rounds down, once. So values that
    are all alike come out as they went in, which a shift to the right of every term would not give.

    Raises:
        UsageError: values of 63 - bits bits or more, whose sum might not fit.
    """
    wide, limit = values.long(), 1 << (63 - bits)
    if ((wide >= limit) | (wide < -limit)).any():
        raise UsageError(f"dyadic accumulate: values must lie in ±2^{63 - bits} at bits = {bits}; shift them")
    parts = (
        shift_accumulate(wide << place, torch.where(_is_set(numerators, place), 0, ABSENT))
        for place in range(bits + 1)
    )
    return sum(parts, start=wide.new_zeros(())) >> bits


def _is_set(words: Int[Tensor, "..."], place: int) -> Bool[Tensor, "..."]:
    return (words >> place) > ((words >> (place + 1)) << 1)
