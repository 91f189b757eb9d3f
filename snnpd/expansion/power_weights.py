"""Shiftmax: attention weights that are powers of two, so that a shift register replaces the multiplier."""

import math
from typing import Any

import torch
from jaxtyping import Float, Real
from torch import Tensor

from snnpd.errors import UsageError, unknown

ROUNDINGS: tuple[str, ...] = ("ceil", "round", "sum", "dyadic")
DEFAULT_BITS = 22

# Terms are added in two float64 sums, split here, so that neither loses a bit: 2^12 terms that are multiples
# of 2^-40 fit 53 bits, and so do those below it.
_SPLIT = -40


def shiftmax(
    scores: Real[Tensor, "..."], dim: int = -1, rounding: str = "ceil", bits: int = DEFAULT_BITS
) -> Float[Tensor, "..."]:
    """Base-2 attention weights along `dim`; powers of two wherever the scores are integers.

    Equation:
        Shiftmax(x)_i = 2^(x_i - γ(x)), with γ(x) one of
        `ceil`: ⌈log2 Σ_j 2^(x_j)⌉, row sum in (1/2, 1], 1 iff the sum is a power of two;
        `round`: the nearest integer instead, row sum in (0.707, 1.414];
        `sum`: log2 Σ_j 2^(x_j) itself, the base-2 softmax; row sum 1, but a division in hardware;
        `dyadic`: as `ceil`; weights under 2^-bits are dropped, and what the row lacks to one is added to its
        largest score (the first, if several tie: the one place where the order of keys matters): rows sum
        to one exactly and every weight is dyadic.

    Gradient: γ is rounded straight through, ∂S_i/∂x_j = ln 2 (S_i δ_ij - S_i p_j) with p the base-2
    softmax, so keys compete. For `dyadic`, S stands for the `ceil` weights; the completion is a constant.

    Source:
        BSA, eq. 13 (`ceil`), docs/math/shiftmax.md#s1-definition; `round`, `sum`, `dyadic`:
        docs/math/shiftmax.md#s5-four-roundings; the gradient: docs/math/shiftmax.md#s4-the-straight-through-gradient.
        A score of -inf is an absent support point; a row of nothing else gets zero weights.

    The integer γ is exact for integer scores that spread over up to 80 bits and rows of up to 4,096. In
    bfloat16 and float16 (so under autocast) the powers of two are exact, but the completed weights of
    `dyadic` are rounded to that format: its rows sum to one exactly in float32 and float64 only.

    Example:
        >>> shiftmax(torch.tensor([1.0, 0.0, 0.0]))
        tensor([0.5000, 0.2500, 0.2500])

    Raises:
        UsageError: unknown rounding, or `bits` outside 1..23.
    """
    check_rounding(rounding, bits)
    if not scores.is_floating_point():  # integers, whose powers of two want fractions
        scores = scores.float()
    if scores.shape[dim] == 0:
        return scores.clone()
    if rounding == "sum":
        return _base2_softmax(scores, dim)
    shifted: Tensor = _ShiftedWeights.apply(scores, dim, rounding)
    if rounding != "dyadic":
        return shifted
    return shifted + (complete_to_one(shifted.detach(), scores, dim, bits) - shifted).detach()


def check_rounding(rounding: str, bits: int) -> None:
    """Raises UsageError for an unknown rounding, or `bits` outside 1..23."""
    if rounding not in ROUNDINGS:
        raise unknown("rounding", rounding, ROUNDINGS)
    if not 1 <= bits <= 23:
        raise UsageError(f"shiftmax: bits = {bits} does not fit a float32 word; choose 1 to 23")


def _base2_softmax(scores: Tensor, dim: int) -> Tensor:
    # a finite stand-in keeps rows without any support point, and their gradients, free of nan
    present = scores > -math.inf
    finite = scores.masked_fill(~present, torch.finfo(scores.dtype).min)
    return torch.softmax(finite * math.log(2), dim).masked_fill(~present, 0)


class _ShiftedWeights(torch.autograd.Function):
    """2^(x - γ) with integer γ forward, the straight-through Jacobian backward."""

    generate_vmap_rule = True

    @staticmethod
    def forward(scores: Tensor, dim: int, rounding: str) -> Tensor:
        depth = scores - whole_peak(scores, dim)
        return torch.exp2(depth - rounded_log2_sum(depth, dim, rounding).to(depth.dtype))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.dim = inputs[1]
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (shifted,) = ctx.saved_tensors
        row_sum = shifted.sum(ctx.dim, keepdim=True).clamp_min(torch.finfo(grad.dtype).tiny)
        mean = (grad * shifted).sum(ctx.dim, keepdim=True) / row_sum
        return math.log(2) * shifted * (grad - mean), None, None


def whole_peak(scores: Float[Tensor, "..."], dim: int) -> Tensor:
    """The largest score, rounded up: taking an integer off all scores takes it off γ, and changes no weight."""
    peak = scores.amax(dim, keepdim=True).ceil()
    return peak.masked_fill(peak == -math.inf, 0)


def rounded_log2_sum(depth: Float[Tensor, "..."], dim: int, rounding: str) -> Tensor:
    """γ(x), kept along `dim`, for scores that are at most zero (`depth`: the peak already taken off).

    Equation: log2 Σ_j 2^(x_j), rounded up (`ceil`, `dyadic`) or to the nearest integer (`round`).
    Source: docs/math/shiftmax.md#s3-the-ceiling-is-exact.
    """
    wide = depth.double()
    terms = torch.exp2(wide)
    is_high = wide >= _SPLIT
    high = terms.masked_fill(~is_high, 0).sum(dim, keepdim=True)
    low = terms.masked_fill(is_high, 0).sum(dim, keepdim=True)
    total = high + low
    lost = low - (total - high)  # what the last addition rounded off (Dekker), exact since high >= low
    return rounded_log2(total, rounding, lost)


def rounded_log2(total: Float[Tensor, "..."], rounding: str, lost: Tensor | None = None) -> Tensor:
    """log2 of positive numbers, rounded up (`ceil`, `dyadic`) or to the nearest integer (`round`), exactly.

    `lost` is what rounding took off `total`: a power of two with more to come belongs to the next integer.
    """
    mantissa, exponent = torch.frexp(total)  # total = mantissa 2^exponent, mantissa in [1/2, 1)
    if rounding == "round":
        return exponent - (mantissa < math.sqrt(0.5)).to(exponent.dtype)
    is_power = mantissa == 0.5 if lost is None else (mantissa == 0.5) & (lost <= 0)
    return exponent - is_power.to(exponent.dtype)


def complete_to_one(shifted: Tensor, scores: Tensor, dim: int, bits: int) -> Tensor:
    """`ceil` weights without those under 2^-bits, the missing mass given to the first largest score.

    Source: docs/math/shiftmax.md#s6-dyadic-completion.
    """
    kept = shifted.float().masked_fill(shifted < 2.0**-bits, 0)
    is_empty = shifted.amax(dim, keepdim=True) == 0
    missing = (1 - kept.sum(dim, keepdim=True)).masked_fill(is_empty, 0)
    return kept.scatter_add(dim, scores.argmax(dim, keepdim=True), missing).to(shifted.dtype)
