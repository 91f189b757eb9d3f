"""Transforms of the support points: what is done to queries, keys and values before the kernel."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from snnpd.errors import UsageError


class Points(NamedTuple):
    """Queries, keys, values, and which of the M support points are real (None: all).

    Shapes: q `[..., N, D]`, k `[..., M, D]`, v `[..., M, E]`, mask `[..., M]`, broadcast over the axes before M.
    """

    q: Tensor
    k: Tensor
    v: Tensor
    mask: Tensor | None = None


class Transform(ABC):
    """A map of queries and support points that leaves the number of queries alone."""

    @abstractmethod
    def __call__(self, points: Points) -> Points:
        """The transformed points."""


@dataclass(frozen=True)
class TokenBatchNorm(Transform):
    """Queries and keys standardised by the mean and deviation of the keys of their own sample and head.

    Equation: q, k ← (· - βμ)/s, μ = mean_j k_j, s_d = √(var_j k_j(d) + ε), over the real support points.

    Source: Attention-BN, Nguyen et al. 2023 (arXiv 2406.13781), from memory of the paper; β = 1 is its
    formula, β as a weight on the mean is ours. `scale=False` keeps s = 1: with β = 0 nothing is changed.
    """

    beta: float = 1.0
    epsilon: float = 1e-5
    scale: bool = True

    def __call__(self, points: Points) -> Points:
        """Points with standardised q and k; statistics in at least float32."""
        keys = points.k.to(torch.promote_types(points.k.dtype, torch.float32))
        real = None if points.mask is None else points.mask.unsqueeze(-1).to(keys.dtype)
        mean = _mean(keys, real)
        deviation = (_mean((keys - mean).square(), real) + self.epsilon).sqrt() if self.scale else 1.0
        shift = self.beta * mean
        q = ((points.q - shift) / deviation).to(points.q.dtype)
        k = ((keys - shift) / deviation).to(points.k.dtype)
        return points._replace(q=q, k=k)


def _mean(tokens: Tensor, real: Tensor | None) -> Tensor:
    if real is None:
        return tokens.mean(-2, keepdim=True)
    return (tokens * real).sum(-2, keepdim=True) / real.sum(-2, keepdim=True).clamp_min(1)


@dataclass(frozen=True)
class PooledHeads(Transform):
    """Keys and values averaged over windows of `factor` tokens: M_s = ⌈M / factor⌉ support points.

    Windows are 1-D, or 2-D where `grid` = (rows, columns) says how the tokens lie in an image; ragged
    windows at the border, and padded tokens, average over the real tokens only.

    Source: Attention-SH, Nguyen et al. 2023 (arXiv 2406.13781), from memory of the paper.

    Raises:
        UsageError: a factor that is no power of two, or a grid that does not hold the tokens.
    """

    factor: int
    grid: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.factor < 1 or self.factor & (self.factor - 1):
            raise UsageError(f"pooled heads: factor {self.factor} must be a power of two")

    def __call__(self, points: Points) -> Points:
        """Points with pooled k, v and mask."""
        if self.factor == 1:
            return points
        grid = self.grid or (1, points.k.shape[-2])
        if grid[0] * grid[1] != points.k.shape[-2]:
            raise UsageError(
                f"pooled heads: a grid of {grid[0]} x {grid[1]} does not hold {points.k.shape[-2]} tokens"
            )
        window = self._window()
        real = (
            points.k.new_ones(points.k.shape[-2]) if points.mask is None else points.mask.to(points.k.dtype)
        )
        real = real.unsqueeze(-1)
        count = _window_sums(real, grid, window)
        k = _window_sums(points.k * real, grid, window) / count.clamp_min(1)
        v = _window_sums(points.v * real, grid, window) / count.clamp_min(1)
        return Points(points.q, k, v, None if points.mask is None else count.squeeze(-1) > 0)

    def _window(self) -> tuple[int, int]:
        if self.grid is None:
            return 1, self.factor
        rows = 1 << ((self.factor.bit_length() - 1) // 2)
        return rows, self.factor // rows


def _window_sums(
    tokens: Float[Tensor, "... M D"], grid: tuple[int, int], window: tuple[int, int]
) -> Float[Tensor, "... m D"]:
    """Sums over windows of a grid of tokens; the border is filled with zeros."""
    image = tokens.unflatten(-2, grid)
    image = F.pad(image, (0, 0, 0, -grid[1] % window[1], 0, -grid[0] % window[0]))
    columns = image.unflatten(-2, (-1, window[1])).sum(-2)
    return columns.unflatten(-3, (-1, window[0])).sum(-3).flatten(-3, -2)
