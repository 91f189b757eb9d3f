"""What the heads of attention layers do alike, and what their rows sum to."""

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


def attention_entropy(
    weights: Float[Tensor, "T B H N M"], mask: Bool[Tensor, "B N"] | None = None
) -> float | None:
    """How evenly the rows of an attention map spread, over real queries: 0 for one key, 1 for all alike.

    Equation: mean over rows of - Σ_j p_j ln p_j / ln M with p = |w| / Σ_j |w_j|; M is the number of keys, for padded
    series that of the real ones. Rows without weight are left out; None where no row is left, or with one key.

    Example:
        >>> attention_entropy(torch.tensor([[1.0, 1.0], [0.0, 2.0]]).view(1, 1, 1, 2, 2))
        0.5
    """
    sizes = weights.detach().abs().double().movedim(1, 0)
    share = sizes / sizes.sum(-1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)
    entropy = torch.special.entr(share).sum(-1)
    num_keys = torch.full_like(entropy, weights.shape[-1])
    counts = sizes.sum(-1) > 0
    if mask is not None:
        if weights.shape[-1] == mask.shape[1]:
            num_keys = mask.sum(1).to(entropy).view(-1, 1, 1, 1).expand_as(entropy)
        counts = counts & mask.view(len(mask), 1, 1, -1)
    counts = counts & (num_keys > 1)
    if not counts.any():
        return None
    return (entropy[counts] / num_keys[counts].log()).mean().item()
