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
    """A map of queries and support points that leaves the number of queries alone.

    `is_positional`: support point j of the result stands where token j stood, made of tokens up to j alone, so
    that a reach (causal, local) keeps its meaning behind the transform; where not, `why_not` says it in words.
    """

    is_positional: bool = False
    why_not: str = ""

    @abstractmethod
    def __call__(self, points: Points) -> Points:
        """The transformed points."""


@dataclass(frozen=True)
class TokenBatchNorm(Transform):
    """Queries and keys standardised by the mean and deviation of the keys of their own sample and head.

    Equation: q, k ← (· - βμ)/s, μ = mean_j k_j, s_d = √(var_j k_j(d) + ε), over the real support points.

    Source: Attention-BN, Nguyen et al. 2023 (arXiv 2406.13781), from memory of the paper; β = 1 is its
    formula, β as a weight on the mean is ours. `scale=False` keeps s = 1: with β = 0 nothing is changed.
    See docs/math/transforms.md#t1-token-batch-norm, docs/math/transforms.md#t2-what-acts-is-the-query.
    """

    beta: float = 1.0
    epsilon: float = 1e-5
    scale: bool = True
    why_not = (
        "Attention-BN takes its statistics over all keys, later ones included; "
        "use statistics='running' of attention_bn or bipolar_bn, which come from earlier batches"
    )

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

    Source: Attention-SH, Nguyen et al. 2023 (arXiv 2406.13781), from memory of the paper;
    docs/math/transforms.md#t4-pooled-heads.

    Raises:
        UsageError: a factor that is no power of two, or a grid that does not hold the tokens.
    """

    factor: int
    grid: tuple[int, int] | None = None
    why_not = "pooled heads average keys over windows that reach past the query; use factors of 1, or full attention"

    @property
    def is_positional(self) -> bool:  # type: ignore[override]
        """Only where nothing is pooled."""
        return self.factor == 1

    def __post_init__(self) -> None:
        if self.factor < 1 or self.factor & (self.factor - 1):
            raise UsageError(f"pooled heads: factor {self.factor} must be a power of two")

    def __call__(self, points: Points) -> Points:
        """Points with pooled k, v and mask."""
        if self.factor == 1:
            return points
        grid = self._grid_of(points.k.shape[-2])
        window = self._window()
        real = (
            points.k.new_ones(points.k.shape[-2]) if points.mask is None else points.mask.to(points.k.dtype)
        )
        real = real.unsqueeze(-1)
        count = _window_sums(real, grid, window)
        k = _window_sums(points.k * real, grid, window) / count.clamp_min(1)
        v = _window_sums(points.v * real, grid, window) / count.clamp_min(1)
        return Points(points.q, k, v, None if points.mask is None else count.squeeze(-1) > 0)

    def _grid_of(self, num_tokens: int) -> tuple[int, int]:
        if self.grid is None:
            return 1, num_tokens
        rows, columns = self.grid
        if rows * columns == num_tokens - 1:
            raise UsageError(
                f"pooled heads: {num_tokens} tokens are one more than the grid of {rows} x {columns} holds; a class "
                "token cannot be averaged with image tokens: leave it out and take the mean over tokens"
            )
        if rows * columns != num_tokens:
            raise UsageError(f"pooled heads: a grid of {rows} x {columns} does not hold {num_tokens} tokens")
        return rows, columns

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
