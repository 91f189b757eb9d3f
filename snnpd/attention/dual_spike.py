"""Dual spike self-attention (DSSA): spikes for queries and for the map; keys and values from strided windows."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from snnpd.attention.base import Attention
from snnpd.attention.rep_projection import check_grid
from snnpd.attention.spiking import NeuronChoice, SpikingOutput, neuron_maker
from snnpd.attention.views import HeadView, Observed
from snnpd.errors import UsageError
from snnpd.projections import LinearNorm
from snnpd.shapes import merge_heads, split_heads

# Below this rate a scale grows no further: a head that never fired would make it infinite.
SMALLEST_RATE = 1e-3


class RunningRate(nn.Module):
    """The firing rate of each head over the batches seen in training; one until the first of them.

    The rate is the mean of squared spikes, so of ternary spikes it is the share that is not zero: what the variance
    of their weighted sums grows with.

    Shapes: spikes `[T, B, H, N, D]`, real broadcasting to `[B, H, N, D]`; gives `[H, 1, 1]`.
    """

    rate: Tensor
    is_measured: Tensor

    def __init__(self, num_heads: int, momentum: float = 0.999) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("rate", torch.ones(num_heads))
        self.register_buffer("is_measured", torch.tensor(False))

    def forward(
        self, spikes: Float[Tensor, "T B H N D"], real: Bool[Tensor, "B 1 #N #D"] | None
    ) -> Float[Tensor, "H 1 1"]:
        """The rate, this batch included if in training; without a gradient."""
        if self.training:
            self._measure(spikes, real)
        return self.rate.clamp_min(SMALLEST_RATE)[:, None, None]

    @torch.no_grad()
    def _measure(self, spikes: Tensor, real: Tensor | None) -> None:
        squares = spikes.to(self.rate.dtype).square()
        counted = torch.ones_like(squares) if real is None else real.to(squares.dtype).expand_as(squares)
        count = counted.sum((0, 1, 3, 4))
        rate = (squares * counted).sum((0, 1, 3, 4)) / count.clamp_min(1)
        kept = torch.where(count > 0, self.momentum * self.is_measured, 1.0)
        self.rate.copy_(kept * self.rate + (1 - kept) * rate)
        self.is_measured.logical_or_((count > 0).any())


class DualSpikeAttention(Attention, Observed):
    """DSSA: the spikes that come in are the queries; the map is made of spikes, and so is what it gathers.

    Equation: keys and values y_1, y_2 = BN(convolution of x, p × p with stride p), analog, M of them;
        A = SN(c_1 x·y_1), out = SN(c_2 A y_2), then the output projection;
        c_1 = 1/√(rate_x D), c_2 = 1/√(rate_A M), rates of each head as running means.
        See docs/math/spiking.md#p7-dual-spike-self-attention-dssa.

    Source: SpikingResformer, Shi et al. 2024 (arXiv 2403.14302), as in its code. That halves the currents of all
    neurons and uses another surrogate (here neuron_options={"decay_input": True, "surrogate": "atan"}), has the first
    neuron and the residual sum inside the layer (here the block's), and takes M as a constant and keys and values in
    turns, head by head. Ours: windows of p tokens where there is no grid; ragged and padded windows, filled with
    silence, of which those count in M that hold a real token; a smallest rate.

    Options: `patch` is p; `grid` says how image tokens lie, (rows, columns); `neuron` makes the neurons, by name with
    `neuron_options` or by a callable, `map_threshold` and `out_threshold` are theirs. Blocks of p tokens may be
    permuted, with their outputs, but not tokens within a block.

    Raises:
        UsageError: a patch under 1; tokens that the grid does not hold.
    """

    no_expansion = (
        "its normaliser is a neuron for each pair of query and support point, with a memory of earlier steps: "
        "h would depend on the support point and on the past, where an expansion divides all of a query by one h(q)"
    )

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        neuron: NeuronChoice = "lif",
        neuron_options: Mapping[str, Any] | None = None,
        patch: int = 2,
        grid: Sequence[int] | None = None,
        map_threshold: float = 1.0,
        out_threshold: float = 1.0,
    ) -> None:
        super().__init__(dim, num_heads)
        if patch < 1:
            raise UsageError(f"dual spike attention: patch = {patch} must be 1 or more")
        self.patch, self.grid = patch, None if grid is None else (grid[0], grid[1])
        # a convolution whose windows do not overlap is a linear map of each window's tokens side by side
        self.kv = LinearNorm((patch if grid is None else patch**2) * dim, 2 * dim)
        self.query_rate, self.map_rate = RunningRate(num_heads), RunningRate(num_heads)
        self.map_neuron = neuron_maker(neuron, neuron_options, threshold=map_threshold)()
        self.out = SpikingOutput(dim, neuron_maker(neuron, neuron_options, threshold=out_threshold))

    def attend(
        self, x: Tensor, mask: Tensor | None, context: Tensor | None, context_mask: Tensor | None
    ) -> Tensor:
        """Spiking map, and what it gathers."""
        source, source_mask = (x, mask) if context is None else (context, context_mask)
        k, v, real_points = self._support(source, source_mask)
        q = split_heads(x, self.num_heads)
        real = None if mask is None else mask[:, None, :, None]
        pairs = _both(real, real_points)
        c_1 = (self.query_rate(q, real) * q.shape[-1]).rsqrt().to(q.dtype)
        spikes = self.map_neuron(c_1 * (q @ k.transpose(-1, -2)))
        num_points = k.shape[-2] if real_points is None else real_points.sum(-1, keepdim=True).clamp_min(1)
        c_2 = (self.map_rate(spikes, pairs) * num_points).rsqrt().to(q.dtype)
        heads = c_2 * (spikes @ v)
        if self.watchers:
            self.show(HeadView(heads, attention_map=partial(torch.mul, c_2, spikes)))
        return self.out(merge_heads(heads), mask)

    def _support(
        self, source: Float[Tensor, "T B L C"], mask: Bool[Tensor, "B L"] | None
    ) -> tuple[Float[Tensor, "T B H M D"], Float[Tensor, "T B H M D"], Bool[Tensor, "B 1 1 M"] | None]:
        """Keys and values of the windows, zero where a window holds no real token, and which hold some."""
        real = None
        if mask is not None:
            source = source.masked_fill(~mask.unsqueeze(-1), 0)
            real = windows(mask.unsqueeze(-1), self.patch, self.grid).any(-1)
        projected = self.kv(windows(source, self.patch, self.grid), real)
        k, v = (split_heads(part, self.num_heads) for part in projected.chunk(2, -1))
        return k, v, None if real is None else real[:, None, None]

    def extra_repr(self) -> str:
        """Windows and heads."""
        return f"dim={self.dim}, num_heads={self.num_heads}, patch={self.patch}, grid={self.grid}"


def windows(
    tokens: Shaped[Tensor, "*lead N C"], patch: int, grid: tuple[int, int] | None
) -> Shaped[Tensor, "*lead M P"]:
    """The tokens of each window side by side; ragged windows at the border are filled with zeros.

    Raises:
        UsageError: the grid does not hold the tokens.
    """
    if grid is None:
        filled = F.pad(tokens, (0, 0, 0, -tokens.shape[-2] % patch))
        return filled.unflatten(-2, (-1, patch)).flatten(-2)
    check_grid(grid, tokens.shape[-2])
    image = F.pad(tokens.unflatten(-2, grid), (0, 0, 0, -grid[1] % patch, 0, -grid[0] % patch))
    tiles = image.unflatten(-2, (-1, patch)).unflatten(-4, (-1, patch)).transpose(-3, -4)
    return tiles.flatten(-3).flatten(-3, -2)


def _both(
    real: Bool[Tensor, "B 1 N 1"] | None, real_points: Bool[Tensor, "B 1 1 M"] | None
) -> Bool[Tensor, "B 1 #N #M"] | None:
    """Which pairs of query and support point are real."""
    if real is None or real_points is None:
        return real if real_points is None else real_points
    return real & real_points
