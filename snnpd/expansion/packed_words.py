"""Ternary vectors as bits, real values as integers: what packed attention works on."""

from functools import lru_cache
from math import prod
from typing import NamedTuple

import torch
from jaxtyping import Float, Int, Int64, Shaped
from torch import Tensor
from torch.nn.functional import pad

from snnpd.errors import UsageError

WORD = 64
# What a 16-bit score holds.
MAX_WIDTH = 511 * WORD
# The lowest bit of each of eight bytes.
_LOW_BITS = 0x0101010101010101


class PackedTernary(NamedTuple):
    """Ternary vectors of `width` D as bits, `[..., N, W]` with W = ⌈D / 64⌉ words of 64; bit d of a word is element d.

    `nonzero` has a bit for every spike and `sign` one for every negative spike. A score of two such is
    popcount(z) - 2 popcount(z & (s_q ^ s_k)) with z = z_q & z_k: three logical operations a word, where words for +1
    and -1 would take six.
    """

    sign: Int64[Tensor, "... N W"]
    nonzero: Int64[Tensor, "... N W"]
    width: int


class Operands(NamedTuple):
    """What the packed kernels read; leading axes are flat, and `which` says which of them group g takes.

    `q_*` `[Gq, N, W]`, `k_*` `[Gk, W, M]` (word first), `values` `[Gv, M, E]`, `present` bytes `[Gm, N or 1, M]` or
    None, `which` `[4, G]` for q, k, values and present.
    """

    q_sign: Tensor
    q_nonzero: Tensor
    k_sign: Tensor
    k_nonzero: Tensor
    values: Tensor
    present: Tensor | None
    which: Tensor


class Rule(NamedTuple):
    """How scores become shifts: ⌊score / 2^score_shift⌋, then `ceil` (`bits` = 0) or `dyadic` Shiftmax.

    `reach` is how many shifts it takes until nothing is left of any value but its sign: -2^reach ≤ v < 2^reach.
    """

    score_shift: int
    bits: int
    reach: int


def pack_ternary(spikes: Shaped[Tensor, "*batch N D"]) -> PackedTernary:
    """The spikes as bits, two words for every 64 of them.

    Example:
        >>> packed = pack_ternary(torch.tensor([[1, 0, -1]]))
        >>> packed.nonzero.tolist(), packed.sign.tolist()
        ([[5]], [[4]])

    Raises:
        UsageError: something that is not -1, 0 or 1, no vectors, or vectors wider than 511 words.
    """
    if spikes.ndim < 2 or spikes.shape[-1] > MAX_WIDTH or spikes.is_complex():
        raise UsageError(
            f"packed spikes: {spikes.dtype} {tuple(spikes.shape)}; they must be real [..., N, D], D {MAX_WIDTH} at most"
        )
    narrow = spikes.detach().to(torch.int8)
    spikes = narrow if spikes.dtype == torch.bool else spikes.detach()
    if not _is_ternary(spikes, narrow):
        wide = spikes.double()
        wrong = wide[(wide != 0) & (wide.abs() != 1)][0].item()
        raise UsageError(f"packed spikes: {wrong:g} is not ternary; queries and keys must be -1, 0 or 1")
    lacking = -spikes.shape[-1] % WORD if spikes.shape[-1] else WORD
    # Eight spikes as one word: the lowest bit of a byte says whether there is one, the highest whether it is negative.
    eight = (pad(narrow, (0, lacking)) if lacking else narrow).contiguous().view(torch.int64)
    return PackedTernary(_words(eight >> 7), _words(eight), spikes.shape[-1])


def _is_ternary(spikes: Tensor, narrow: Tensor) -> bool:
    """Whether there is nothing but -1, 0 and 1; `narrow` are the same, cut to bytes."""
    if not spikes.numel():
        return True
    low, high = spikes.aminmax()
    if not (low >= -1 and high <= 1):  # so is a NaN
        return False
    if not spikes.is_floating_point():
        return True
    low, high = (narrow.to(spikes.dtype) - spikes).aminmax()
    return bool(low == 0 and high == 0)


def unpack_ternary(packed: PackedTernary) -> Int64[Tensor, "... N D"]:
    """The spikes that were packed, as integers."""
    places = torch.arange(WORD, device=packed.sign.device)
    sign, nonzero = (
        ((words.unsqueeze(-1) >> places) & 1).flatten(-2)[..., : packed.width] for words in packed[:2]
    )
    return nonzero - 2 * sign


def _words(eight: Int64[Tensor, "*batch B"]) -> Int64[Tensor, "*batch W"]:
    """The lowest bits of eight bytes become one byte, and eight of these a word."""
    # The product brings the bit of byte i to place 56 + i.
    return (((eight & _LOW_BITS) * 0x0102040810204080) >> 56).to(torch.uint8).view(torch.int64)


def to_fixed_point(values: Float[Tensor, "..."], fraction_bits: int) -> Int64[Tensor, "..."]:
    """v · 2^fraction_bits, rounded to the nearest integer (ties to even): values for `packed_attention`.

    An element is off by at most 2^-(f+1). `from_fixed_point` of the attended integers lies, of the same attention on
    the real values, within 2^-(f+1) above and (M + ½) 2^-f below for `ceil`, which rounds each of M terms down, and
    within 2^-(f+1) above and 1.5 · 2^-f below for `dyadic`, which rounds once.

    Raises:
        UsageError: not a number, or one that does not fit 62 bits with this fraction.
    """
    scaled = (values.detach().double() * 2.0**fraction_bits).round()
    if not (scaled.abs() < 2.0**62).all():
        raise UsageError(
            f"fixed point: a value does not fit 62 bits with {fraction_bits} of them behind the point; use fewer"
        )
    return scaled.long()


def from_fixed_point(
    integers: Int[Tensor, "..."], fraction_bits: int, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "..."]:
    """The integers divided by 2^fraction_bits, rounded to `dtype`."""
    return (integers.double() * 2.0**-fraction_bits).to(dtype)


def operands(
    q: PackedTernary, k: PackedTernary, values: Tensor, mask: Tensor | None, lead: torch.Size
) -> Operands:
    """What the kernels read: nothing is repeated for the axes that one of them lacks."""
    leads = (q.sign.shape[:-2], k.sign.shape[:-2], values.shape[:-2], () if mask is None else mask.shape[:-2])
    return Operands(
        _flat(q.sign),
        _flat(q.nonzero),
        _flat(k.sign).mT.contiguous(),
        _flat(k.nonzero).mT.contiguous(),
        _flat(values),
        None if mask is None else _flat(mask).view(torch.uint8),
        _which(tuple(map(tuple, leads)), tuple(lead)).to(values.device),
    )


def _flat(part: Tensor) -> Tensor:
    return (part.flatten(0, -3) if part.ndim > 2 else part.unsqueeze(0)).contiguous()


@lru_cache(64)
def _which(leads: tuple[tuple[int, ...], ...], lead: tuple[int, ...]) -> Tensor:
    """Which of each operand's groups every group takes, by the operands' own leading axes."""
    own = [torch.arange(prod(axes)).view(axes).expand(lead) for axes in leads]
    return torch.stack([groups.reshape(-1) for groups in own])
