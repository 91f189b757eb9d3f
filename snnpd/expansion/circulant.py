"""Circulant mixing of tokens: one weight per cyclic shift, so that N × N weights act as one convolution."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def circulant_mix(
    weights: Float[Tensor, "*batch N"],
    values: Float[Tensor, "*batch N E"],
    lengths: Int[Tensor, "..."] | None = None,
) -> Float[Tensor, "*batch N E"]:
    """The product of a circulant matrix with the values, in O(N log N).

    Equation: out_i = Σ_j z_((i − j) mod n) v_j = IFFT(FFT(z) ⊙ FFT(v)), i, j < n.

    Source: CAT, Yamada 2025 (arXiv 2504.06704), at second hand. Public code reads z_((j − i) mod n), the mirror image,
        and divides by N, so that its rows no longer sum to one; here they sum to Σ_s z_s.
        See docs/math/systems.md#c5-mixing-by-a-circulant.

    `lengths`, broadcast over the axes before N, are the numbers n of real tokens, which come first: each sample
    is a circulant of its own length, what lies behind counts for nothing and comes out as zero. All lengths
    share one transform, a linear convolution over 2N places whose places from n on are added to those from 0 on.
    The transform runs in at least float32; its rounding is relative to the largest term, not to each output.

    Example:
        >>> circulant_mix(torch.tensor([0.0, 1.0, 0.0]), torch.tensor([[1.0], [2.0], [3.0]])).flatten().round()
        tensor([3., 1., 2.])
    """
    num_tokens = weights.shape[-1]
    wide = torch.promote_types(torch.promote_types(weights.dtype, values.dtype), torch.float32)
    z, v, places = weights.to(wide), values.to(wide), num_tokens
    if lengths is not None:
        lengths = lengths.expand(weights.shape[:-1])
        is_real = _is_real(lengths, num_tokens)
        z, v = z.masked_fill(~is_real, 0), v.masked_fill(~is_real.unsqueeze(-1), 0)
        places = 2 * num_tokens
    spectrum = torch.fft.rfft(z, places).unsqueeze(-1) * torch.fft.rfft(v, places, dim=-2)
    mixed = torch.fft.irfft(spectrum, places, dim=-2)
    return (mixed if lengths is None else _fold(mixed, lengths)).to(values.dtype)


def _fold(mixed: Float[Tensor, "*batch L E"], lengths: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch N E"]:
    """A linear convolution of 2N places wrapped around at each sample's own length."""
    num_tokens = mixed.shape[-2] // 2
    wrapped = torch.arange(num_tokens, device=mixed.device) + lengths.unsqueeze(-1)
    total = mixed[..., :num_tokens, :] + mixed.take_along_dim(wrapped.unsqueeze(-1), -2)
    return total.masked_fill(~_is_real(lengths, num_tokens).unsqueeze(-1), 0)


def circulant_matrix(
    weights: Float[Tensor, "*batch N"], lengths: Int[Tensor, "..."] | None = None
) -> Float[Tensor, "*batch N N"]:
    """The matrix that `circulant_mix` multiplies by, written out in O(N²).

    Equation: A_ij = z_((i − j) mod n) for i, j < n, else 0.
    Source: docs/math/systems.md#c5-mixing-by-a-circulant.
    """
    shifts = _shifts(weights)
    if lengths is None:
        return weights[..., shifts % weights.shape[-1]]
    lengths = lengths.expand(weights.shape[:-1])
    wrapped = shifts % lengths.clamp_min(1)[..., None, None]
    is_real = _is_real(lengths, weights.shape[-1])
    dense = weights.unsqueeze(-2).take_along_dim(wrapped, -1)
    return dense.masked_fill(~(is_real.unsqueeze(-1) & is_real.unsqueeze(-2)), 0)


def causal_circulant_scores(scores: Float[Tensor, "*batch N"]) -> Float[Tensor, "*batch N N"]:
    """The scores of a causal circulant: z_(i − j) where token j is not later than i, −inf elsewhere.

    The mask stands *before* the normaliser, whose rows then differ: row i has the shifts 0..i. So this is no
    circulant any more and is kept dense. (Numerator and denominator of a softmax over it are convolutions too,
    but a row of small early weights would drown in the rounding of later large ones.)
    """
    shifts = _shifts(scores)
    return scores[..., shifts.clamp_min(0)].masked_fill(shifts < 0, -torch.inf)


def causal_circulant(
    scores: Float[Tensor, "*batch N"], values: Float[Tensor, "*batch N E"]
) -> Float[Tensor, "*batch N E"]:
    """Causal circular attention, at the O(N²) that it costs.

    Equation: out_i = Σ_{j ≤ i} exp(z_(i − j)) v_j / Σ_{j ≤ i} exp(z_(i − j)).
    Source: docs/math/systems.md#c7-the-cost-of-causal-circulants.
    """
    return torch.softmax(causal_circulant_scores(scores), -1) @ values


def real_first(mask: Bool[Tensor, "B N"]) -> tuple[Int[Tensor, "B N"], Int[Tensor, " B"]]:
    """The order that puts the real tokens of each sample first, unchanged among themselves, and their number."""
    return torch.argsort(mask.logical_not().to(torch.int8), dim=-1, stable=True), mask.sum(-1)


def _shifts(weights: Tensor) -> Int[Tensor, "N N"]:
    tokens = torch.arange(weights.shape[-1], device=weights.device)
    return tokens.unsqueeze(-1) - tokens


def _is_real(lengths: Int[Tensor, "..."], num_tokens: int) -> Bool[Tensor, "... N"]:
    return torch.arange(num_tokens, device=lengths.device) < lengths.unsqueeze(-1)
