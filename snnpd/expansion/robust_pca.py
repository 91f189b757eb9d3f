"""Robust principal components of keys: a low-rank part that attention reconstructs, and sparse corruptions."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from snnpd.errors import UsageError
from snnpd.expansion.dual import Expansion
from snnpd.expansion.forms import expand
from snnpd.expansion.kernels import Exponential
from snnpd.expansion.normalisers import RowSum
from snnpd.expansion.transforms import Points

SELF_ATTENTION = Expansion(Exponential(), RowSum())


class RobustComponents(NamedTuple):
    """What principal attention pursuit ends with: keys ≈ low_rank + sparse.

    `points` are those of the last round: the cleaned keys, as queries and as keys, and the values.

    Shapes: low_rank, sparse `[..., N, D]`.
    """

    low_rank: Tensor
    sparse: Tensor
    points: Points


def robust_components(
    keys: Float[Tensor, "... N D"],
    values: Float[Tensor, "... N D"],
    mask: Bool[Tensor, "... N"] | None = None,
    *,
    iterations: int = 4,
    sparsity: float | None = None,
    reference_code: bool = False,
    num_heads: int = 1,
) -> RobustComponents:
    """The keys split into L + S by alternating directions, softmax self-attention in place of a singular-value step.

    Equation: Y = L = 0; then n times, with μ = N D/(4 ‖K‖_1), over real tokens,
        S = soft(K − L + Y/μ; λ/μ),   P = K − S + Y/μ,   L = softmax(P Pᵀ/√D) V,   Y ← Y + μ (K − L − S).
        With `reference_code` the authors' code: soft(·; λμ), P = K − S − Y/μ, and `num_heads` times that μ, for
        it divides the size of the whole layer's keys, N C, by the norm of one head's.

    Source: RPC-Attention, Teo & Nguyen, NeurIPS 2024 (arXiv 2406.13762), and its code. Signs and threshold of the
        default follow from the augmented Lagrangian of principal component pursuit, ‖L‖_* + λ‖S‖_1 with
        K = L + S (Candès et al. 2011, recalled), whose λ = 1/√max(N, D) is the default `sparsity`; the code's is 4.
        See docs/math/systems.md#c9-robust-principal-components-of-the-keys.

    Raises:
        UsageError: no iteration, or a negative `sparsity`.
    """
    if iterations < 1 or (sparsity is not None and sparsity < 0):
        raise UsageError(
            f"robust components: iterations = {iterations}, sparsity = {sparsity}; "
            "at least one iteration and a sparsity >= 0 are wanted"
        )
    mu, weight = _penalty(keys, mask), _sparsity(keys, mask, sparsity, reference_code)
    if reference_code:
        mu = mu * num_heads
    threshold, sign = (weight * mu, -1) if reference_code else (weight / mu, 1)
    low_rank = multiplier = torch.zeros_like(keys)
    for _ in range(iterations):
        sparse = soft_threshold(keys - low_rank + multiplier / mu, threshold)
        cleaned = keys - sparse + sign * multiplier / mu
        points = Points(cleaned, cleaned, values, mask)
        low_rank = expand(SELF_ATTENTION, points)
        multiplier = multiplier + mu * (keys - low_rank - sparse)
    return RobustComponents(low_rank, sparse, points)


def soft_threshold(x: Float[Tensor, "*S"], threshold: float | Tensor) -> Float[Tensor, "*S"]:
    """The proximal map of threshold · ‖x‖_1.

    Equation: sign(x) max(|x| − threshold, 0).
    Source: docs/math/systems.md#c10-soft-threshold.
    """
    return x.sign() * (x.abs() - threshold).clamp_min(0)


def _penalty(keys: Tensor, mask: Tensor | None) -> Float[Tensor, "... 1 1"]:
    """μ: a quarter over the mean absolute key."""
    size = keys.abs()
    if mask is None:
        mean = size.mean((-2, -1), keepdim=True)
    else:
        real = mask.unsqueeze(-1).to(keys.dtype)
        mean = (size * real).sum((-2, -1), keepdim=True) / _num_real(mask, keys).clamp_min(1) / keys.shape[-1]
    return 0.25 / mean.clamp_min(1e-6)


def _sparsity(
    keys: Tensor, mask: Tensor | None, sparsity: float | None, reference_code: bool
) -> float | Tensor:
    if sparsity is not None:
        return sparsity
    if reference_code:
        return 4.0
    if mask is None:
        return float(max(keys.shape[-2:])) ** -0.5
    return _num_real(mask, keys).clamp_min(keys.shape[-1]).rsqrt()


def _num_real(mask: Tensor, keys: Tensor) -> Float[Tensor, "... 1 1"]:
    return mask.sum(-1)[..., None, None].to(keys.dtype)
