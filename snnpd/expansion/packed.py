"""Ternary attention on packed bits: XOR and popcount for scores, shifts and additions of integers for values."""

from importlib import import_module

import torch
from jaxtyping import Int, Int64, Shaped
from torch import Tensor

from snnpd import cuda_code, jit
from snnpd.errors import UsageError, unknown
from snnpd.expansion.integer_shiftmax import (
    dyadic_accumulate,
    dyadic_numerators,
    shift_accumulate,
    shift_counts,
)
from snnpd.expansion.packed_words import PackedTernary, Rule, operands, pack_ternary, unpack_ternary
from snnpd.expansion.power_weights import DEFAULT_BITS

# The terms that a row's sum is exact for, see `shift_counts`.
MAX_POINTS = 1 << 22
ROUNDINGS = ("ceil", "dyadic")
# The fastest first.
IMPLEMENTATIONS = ("cupy", "cpu", "reference")
VALUE_DTYPES = (torch.int8, torch.int16, torch.int32, torch.int64)
# Elements of a map that the reference holds at once.
_REFERENCE_ELEMENTS = 1 << 20


def packed_attention(
    q: Shaped[Tensor, "... N D"] | PackedTernary,
    k: Shaped[Tensor, "... M _"] | PackedTernary,
    values: Shaped[Tensor, "... _ E"],
    *,
    mask: Shaped[Tensor, "..."] | None = None,
    rounding: str = "ceil",
    bits: int = DEFAULT_BITS,
    score_shift: int = 0,
    implementation: str = "auto",
) -> Int64[Tensor, "... N E"]:
    """Shiftmax attention of ternary queries and keys on integer values, without a map in memory.

    Equation: `ceil` Σ_j (v_j >> n_ij), `dyadic` ⌊Σ_j v_j numerator_ij / 2^bits⌋; scores are ⌊q_i·k_j / 2^score_shift⌋.
    Equal, integer for integer, to `shift_accumulate` of `shift_counts` and to `dyadic_accumulate` of
    `dyadic_numerators`; for evaluation: nothing here has a gradient.
    Source: BSA, eq. 13 and 15; docs/math/shiftmax.md#s8-values-are-shifted-and-added.

    Args:
        q, k: ternary, of any type and of the same width D, or already packed.
        values: int8 to int64, one for each of the M keys.
        mask: bool `[..., N or 1, M]`, True where a support point is present; a row without any gives zeros.
        bits: the word width of `dyadic`; `ceil` knows none.
        implementation: "reference" (PyTorch, a piece of the map at a time), "cpu" (compiled by numba), "cupy"
            (compiled for the GPU), or the fastest that can run where the operands are ("auto").

    The smaller the values, the faster: of values in ±2^b at most 2^(b-1) of a `ceil` row keep more than their sign, and
    no others are read; `dyadic` reads all that weigh 2^-bits or more, and sums in words of b + bits.

    Example:
        >>> q, k = torch.tensor([[1, -1]]), torch.tensor([[1, 0], [0, 1], [0, 1]])
        >>> packed_attention(q, k, torch.tensor([[80], [16], [16]]))
        tensor([[44]])

    Raises:
        UsageError: operands that are not ternary, do not fit each other or are too many; no such rounding or
            implementation, or one that cannot run here, with the reason.
    """
    packed_q = q if isinstance(q, PackedTernary) else pack_ternary(q)
    packed_k = k if isinstance(k, PackedTernary) else pack_ternary(k)
    mask = mask if mask is None or mask.ndim > 1 else mask.unsqueeze(0)
    lead = _check(packed_q, packed_k, values, mask)
    _check_options(rounding, bits, score_shift)
    name = choose(implementation, values.device)
    shape = (*lead, packed_q.sign.shape[-2], values.shape[-1])
    if 0 in (*shape, values.shape[-2]):
        return values.new_zeros(shape, dtype=torch.int64)
    rule = Rule(min(score_shift, 15), bits if rounding == "dyadic" else 0, _reach(values))
    if rule.bits and rule.reach > 63 - rule.bits:
        raise UsageError(f"packed attention: values must lie in ±2^{63 - bits} at bits = {bits}; shift them")
    if name == "reference":
        return reference(packed_q, packed_k, values, mask, rule).expand(shape).clone()
    compiled = import_module(
        {"cpu": "snnpd.expansion.packed_cpu", "cupy": "snnpd.expansion.packed_cuda"}[name]
    )
    return compiled.attend(operands(packed_q, packed_k, values, mask, lead), rule).view(shape)


def reference(
    q: PackedTernary, k: PackedTernary, values: Int[Tensor, "..."], mask: Tensor | None, rule: Rule
) -> Int64[Tensor, "..."]:
    """The definition: `snnpd.expansion.integer_shiftmax` on some rows of the map at a time."""
    # Sums of ternary products are exact in float64, whose product every device has.
    queries, keys = unpack_ternary(q).double(), unpack_ternary(k).double().transpose(-1, -2)
    step = max(1, _REFERENCE_ELEMENTS // max(1, keys.shape[-1]))
    parts = []
    for start in range(0, queries.shape[-2], step):
        scores = (queries[..., start : start + step, :] @ keys).long() >> rule.score_shift
        seen = mask if mask is None or mask.shape[-2] == 1 else mask[..., start : start + step, :]
        if seen is not None:
            scores = scores.expand(torch.broadcast_shapes(scores.shape, seen.shape))
        if rule.bits:
            parts.append(dyadic_accumulate(values, dyadic_numerators(scores, rule.bits, seen), rule.bits))
        else:
            parts.append(shift_accumulate(values, shift_counts(scores, seen)))
    return torch.cat(parts, -2)


def why_not(implementation: str, device: torch.device) -> str | None:
    """Why an implementation cannot run on operands of this device, in a sentence; None if it can."""
    if implementation == "reference":
        return None
    if implementation == "cupy":
        return cuda_code.why_not(device)
    return jit.why_not() if device.type == "cpu" else f"the operands are on {device}, not on the CPU"


def choose(implementation: str, device: torch.device) -> str:
    """The implementation that runs: the one asked for, or under "auto" the fastest that can.

    Raises:
        UsageError: no such implementation, or one that cannot run here, with the reason.
    """
    if implementation not in ("auto", *IMPLEMENTATIONS):
        raise unknown("implementation", implementation, ("auto", *IMPLEMENTATIONS))
    if implementation == "auto":
        return next(name for name in IMPLEMENTATIONS if why_not(name, device) is None)
    reason = why_not(implementation, device)
    if reason is not None:
        raise UsageError(f"packed attention: implementation {implementation!r} cannot run: {reason}")
    return implementation


def _check_options(rounding: str, bits: int, score_shift: int) -> None:
    if rounding not in ROUNDINGS:
        raise unknown("rounding of packed attention", rounding, ROUNDINGS)
    if not 1 <= bits <= 23:
        raise UsageError(f"packed attention: bits = {bits} is not offered; choose 1 to 23, as in shiftmax")
    if score_shift < 0:
        raise UsageError(f"packed attention: score_shift = {score_shift} is a count of places, 0 or more")


def _check(q: PackedTernary, k: PackedTernary, values: Tensor, mask: Tensor | None) -> torch.Size:
    """The common leading axes of operands that fit each other."""
    num_queries, num_points = q.sign.shape[-2], k.sign.shape[-2]
    if q.width != k.width:
        raise UsageError(f"packed attention: queries are {q.width} wide and keys {k.width}")
    if values.dtype not in VALUE_DTYPES:
        raise UsageError(
            f"packed attention: values are {values.dtype}; it wants int8 to int64, see to_fixed_point"
        )
    if values.shape[-2:-1] != (num_points,) or num_points > MAX_POINTS:
        raise UsageError(
            f"packed attention: {num_points} keys for values {tuple(values.shape)}; there must be as many, 2^22 at most"
        )
    if mask is not None and (
        mask.dtype != torch.bool or mask.shape[-1] != num_points or mask.shape[-2] not in (1, num_queries)
    ):
        raise UsageError(
            f"packed attention: mask {mask.dtype} {tuple(mask.shape)}; it wants bool [..., 1 or {num_queries}, "
            f"{num_points}], True = present"
        )
    parts = [part for part in (q.sign, k.sign, values, mask) if part is not None]
    if len({part.device for part in parts}) > 1:
        raise UsageError(
            f"packed attention: operands are on {', '.join(str(part.device) for part in parts)}; move them"
        )
    try:
        return torch.broadcast_shapes(*(part.shape[:-2] for part in parts))
    except RuntimeError:
        shapes = ", ".join(str(tuple(part.shape[:-2])) for part in parts)
        raise UsageError(f"packed attention: leading axes {shapes} do not fit each other") from None


def _reach(values: Tensor) -> int:
    low, high = (int(end) for end in values.aminmax())
    return max(high, ~low).bit_length()
