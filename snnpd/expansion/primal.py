"""The primal form: W = Σ_j v_j Φ(k_j)ᵀ once, then f(x) = W Φ(x)/h(x) for each query; and token by token."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from snnpd.errors import UsageError
from snnpd.expansion.dual import Expansion
from snnpd.expansion.reach import Causal, Everywhere
from snnpd.expansion.transforms import Points

# Causal sums run over blocks of this many tokens: within a block by its map, before it by the state.
BLOCK = 64


class PrimalState(NamedTuple):
    """All that the primal form remembers of the support points: constant in their number.

    Sums over tokens are kept in at least float32: a bfloat16 sum stops growing after some hundred of them.

    Shapes: weight `[..., F, E]`, W as Φ(k)ᵀ v; mass `[..., F, 1]`, Σ_j Φ(k_j), whose product with Φ(x) is the kernel
    mass of a query.
    """

    weight: Tensor
    mass: Tensor


def why_no_primal(expansion: Expansion, head_dim: int) -> str:
    """Why an expansion has no primal form; empty where it has one."""
    if expansion.kernel.feature_dim(head_dim) is None:
        return f"{expansion.kernel} has no finite feature map"
    if not isinstance(expansion.reach, Everywhere | Causal):
        return f"{expansion.reach} gives each query support points of its own, so there is no one weight W"
    return ""


def primal_state(expansion: Expansion, points: Points) -> PrimalState:
    """W and Σ_j Φ(k_j) of the real support points.

    Equation: W = Σ_j v_j Φ(k_j)ᵀ (stored transposed). Source: the KKT condition of the SVR,
    docs/math/regression.md#r6-the-primal-form.
    """
    phi = _real_features(expansion, points)
    return PrimalState(phi.transpose(-1, -2) @ points.v, phi.sum(-2).unsqueeze(-1))


def evaluate_primal(
    expansion: Expansion, state: PrimalState, q: Float[Tensor, "... N D"]
) -> Float[Tensor, "... N E"]:
    """f(x) = W Φ(x)/h(x) at the queries, whatever their number."""
    phi = expansion.kernel.features(q)
    return phi @ state.weight / expansion.normaliser.h(phi @ state.mass)


def primal_form(expansion: Expansion, points: Points) -> Float[Tensor, "... N E"]:
    """The expansion of transformed points in its primal form: O((N + M) F E), no attention map.

    Raises:
        UsageError: there is no primal form.
    """
    reason = why_no_primal(expansion, points.q.shape[-1])
    if reason:
        raise UsageError(f"no primal form: {reason}; use form='dual'")
    if isinstance(expansion.reach, Causal):
        return _causal(expansion, points)
    if expansion.normaliser.constant is not None:  # nobody asks for the mass
        weight = _real_features(expansion, points).transpose(-1, -2) @ points.v
        return expansion.kernel.features(points.q) @ weight / expansion.normaliser.constant
    return evaluate_primal(expansion, primal_state(expansion, points), points.q)


def stream(
    expansion: Expansion, points: Points, state: PrimalState | None = None
) -> tuple[Float[Tensor, "... n E"], PrimalState]:
    """The causal expansion at the next few tokens, and the state for those that follow: constant memory.

    Source: docs/math/feature_maps.md#f7-causal-and-streaming.

    Example:
        >>> from snnpd.expansion import Constant, Linear
        >>> causal = Expansion(Linear(), Constant(8.0), reach=Causal())
        >>> tokens = Points(*(torch.ones(6, 4) for _ in range(3)))
        >>> _, state = stream(causal, Points(*(part[:5] for part in tokens[:3])))
        >>> stream(causal, Points(*(part[5:] for part in tokens[:3])), state)[0]
        tensor([[3., 3., 3., 3.]])

    Raises:
        UsageError: the expansion is not causal, or has no primal form.
    """
    reason = why_no_primal(expansion, points.q.shape[-1])
    if reason or not isinstance(expansion.reach, Causal):
        reason = reason or "a query of full attention waits for later tokens"
        raise UsageError(f"no streaming: {reason}; use a causal expansion with a finite feature map")
    expansion.reach.check(points.q.shape[-2], points.k.shape[-2])
    phi_q, phi_k = expansion.kernel.features(points.q), _real_features(expansion, points)
    return _advance(expansion, phi_q, phi_k, points.v, state or _empty(phi_k, points.v))


def _real_features(expansion: Expansion, points: Points) -> Tensor:
    phi = expansion.kernel.features(points.k)
    return phi if points.mask is None else phi.masked_fill(~points.mask.unsqueeze(-1), 0)


def _empty(phi: Tensor, v: Tensor) -> PrimalState:
    lead = torch.broadcast_shapes(phi.shape[:-2], v.shape[:-2])
    wide = torch.promote_types(v.dtype, torch.float32)
    return PrimalState(
        v.new_zeros(*lead, phi.shape[-1], v.shape[-1], dtype=wide),
        phi.new_zeros(*lead, phi.shape[-1], 1, dtype=wide),
    )


def _advance(
    expansion: Expansion, phi_q: Tensor, phi_k: Tensor, v: Tensor, state: PrimalState
) -> tuple[Tensor, PrimalState]:
    """A few tokens at once: those before by the state, those among them by their map."""
    dtype = v.dtype
    phi_q, phi_k, v = (part.to(state.weight.dtype) for part in (phi_q, phi_k, v))
    kappa = (phi_q @ phi_k.transpose(-1, -2)).tril()
    numerator = phi_q @ state.weight + kappa @ v
    mass = phi_q @ state.mass + kappa.sum(-1, keepdim=True)
    weight = state.weight + phi_k.transpose(-1, -2) @ v
    after = PrimalState(weight, state.mass + phi_k.sum(-2).unsqueeze(-1))
    return (numerator / expansion.normaliser.h(mass)).to(dtype), after


def _causal(expansion: Expansion, points: Points) -> Tensor:
    expansion.reach.check(points.q.shape[-2], points.k.shape[-2])
    phi_q, phi_k = expansion.kernel.features(points.q), _real_features(expansion, points)
    state, parts = _empty(phi_k, points.v), []
    for start in range(0, points.q.shape[-2], BLOCK):
        block = slice(start, start + BLOCK)
        q, k, v = (part[..., block, :] for part in (phi_q, phi_k, points.v))
        out, state = _advance(expansion, q, k, v, state)
        parts.append(out)
    return torch.cat(parts, -2)
