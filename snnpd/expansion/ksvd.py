"""Asymmetric kernel SVD: two data sets, one kernel matrix K = A Bᵀ, and its singular vectors in primal and dual form.

Source: Chen et al., "Primal-Attention", NeurIPS 2023 (arXiv 2305.19798), and its code. Their e(x), r(x) are the
projections of queries and keys, W_e, W_r the primal weights, h_e, h_r the dual variables, Λ the regularisation.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from snnpd.errors import UsageError

Queries = Float[Tensor, "*batch N F"]
Keys = Float[Tensor, "*batch M F"]
OfQueries = Float[Tensor, "*batch N s"]
OfKeys = Float[Tensor, "*batch M s"]


class KernelSVD(NamedTuple):
    """The closed-form solution: primal weights, dual variables, singular values.

    Shapes: w_e, w_r `[..., F, s]`, h_e `[..., N, s]`, h_r `[..., M, s]`, singular_values `[..., s]`.
    """

    w_e: Tensor
    w_r: Tensor
    h_e: Tensor
    h_r: Tensor
    singular_values: Tensor

    @property
    def scale(self) -> Tensor:
        """Λ = Σ⁻¹, the regularisation of which this is the stationary point."""
        return self.singular_values.reciprocal()


def kernel_svd(features_q: Queries, features_k: Keys, rank: int) -> KernelSVD:
    """The `rank` leading singular triples of K = features_q features_kᵀ, as weights and as dual variables.

    Equation: K H_r = H_e Σ, Kᵀ H_e = H_r Σ; W_e = Bᵀ H_r, W_r = Aᵀ H_e, A and B the features of queries and keys.
    Source: docs/math/systems.md#c1-asymmetric-kernel-svd.

    Raises:
        UsageError: K has no such rank.
    """
    most = min(features_q.shape[-2], features_k.shape[-2], features_q.shape[-1])
    if not 1 <= rank <= most:
        raise UsageError(f"kernel SVD: rank {rank} of a kernel of rank {most} at most; choose 1 to {most}")
    left, values, right = torch.linalg.svd(features_q @ features_k.mT, full_matrices=False)
    h_e, h_r = left[..., :rank], right[..., :rank, :].mT
    return KernelSVD(features_k.mT @ h_r, features_q.mT @ h_e, h_e, h_r, values[..., :rank])


def ksvd_primal(
    features_q: Queries,
    features_k: Keys,
    w_e: Float[Tensor, "*#batch F s"],
    w_r: Float[Tensor, "*#batch F s"],
) -> tuple[OfQueries, OfKeys]:
    """The projections e = W_eᵀ φ_q(x) of the queries and r = W_rᵀ φ_k(x) of the keys, in O(N F s)."""
    return features_q @ w_e, features_k @ w_r


def ksvd_dual(kernel: Float[Tensor, "*batch N M"], h_e: OfQueries, h_r: OfKeys) -> tuple[OfQueries, OfKeys]:
    """The same projections from the N × M kernel matrix and the dual variables.

    Equation: e = K H_r, r = Kᵀ H_e.
    Source: docs/math/systems.md#c1-asymmetric-kernel-svd.
    """
    return kernel @ h_r, kernel.mT @ h_e


def ksvd_objective(
    e: Float[Tensor, "*batch N s"],
    r: Float[Tensor, "*batch M s"],
    scale: Float[Tensor, "... s"],
    w_e: Float[Tensor, "... F s"],
    w_r: Float[Tensor, "... F s"],
    mask: Bool[Tensor, "... N"] | None = None,
) -> Float[Tensor, "*batch"]:
    """J of each sample and head; zero at every stationary point, so that J² can be minimised beside a task.

    Equation: J = ½ Σ_i e_iᵀ Λ e_i + ½ Σ_j r_jᵀ Λ r_j − Tr(W_eᵀ W_r), over real tokens.
    Source: docs/math/systems.md#c2-an-objective-that-is-zero-at-its-stationary-points.
    """
    e, r = (x if mask is None else x.masked_fill(~mask.unsqueeze(-1), 0) for x in (e, r))
    energy = e.square().sum(-2) + r.square().sum(-2)
    return (scale * energy / 2).sum(-1) - (w_e * w_r).sum((-2, -1))


def ksvd_objective_of_code(
    e: Float[Tensor, "... H N s"],
    r: Float[Tensor, "... H N s"],
    scale: Float[Tensor, "H s"],
    w_e: Float[Tensor, "... H F s"],
    w_r: Float[Tensor, "... H F s"],
    mask: Bool[Tensor, "... N"] | None = None,
) -> Float[Tensor, ""]:
    """The authors' code in place of J: Λ² for Λ, means over tokens, heads and samples for sums; one number.

    Equation: ½ mean_i ‖Λ e_i‖² + ½ mean_j ‖Λ r_j‖² − mean_h Tr(W_eᵀ W_r). Not zero at the SVD.
    Source: docs/math/systems.md#c3-the-objective-of-the-authors-code.
    """
    energy = (scale.unsqueeze(-2) * e).square().sum(-1) + (scale.unsqueeze(-2) * r).square().sum(-1)
    real = torch.ones_like(energy) if mask is None else mask.expand(energy.shape).to(energy.dtype)
    mean = (energy * real).sum() / real.sum().clamp_min(1)
    return mean / 2 - (w_e * w_r).sum((-2, -1)).mean()


def unit_length(x: Float[Tensor, "... D"], floor: float = 1e-6) -> Float[Tensor, "... D"]:
    """φ(x) = x/‖x‖, and 0 for 0: the feature map of cosine similarity.

    Lengths under `floor` count as `floor`, which bounds the gradient at zero by 1/floor. Spikes, whose lengths are 0
    or at least 1, lose nothing by floor = 1; their lengths are square roots of counts, a table of D numbers.
    """
    return x / torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp_min(floor)


def evenly_spaced(
    num_tokens: int, most: int, mask: Bool[Tensor, "B N"]
) -> tuple[Int[Tensor, "B P"], Bool[Tensor, "B P"]]:
    """Which tokens make up f(X): p = min(most, n) evenly spaced ones of the n real ones; and which of P exist.

    Equation: row i is the real token ⌊i (n − 1)/(p − 1)⌋, i < p, in order; P = min(most, N).
    Source: docs/math/systems.md#c4-the-layer.
    """
    num_real = mask.sum(-1, keepdim=True)
    wanted = num_real.clamp_max(most)
    row = torch.arange(min(most, num_tokens), device=mask.device).expand(mask.shape[0], -1)
    rank = row * (num_real - 1) // (wanted - 1).clamp_min(1)
    # the token of rank r is the first one up to which r + 1 tokens are real
    token = torch.searchsorted(mask.cumsum(-1), rank + 1)
    return token.clamp(0, num_tokens - 1), row < wanted
