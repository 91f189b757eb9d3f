"""What the heads of attention layers do alike, and what their rows sum to."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from snnpd.attention import HeadView


class HeadDistance(NamedTuple):
    """Mean distance between the outputs of two heads, in the units of the outputs and as a share of their size."""

    absolute: float
    relative: float


def head_distance(
    heads: Float[Tensor, "T B H N E"], mask: Bool[Tensor, "B N"] | None = None
) -> HeadDistance | None:
    """How far the heads of a layer are from each other, over all pairs and real tokens; None for a single head.

    The larger, the less redundant.

    Equation: mean over s < t and tokens of ‖h_s - h_t‖_2; relative: divided by √2 times the root mean square of
    ‖h_s‖_2, which gives 1 for heads of equal size at right angles, and 0 for equal heads.

    Source: the head redundancy of Nguyen et al. 2023 (arXiv 2406.13781), recalled; the relative form is ours.

    Example:
        >>> head_distance(torch.eye(2).view(1, 1, 2, 1, 2)).relative
        1.0
    """
    if heads.shape[2] < 2:
        return None
    tokens = heads.movedim(2, 3).double()
    packed = tokens.flatten(0, 2) if mask is None else tokens[:, mask].flatten(0, 1)
    distances = torch.cdist(packed, packed, compute_mode="donot_use_mm_for_euclid_dist")
    num_heads = heads.shape[2]
    pairs = torch.triu_indices(num_heads, num_heads, 1, device=heads.device)
    absolute = distances[:, pairs[0], pairs[1]].mean().item()
    size = packed.square().sum(-1).mean().sqrt().item()
    return HeadDistance(round(absolute, 12), round(absolute / (2**0.5 * size), 12) if size else 0.0)


def row_sum_range(view: HeadView, mask: Bool[Tensor, "B N"] | None = None) -> tuple[float, float] | None:
    """The least and the greatest sum of a row of the attention map, over real queries; None where there is no map."""
    weights = view.weights()
    if weights is None:
        return None
    sums = weights.sum(-1)
    if mask is not None:
        sums = sums.movedim(2, 0)[:, :, mask]
    return sums.min().item(), sums.max().item()


def attention_entropy(weights: Float[Tensor, "T B H N M"]) -> Float[Tensor, "rows"]:
    """How evenly each row of an attention map spreads: 0 for one key, 1 for all alike.

    Every key counts, so samples come without padding. Rows without weight are left out; none is left with one key.

    Equation: - Σ_j p_j ln p_j / ln M with p = |w| / Σ_j |w_j|.

    Example:
        >>> attention_entropy(torch.tensor([[1.0, 1.0], [0.0, 2.0]]).view(1, 1, 1, 2, 2)).tolist()
        [1.0, 0.0]
    """
    num_keys = weights.shape[-1]
    sizes = weights.detach().abs().double().flatten(0, -2)
    totals = sizes.sum(-1, keepdim=True)
    if num_keys < 2:
        return totals.new_empty(0)
    sizes, totals = (part[totals.squeeze(-1) > 0] for part in (sizes, totals))
    return torch.special.entr(sizes / totals).sum(-1) / math.log(num_keys)
