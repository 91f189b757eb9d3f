"""Primal-Attention: projections on singular directions of an asymmetric kernel, without the kernel matrix."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from snnpd.attention.base import Attention
from snnpd.attention.layer import Code
from snnpd.attention.spiking import NeuronChoice, neuron_maker
from snnpd.attention.views import HeadView, Observed
from snnpd.errors import UsageError, unknown
from snnpd.expansion.ksvd import (
    evenly_spaced,
    ksvd_objective,
    ksvd_objective_of_code,
    ksvd_primal,
    unit_length,
)
from snnpd.projections import LinearNorm, PlainLinear
from snnpd.shapes import check_heads, merge_heads, split_heads

VARIANTS = ("paper", "code")
ROWS_PER_RANK = 10


class KernelSVDAttention(Attention, Observed):
    """Projections of queries and keys on `rank` directions per head; the layers below declare codes and read-out.

    Equation: e_i = W_e|Xᵀ φ(q_i), r_i = W_r|Xᵀ φ(k_i), φ(x) = x/‖x‖, W_·|X = f(X)ᵀ W_·, output Linear([e; r]); f(X)
        are min(10 s, n) evenly spaced ones of the n real tokens, each head's share of their channels, s the rank.
        A short sample uses the first n rows of W_e and W_r. O(N D s) per head; no values.

    While observed, the layer hands out its objective η mean(J²) as the view's `loss` (to be added to the task's, summed
    over layers), and the kernel matrix K_ij = (f(X) φ(q_i))·(f(X) φ(k_j)) as its map. Λ enters the loss alone. J is
    that of each sample, step and head for variant "paper", one number for "code" (see `ksvd_objective_of_code`).

    Source: Chen et al., NeurIPS 2023 (arXiv 2305.19798), and its code, which has two linear maps in a row for the
    output and starts W_e and W_r with orthogonal heads; here each head's columns are orthonormal.
    See docs/math/systems.md#c4-the-layer.

    Raises:
        UsageError: a rank under 1, a negative weight, an unknown variant.
    """

    no_context = "a token's output joins its projections as a query and as a key, both from one sequence"
    no_expansion = (
        "its output is made of projections on singular directions: no value belongs to a support point"
    )

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        qk: nn.Module,
        code: Code,
        shortest: float,
        out: Callable[[int], nn.Module],
        rank: int,
        ksvd_weight: float,
        variant: str,
    ) -> None:
        super().__init__(dim, num_heads)
        if rank < 1 or ksvd_weight < 0:
            raise UsageError(
                f"primal attention: rank = {rank}, ksvd_weight = {ksvd_weight}; rank >= 1 and a weight >= 0 are wanted"
            )
        if variant not in VARIANTS:
            raise unknown("variant", variant, VARIANTS)
        self.qk, self.query, self.key, self.out = qk, code(), code(), out(2 * rank * num_heads)
        self.shortest, self.ksvd_weight, self.variant = shortest, ksvd_weight, variant
        self.w_e, self.w_r = (_orthonormal(num_heads, ROWS_PER_RANK * rank, rank) for _ in range(2))
        self.scale = nn.Parameter(torch.rand(num_heads, rank)) if ksvd_weight else None

    def attend(
        self, x: Tensor, mask: Tensor | None, context: Tensor | None, context_mask: Tensor | None
    ) -> Tensor:
        """Projections, and what is read out of them."""
        q, k = (split_heads(part, self.num_heads) for part in self.qk(x, mask).chunk(2, -1))
        phi_q, phi_k = (unit_length(p, self.shortest) for p in (self.query(q), self.key(k)))
        rows, exists = self._rows(x, mask)
        num_rows = rows.shape[-2]
        w_e, w_r = (w[:, :num_rows] * exists for w in (self.w_e, self.w_r))
        e, r = ksvd_primal(phi_q, phi_k, rows.mT @ w_e, rows.mT @ w_r)
        heads = torch.cat([e, r], -1)
        if self.watchers:
            kernel = partial(_kernel_matrix, phi_q, phi_k, rows)
            self.show(HeadView(heads, attention_map=kernel, loss=self._loss(e, r, w_e, w_r, mask)))
        return self.out(merge_heads(heads), mask)

    def _rows(
        self, x: Float[Tensor, "T B N C"], mask: Bool[Tensor, "B N"] | None
    ) -> tuple[Float[Tensor, "T B H P D"], Float[Tensor, "B 1 P 1"]]:
        """f(X) of each head, zero where a short sample has no more rows; one where a row exists."""
        real = mask if mask is not None else x.new_ones(x.shape[1:3], dtype=torch.bool)
        token, exists = evenly_spaced(x.shape[2], self.w_e.shape[1], real)
        flags = exists[:, None, :, None].to(x.dtype)
        return split_heads(x.take_along_dim(token[None, :, :, None], 2), self.num_heads) * flags, flags

    def _loss(
        self, e: Tensor, r: Tensor, w_e: Tensor, w_r: Tensor, mask: Tensor | None
    ) -> Float[Tensor, ""] | None:
        if self.scale is None:
            return None
        objective = ksvd_objective if self.variant == "paper" else ksvd_objective_of_code
        token_mask = None if mask is None else mask.unsqueeze(1)
        j = objective(e, r, self.scale, w_e, w_r, token_mask)
        return self.ksvd_weight * j.square().mean()

    def extra_repr(self) -> str:
        """Rank and loss."""
        rank, weight = self.w_e.shape[-1], self.ksvd_weight
        return (
            f"dim={self.dim}, num_heads={self.num_heads}, rank={rank}, ksvd_weight={weight}, {self.variant}"
        )


def _orthonormal(num_heads: int, num_rows: int, rank: int) -> nn.Parameter:
    """Orthonormal columns, drawn for each head: PyTorch's own initialiser would flatten the heads' matrices."""
    return nn.Parameter(
        torch.stack([nn.init.orthogonal_(torch.empty(num_rows, rank)) for _ in range(num_heads)])
    )


def _kernel_matrix(
    phi_q: Float[Tensor, "T B H N D"], phi_k: Float[Tensor, "T B H N D"], rows: Float[Tensor, "T B H P D"]
) -> Float[Tensor, "T B H N N"]:
    return (phi_q @ rows.mT) @ (phi_k @ rows.mT).mT


class PrimalAttention(KernelSVDAttention):
    """Primal-Attention: tokens on singular directions of an asymmetric kernel, linear in their number.

    Options as in `KernelSVDAttention`.
    """

    def __init__(
        self, dim: int, num_heads: int, *, rank: int = 8, ksvd_weight: float = 0.1, variant: str = "paper"
    ) -> None:
        check_heads(dim, num_heads)
        super().__init__(
            dim,
            num_heads,
            qk=PlainLinear(dim, 2 * dim),
            code=nn.Identity,
            shortest=1e-6,
            out=lambda width: PlainLinear(width, dim),
            rank=rank,
            ksvd_weight=ksvd_weight,
            variant=variant,
        )


class SpikingReadout(nn.Module):
    """Projections as spikes, then mapped to the width of the layer: neuron, linear map, batch-norm."""

    def __init__(self, in_features: int, dim: int, neuron: nn.Module) -> None:
        super().__init__()
        self.neuron = neuron
        self.project = LinearNorm(in_features, dim)

    def forward(
        self, x: Float[Tensor, "T B N K"], mask: Bool[Tensor, "B N"] | None = None
    ) -> Float[Tensor, "T B N C"]:
        """Potentials for the residual sum."""
        return self.project(self.neuron(x), mask)


class SpikingPrimal(KernelSVDAttention):
    """Primal-Attention on spikes: φ of ternary queries and keys, a small rank, spikes of e and r to read out.

    Source: ours. On spike trains f(X)ᵀ W adds up rows of W, φ divides a sum of signs by √count, one of D numbers
    in a table. `point_neuron` makes queries and keys, `neuron` the spikes of e and r at `out_threshold` ½, each by
    name with its `..._options` or by a callable; the other options as in `KernelSVDAttention`.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        neuron: NeuronChoice = "lif",
        neuron_options: Mapping[str, Any] | None = None,
        point_neuron: NeuronChoice = "ternary_lif",
        point_neuron_options: Mapping[str, Any] | None = None,
        rank: int = 4,
        ksvd_weight: float = 0.1,
        variant: str = "paper",
        out_threshold: float = 0.5,
    ) -> None:
        check_heads(dim, num_heads)
        spikes = neuron_maker(neuron, neuron_options, threshold=out_threshold)
        super().__init__(
            dim,
            num_heads,
            qk=LinearNorm(dim, 2 * dim),
            code=neuron_maker(point_neuron, point_neuron_options),
            shortest=1.0,
            out=lambda width: SpikingReadout(width, dim, spikes()),
            rank=rank,
            ksvd_weight=ksvd_weight,
            variant=variant,
        )
