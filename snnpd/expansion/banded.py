"""Local windows by blocks: a query's window lies in its own block and the neighbours, so time and memory are O(N)."""

import torch
from torch import Tensor
from torch.nn import functional as F

from snnpd.expansion.dual import Expansion
from snnpd.expansion.reach import CausalWindow, Reach, Window
from snnpd.expansion.transforms import Points

# Smaller windows share blocks of this many queries: shorter blocks are no faster.
SMALLEST_BLOCK = 32


def why_not_banded(reach: Reach) -> str:
    """Why a reach has no banded form; empty where it has one."""
    if isinstance(reach, CausalWindow) or (isinstance(reach, Window) and reach.grid is None):
        return ""
    return f"{reach} is no window along a sequence"


def band_of(reach: Reach) -> tuple[int, int, int]:
    """Block length, and how many tokens before and after the block its queries see."""
    radius = reach.radius if isinstance(reach, Window | CausalWindow) else 0
    return max(radius, SMALLEST_BLOCK), radius, 0 if reach.is_causal else radius


def banded_form(expansion: Expansion, points: Points) -> Tensor:
    """The expansion of transformed points under a window, block by block; equals the dual form.

    Source: docs/math/transforms.md#t6-reach.
    """
    num_tokens = points.q.shape[-2]
    length, before, after = band_of(expansion.reach)
    num_blocks = -(-num_tokens // length)
    q = F.pad(points.q, (0, 0, 0, num_blocks * length - num_tokens)).unflatten(-2, (num_blocks, length))
    k, v = (_neighbourhoods(x, num_blocks, length, before, after) for x in (points.k, points.v))
    mask = _block_mask(points, num_blocks, length, before, after)
    scores = expansion.kernel.scores(q, k)
    weights = expansion.normaliser.weights(expansion.kernel, scores, mask)
    return (weights @ v).flatten(-3, -2)[..., :num_tokens, :]


def _neighbourhoods(x: Tensor, num_blocks: int, length: int, before: int, after: int) -> Tensor:
    """`[..., M, D]` to `[..., blocks, before + length + after, D]`, zeros outside the sequence."""
    filled = F.pad(x, (0, 0, before, num_blocks * length - x.shape[-2] + after))
    return filled.unfold(-2, before + length + after, length).transpose(-1, -2)


def _block_mask(points: Points, num_blocks: int, length: int, before: int, after: int) -> Tensor:
    """Which of a block's neighbourhood each of its queries sees: in its window, in the sequence, real."""
    device, num_tokens = points.k.device, points.k.shape[-2]
    place = torch.arange(-before, length + after, device=device)
    offset = torch.arange(length, device=device)[:, None] - place
    near = (offset <= before) & (offset >= -after)
    real = torch.ones(num_tokens, dtype=torch.bool, device=device) if points.mask is None else points.mask
    real = _neighbourhoods(real.unsqueeze(-1), num_blocks, length, before, after).squeeze(-1)
    return near & real.unsqueeze(-2)
