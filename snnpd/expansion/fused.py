"""The fused form of exponential kernels: PyTorch's attention kernel, O(N) memory, and Shiftmax's row gain."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from snnpd.expansion.dual import Expansion, dual_form
from snnpd.expansion.kernels import Exponential
from snnpd.expansion.normalisers import RowSum, Shiftmax
from snnpd.expansion.power_weights import rounded_log2_sum, whole_peak
from snnpd.expansion.reach import Causal
from snnpd.expansion.transforms import Points

# How far the kernel's log-sum-exp may be off, in bits of the row's mass: measured below 2^-18 in float32 and 2^-13
# in half types; rows closer than this to where the rounding jumps are counted anew.
_DOUBT_BITS = {torch.float64: 36, torch.float32: 14, torch.bfloat16: 10, torch.float16: 10}
# Elements of scores that are held at once when rows are counted.
_COUNTED_AT_ONCE = 1 << 22
_FLASH_CPU = getattr(torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu", None)


def why_not_fused(expansion: Expansion) -> str:
    """Why an expansion has no fused form; empty where it has one."""
    kernel, normaliser = expansion.kernel, expansion.normaliser
    if not isinstance(kernel, Exponential):
        return f"{kernel} is no exponential kernel"
    if kernel.score_shift:
        return "shifted scores are rounded before the exponential"
    if isinstance(normaliser, Shiftmax):
        return (
            "dyadic Shiftmax completes the largest score of a row" if normaliser.rounding == "dyadic" else ""
        )
    return "" if isinstance(normaliser, RowSum) else f"{normaliser} does not divide by the row's mass"


def fused_form(expansion: Expansion, points: Points) -> Float[Tensor, "... N E"]:
    """The expansion of transformed points on PyTorch's fused attention kernel.

    Equation: Shiftmax(x) v = r softmax_2(x) v with the row gain r = 2^(log2 Σ_j 2^(x_j) - γ) held fixed in the
    gradient, which makes it the straight-through gradient of `shiftmax`; r = 1 for row sums.

    Source: docs/math/shiftmax.md#s9-the-fused-form, docs/math/shiftmax.md#s2-row-sum-and-row-gain.
    """
    kernel, normaliser = expansion.kernel, expansion.normaliser
    assert isinstance(kernel, Exponential)
    if 0 in (points.q.numel(), points.k.numel()):
        return dual_form(expansion, points)  # PyTorch's kernel for the CPU dies of empty tensors
    scale = points.q.shape[-1] ** -0.5 if kernel.scale is None else kernel.scale
    lead = torch.broadcast_shapes(*(part.shape[:-2] for part in points[:3]))
    q, k, v = (part.expand(*lead, *part.shape[-2:]) for part in points[:3])
    causal = isinstance(expansion.reach, Causal) and points.mask is None
    support = None if causal else expansion.support(points)
    attended, log_mass = _attend(q, k, v, support, causal, scale * math.log(kernel.base))
    if isinstance(normaliser, Shiftmax) and normaliser.rounding != "sum":
        gain = _row_gain(
            _Rows(q if scale == 1 else q * scale, k, support, causal), log_mass, normaliser.rounding
        )
        attended = attended * gain.to(attended.dtype)
    if support is None:
        return attended
    return attended.masked_fill(~support.any(-1, keepdim=True), 0)  # the kernel says nothing of empty rows


def _attend(
    q: Tensor, k: Tensor, v: Tensor, support: Tensor | None, causal: bool, scale: float
) -> tuple[Tensor, Tensor | None]:
    """softmax attention, and log Σ exp of each row `[..., N, 1]` where the kernel tells it."""
    lead = q.shape[:-2]
    q4, k4, v4 = _four_axes(q), _four_axes(k), _four_axes(v)
    bias = None
    if support is not None:
        bias = torch.zeros(support.shape, dtype=q.dtype, device=q.device).masked_fill_(~support, -math.inf)
        bias = _four_axes(bias.view((1,) * (len(lead) + 2 - bias.ndim) + bias.shape), lead)
    if _FLASH_CPU is not None and q.device.type == "cpu" and q.shape[-1] == v.shape[-1]:
        out, log_mass = _FLASH_CPU(q4, k4, v4, is_causal=causal, attn_mask=bias, scale=scale)
        return out.view(*lead, *out.shape[-2:]), log_mass.reshape(*lead, -1, 1)
    out = F.scaled_dot_product_attention(q4, k4, v4, attn_mask=bias, is_causal=causal, scale=scale)
    return out.view(*lead, *out.shape[-2:]), None


def _four_axes(x: Tensor, lead: torch.Size | None = None) -> Tensor:
    """`[..., N, D]` as `[B, H, N, D]`, the shape that PyTorch's kernels take.

    A mask is shared by the axes of length one that `lead` widens; its heads stay one where they are one.
    """
    while x.ndim < 4:
        x = x.unsqueeze(0)
    if lead is not None and any(size > 1 for size in x.shape[:-3]):
        x = x.expand(*lead[:-1], *x.shape[-3:])
    return x.flatten(0, -4)


class _Rows(NamedTuple):
    """Queries, support points and who sees whom: what it takes to count the mass of a row."""

    q: Tensor
    k: Tensor
    support: Tensor | None
    causal: bool

    def gains(self, rows: slice, rounding: str) -> Float[Tensor, "... n 1"]:
        """r of the same few rows in each head."""
        seen = None if self.support is None else self.support
        if seen is not None and seen.shape[-2] > 1:
            seen = seen[..., rows, :]
        if self.causal:
            index = torch.arange(self.k.shape[-2], device=self.k.device)
            seen = index <= index[rows, None]
        return _gain_of(self.q[..., rows, :].double() @ self.k.double().transpose(-1, -2), seen, rounding)

    def gains_at(self, index: tuple[Tensor, ...], rounding: str) -> Float[Tensor, "R 1"]:
        """r of single rows, given by their places."""
        scores = (self.k[index[:-1]].double() @ self.q[index].double().unsqueeze(-1)).squeeze(-1)
        seen = None
        if self.support is not None:
            seen = self.support.expand(*self.q.shape[:-1], self.k.shape[-2])[index]
        if self.causal:
            seen = torch.arange(self.k.shape[-2], device=self.k.device) <= index[-1][:, None]
        return _gain_of(scores, seen, rounding)


def _gain_of(scores: Float[Tensor, "... M"], seen: Tensor | None, rounding: str) -> Float[Tensor, "... 1"]:
    """r = 2^(log2 Σ - γ) from the scores themselves."""
    if seen is not None:
        scores = scores.masked_fill(~seen, -math.inf)
    depth = scores - whole_peak(scores, -1)
    gamma = rounded_log2_sum(depth, -1, rounding)
    return torch.exp2(depth).sum(-1, keepdim=True) * torch.exp2(-gamma.double())


@torch.no_grad()
def _row_gain(rows: _Rows, log_mass: Tensor | None, rounding: str) -> Float[Tensor, "... N 1"]:
    """r = 2^(log2 Σ - γ) of every row, exact where Σ is a power of two; γ as in `rounded_log2_sum`."""
    if log_mass is None:
        return _count_all(rows, rounding)
    bits = log_mass.double() / math.log(2)
    nearest = bits.round()
    edge = nearest if rounding == "ceil" else bits.floor() + 0.5
    is_close = (bits - edge).abs() < 2.0 ** -_DOUBT_BITS[rows.q.dtype]
    gain = torch.exp2(bits - (bits.ceil() if rounding == "ceil" else nearest))
    if rounding == "ceil":
        is_power = is_close & _has_no_near_miss(rows.q, rows.k)
        gain = gain.masked_fill(is_power, 1)
        is_close &= ~is_power
    doubtful = is_close.squeeze(-1).nonzero()
    if len(doubtful) * rows.q.shape[-1] > is_close.numel():
        return _count_all(rows, rounding)
    step = max(1, _COUNTED_AT_ONCE // max(rows.k.shape[-2] * rows.k.shape[-1], 1))
    for some in doubtful.split(step):
        index = some.unbind(-1)
        gain[index] = rows.gains_at(index, rounding)
    return gain


def _count_all(rows: _Rows, rounding: str) -> Float[Tensor, "... N 1"]:
    """Every row from its scores, some rows of all heads at a time."""
    num_queries = rows.q.shape[-2]
    heads = math.prod(rows.q.shape[:-2])
    step = max(1, _COUNTED_AT_ONCE // max(heads * rows.k.shape[-2], 1))
    parts = [rows.gains(slice(i, i + step), rounding) for i in range(0, num_queries, step)]
    return torch.cat(parts, -2)


def _has_no_near_miss(q: Tensor, k: Tensor) -> Bool[Tensor, "... N 1"]:
    """Rows of integer scores whose mass is a power of two as soon as it is close to one.

    The mass is a multiple of its smallest term, and terms spread over at most 2 |q|_1 max|k| bits: nothing lies
    between a power of two and its neighbours at that distance.

    Source: docs/math/shiftmax.md#s10-which-rows-are-counted-anew.
    """
    largest = k.abs().amax((-2, -1), keepdim=True)
    spread = 2 * q.abs().sum(-1, keepdim=True) * largest + math.log2(k.shape[-2])
    is_whole = (q == q.round()).all(-1, keepdim=True) & (k == k.round()).flatten(-2).all(-1)[..., None, None]
    return is_whole & (spread < _DOUBT_BITS[q.dtype] - 1)
