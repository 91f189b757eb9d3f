"""The fused form of exponential kernels: PyTorch's attention kernel, O(N) memory, and Shiftmax's row gain."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from snnpd.expansion.dual import Expansion, dual_form
from snnpd.expansion.kernels import Exponential
from snnpd.expansion.normalisers import RowSum, Shiftmax
from snnpd.expansion.power_weights import rounded_log2, rounded_log2_sum, whole_peak
from snnpd.expansion.reach import Causal
from snnpd.expansion.transforms import Points

# How far the kernel's log-sum-exp may be off, in bits of the row's mass: measured below 2^-18 in float32 and 2^-13
# in half types; rows closer than this to where the rounding jumps are counted anew.
_DOUBT_BITS = {torch.float64: 36, torch.float32: 14, torch.bfloat16: 10, torch.float16: 10}
# Elements of scores that are held at once when rows are counted.
_COUNTED_AT_ONCE = 1 << 22
# Sums of powers of two that spread over no more bits than these, log2 of their number included, are exact in float64.
_EXACT_BITS = 52
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
    q, k, v = (_four_axes(part.expand(*lead, *part.shape[-2:])) for part in points[:3])
    causal = isinstance(expansion.reach, Causal) and points.mask is None
    support = None if causal else expansion.support(points)
    seen = None if support is None else _four_axes(support[(None,) * (len(lead) + 2 - support.ndim)], lead)
    attended, log_mass = _attend(q, k, v, seen, causal, scale * math.log(kernel.base))
    if isinstance(normaliser, Shiftmax) and normaliser.rounding != "sum":
        rows = _Rows(q if scale == 1 else q * scale, k, seen, causal)
        attended = attended * _row_gain(rows, log_mass, normaliser.rounding).to(attended.dtype)
    attended = attended.view(*lead, *attended.shape[-2:])
    if support is None:
        return attended
    return attended.masked_fill(~support.any(-1, keepdim=True), 0)  # the kernel says nothing of empty rows


def _attend(
    q: Tensor, k: Tensor, v: Tensor, seen: Tensor | None, causal: bool, scale: float
) -> tuple[Tensor, Tensor | None]:
    """softmax attention, and log Σ exp of each row `[B, H, N, 1]` where the kernel tells it."""
    bias = None
    if seen is not None:
        bias = torch.zeros(seen.shape, dtype=q.dtype, device=q.device).masked_fill_(~seen, -math.inf)
    if _FLASH_CPU is not None and q.device.type == "cpu" and q.shape[-1] == v.shape[-1]:
        out, log_mass = _FLASH_CPU(q, k, v, is_causal=causal, attn_mask=bias, scale=scale)
        return out, log_mass.reshape(*out.shape[:-1], 1)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias, is_causal=causal, scale=scale), None


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
    """Queries, support points and who sees whom, in four axes: what it takes to count the mass of a row."""

    q: Tensor
    k: Tensor
    seen: Tensor | None
    causal: bool

    def lowest(self) -> Float[Tensor, "B H N 1"]:
        """What no score of a row is below, where its scores are whole numbers; -inf where they are not."""
        floor = -self.q.abs().sum(-1, keepdim=True) * self.k.abs().amax((-2, -1), keepdim=True)
        is_whole = (self.q == self.q.round()).all(-1, keepdim=True)
        is_whole &= (self.k == self.k.round()).flatten(-2).all(-1)[..., None, None]
        return floor.double().masked_fill(~is_whole, -math.inf)

    def gains(
        self,
        places: tuple[Int[Tensor, "R 1"], Int[Tensor, "R 1"], Int[Tensor, "R n"]],
        near: bool,
        rounding: str,
    ) -> Float[Tensor, "R n 1"]:
        """r of the rows at these places, n of each of R heads, from their scores.

        `near`: their scores are whole numbers, so near to each other that a sum in float64 is exact.
        """
        batch, head, query = places
        wide = torch.float32 if near else torch.float64
        scores = self.q[places].to(wide) @ self.k[batch[:, 0], head[:, 0]].to(wide).transpose(-1, -2)
        if self.causal:
            later = torch.arange(self.k.shape[-2], device=self.k.device) > query.unsqueeze(-1)
            scores = scores.masked_fill_(later, -math.inf)
        if self.seen is not None:
            scores = scores.masked_fill_(~self.seen.expand(*self.q.shape[:-1], -1)[places], -math.inf)
        depth = scores - whole_peak(scores, -1)
        mass = torch.exp2(depth).sum(-1, keepdim=True, dtype=torch.float64)
        gamma = rounded_log2(mass, rounding) if near else rounded_log2_sum(depth, -1, rounding)
        return mass * torch.exp2(-gamma.double())


@torch.no_grad()
def _row_gain(rows: _Rows, log_mass: Tensor | None, rounding: str) -> Float[Tensor, "B H N 1"]:
    """r = 2^(log2 Σ - γ) of every row, exact where Σ is a power of two; γ as in `rounded_log2_sum`.

    The mass of whole scores is a multiple of its smallest term, 2^lowest or more: where the doubt about it is less,
    nothing lies between a power of two and its neighbours, and what is close to one is one.

    Source: docs/math/shiftmax.md#s10-which-rows-are-counted-anew.
    """
    lowest = rows.lowest()
    if log_mass is None:
        return _counted(
            torch.empty_like(lowest), torch.ones_like(lowest, dtype=torch.bool), rows, lowest, rounding
        )
    bits, doubt = log_mass.double() / math.log(2), _DOUBT_BITS[rows.q.dtype]
    nearest = bits.round()
    gain = torch.exp2(bits - (bits.ceil() if rounding == "ceil" else nearest))
    edge = nearest if rounding == "ceil" else bits.floor() + 0.5
    is_close = (bits - edge).abs() < 2.0**-doubt
    if rounding == "ceil":
        is_power = is_close & (nearest - lowest <= doubt)
        gain = gain.masked_fill(is_power, 1)
        is_close &= ~is_power
    return _counted(gain, is_close, rows, lowest, rounding)


def _counted(
    gain: Float[Tensor, "B H N 1"],
    wanted: Bool[Tensor, "B H N 1"],
    rows: _Rows,
    lowest: Float[Tensor, "B H N 1"],
    rounding: str,
) -> Float[Tensor, "B H N 1"]:
    """`gain`, with the wanted rows counted: as many rows of each head as the one with most of them wants."""
    wanted = wanted.squeeze(-1)
    batch, head = wanted.any(-1).nonzero().split(1, -1)
    if not len(head):
        return gain
    chosen = wanted[batch[:, 0], head[:, 0]].int()
    queries = chosen.topk(int(chosen.sum(-1).max()), -1).indices
    step = max(1, _COUNTED_AT_ONCE // (len(head) * rows.k.shape[-2]))
    for some in queries.split(step, -1):
        places = batch, head, some
        near = bool((math.log2(rows.k.shape[-2]) - 2 * lowest[places] <= _EXACT_BITS).all())
        gain[places] = rows.gains(places, near, rounding)
    return gain
