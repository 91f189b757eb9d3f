"""How far the values of an attention layer are from dual variables of a regression with bias and box."""

import torch
from jaxtyping import Float
from torch import Tensor

from snnpd.expansion.dual import Expansion
from snnpd.expansion.from_attention import normaliser_at_keys
from snnpd.expansion.reach import Everywhere
from snnpd.expansion.transforms import Points


def dual_infeasibility(
    expansion: Expansion, points: Points, box: float | None = None
) -> Float[Tensor, ""] | None:
    """The penalty on values that are no feasible dual variables, mean over samples, heads and outputs.

    Equation: with β_j = h(k_j) v_j, (Σ_j β_j)² / (M Σ_j β_j²), which lies in [0, 1] and is 0 where the constraint
    Σ β = 0 of a bias holds; plus the mean of max(0, |β_j|/C - 1)² if there is a box C.

    None where a query has support points of its own (causal, local): there is no one Σ_j then.

    Source: the constraints of the dual in Nguyen et al., ICLR 2023; as a penalty, ours.
    """
    if not isinstance(expansion.reach, Everywhere):
        return None
    k, v = (part.to(torch.promote_types(part.dtype, torch.float32)) for part in (points.k, points.v))
    count: Tensor | int = v.shape[-2]
    beta = normaliser_at_keys(expansion, points._replace(k=k)).unsqueeze(-1) * v
    if points.mask is not None:
        beta = beta.masked_fill(~points.mask.unsqueeze(-1), 0)
        count = points.mask.sum(-1, keepdim=True).clamp_min(1)
    tiny = torch.finfo(beta.dtype).tiny
    offset = beta.sum(-2).square() / (count * beta.square().sum(-2)).clamp_min(tiny)
    if box is None:
        return offset.mean()
    return (offset + (beta.abs() / box - 1).clamp_min(0).square().sum(-2) / count).mean()
