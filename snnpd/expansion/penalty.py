"""How far the values of an attention layer are from dual variables of a regression with bias and box."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from snnpd.expansion.dual import Expansion
from snnpd.expansion.normalisers import Constant
from snnpd.expansion.power_weights import whole_peak
from snnpd.expansion.reach import Everywhere
from snnpd.expansion.transforms import Points


def dual_infeasibility(
    expansion: Expansion, points: Points, box: float | None = None
) -> Float[Tensor, ""] | None:
    """The penalty on values that are no feasible dual variables, mean over samples, heads and outputs.

    Equation: with β_j = h(k_j) v_j, (Σ_j β_j)² / (M Σ_j β_j²), which lies in [0, 1] and is 0 where the constraint
    Σ β = 0 of a bias holds; plus the mean of max(0, ln(|β_j|/C))² if there is a box C. The overshoot is taken as a
    ratio since h is an exponential of the keys: a difference would leave the range of floats.

    None where a query has support points of its own (causal, local): there is no one Σ_j then.

    Source: the constraints of the dual in Nguyen et al., ICLR 2023; as a penalty, ours:
    docs/math/regression.md#r12-how-far-learned-values-are-from-a-regression-with-bias.
    """
    if not isinstance(expansion.reach, Everywhere):
        return None
    k, v = (part.to(torch.promote_types(part.dtype, torch.float32)) for part in (points.k, points.v))
    h, log_unit = _h_in_units(expansion, points._replace(k=k))
    beta = (h * (log_unit - log_unit.amax(-1, keepdim=True)).exp()).unsqueeze(-1) * v
    count: Tensor | int = v.shape[-2]
    if points.mask is not None:
        beta = beta.masked_fill(~points.mask.unsqueeze(-1), 0)
        count = points.mask.sum(-1, keepdim=True).clamp_min(1)
    tiny = torch.finfo(beta.dtype).tiny
    offset = beta.sum(-2).square() / (count * beta.square().sum(-2)).clamp_min(tiny)
    if box is None:
        return offset.mean()
    log_beta = (h.log() + log_unit).unsqueeze(-1) + v.abs().clamp_min(tiny).log()
    overshoot = (log_beta - math.log(box)).clamp_min(0).masked_fill(v == 0, 0)
    if points.mask is not None:
        overshoot = overshoot.masked_fill(~points.mask.unsqueeze(-1), 0)
    return (offset + overshoot.square().sum(-2) / count).mean()


def _h_in_units(
    expansion: Expansion, points: Points
) -> tuple[Float[Tensor, "... M"], Float[Tensor, "... #M"]]:
    """h(k_j) over a unit of its own that keeps it within range, and the logarithm of that unit (0 if there is none).

    The unit is the base to the largest score of the row, rounded up: both normalisers that divide by the mass scale
    with it. One unit for all keys would let the mass of the short ones vanish.
    """
    scores = expansion.kernel.scores(points.k, points.k)
    log_unit = scores.new_zeros(1)
    has_unit = expansion.kernel.base is not None and not isinstance(expansion.normaliser, Constant)
    if points.mask is not None:
        is_real = points.mask.unsqueeze(-2) & points.mask.unsqueeze(-1)
        scores = scores.masked_fill(~is_real, -math.inf if has_unit else 0)
    if has_unit:
        peak = whole_peak(scores.detach(), -1)
        scores, log_unit = scores - peak, (peak * math.log(expansion.kernel.base or 1)).squeeze(-1)
    kappa = expansion.kernel.values(scores)
    if points.mask is not None:
        kappa = kappa.masked_fill(~is_real, 0)
    return expansion.normaliser.h(kappa.sum(-1)), log_unit
