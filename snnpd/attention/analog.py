"""ANN attention: softmax, linear, local and sparse, and what the primal-dual framework derives from softmax."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from snnpd.attention.layer import ExpansionAttention, Transforms, every_head
from snnpd.attention.pooling import pooled_heads
from snnpd.attention.running_norm import RunningTokenNorm
from snnpd.errors import UsageError, unknown
from snnpd.expansion import (
    Causal,
    CausalWindow,
    EluPlusOne,
    Exponential,
    FeatureKernel,
    Kernel,
    Reach,
    RowSum,
    Strided,
    TokenBatchNorm,
    Transform,
    Window,
)
from snnpd.projections import PlainLinear
from snnpd.shapes import check_heads

STATISTICS = ("sample", "running")


class AnalogAttention(ExpansionAttention):
    """A positive kernel (base e), row sums, no neurons; the layers below differ in kernel, transforms and reach."""

    def __init__(
        self,
        dim: int,
        num_heads: int,
        transforms: Sequence[Transforms] | None = None,
        kernel: Kernel | None = None,
        reach: Reach | None = None,
        *,
        causal: bool = False,
        form: str = "auto",
    ) -> None:
        check_heads(dim, num_heads)
        super().__init__(
            dim,
            num_heads,
            kernel=kernel or Exponential(),
            normaliser=RowSum(),
            transforms=transforms or every_head(dim, num_heads),
            codes=(nn.Identity, nn.Identity, nn.Identity),
            qkv=PlainLinear(dim, 3 * dim),
            out=PlainLinear(dim, dim),
            reach=reach or (Causal() if causal else None),
            form=form,
        )


class SoftmaxAttention(AnalogAttention):
    """Multi-head softmax attention; `causal` hides later tokens.

    Equation: f(q) = Σ_j exp(q·k_j/√D) v_j / Σ_j exp(q·k_j/√D).

    Source: Vaswani et al. 2017, eq. 1; docs/math/regression.md#r5-the-dual-form-is-attention.
    """

    def __init__(self, dim: int, num_heads: int, **options: Any) -> None:
        super().__init__(dim, num_heads, **options)


class LinearAttention(AnalogAttention):
    """Attention with the kernel φ(q)·φ(k), φ = elu + 1: linear in the number of tokens.

    Equation: f(q) = φ(q)ᵀ Σ_j φ(k_j) v_jᵀ / φ(q)ᵀ Σ_j φ(k_j).

    Source: Katharopoulos et al. 2020, eq. 5 and 7; docs/math/feature_maps.md#f1-linear-attention.
    """

    def __init__(self, dim: int, num_heads: int, **options: Any) -> None:
        super().__init__(dim, num_heads, kernel=FeatureKernel(EluPlusOne()), **options)


class LocalAttention(AnalogAttention):
    """Softmax attention within a window of `radius` tokens to each side; a square window where `grid` is given.

    Source: local attention, e.g. Longformer, Beltagy et al. 2020, section 3.1.
    """

    no_context = "a window compares positions in one sequence; use softmax attention across two"

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        radius: int = 2,
        grid: tuple[int, int] | None = None,
        causal: bool = False,
        form: str = "auto",
    ) -> None:
        if causal and grid is not None:
            raise UsageError(
                f"local attention: causal goes along a sequence, and a grid of {grid[0]} x {grid[1]} has no order; "
                "give grid=None for a window over the tokens in their order, or causal=False"
            )
        sides = None if grid is None else (grid[0], grid[1])
        reach = CausalWindow(radius) if causal else Window(radius, sides)
        super().__init__(dim, num_heads, reach=reach, form=form)


class SparseAttention(AnalogAttention):
    """Softmax attention over the tokens nearby and every `stride`-th token.

    Source: Child et al. 2019 (arXiv 1904.10509), strided pattern; not causal unless asked, unlike the paper's.
    """

    no_context = "a stride compares positions in one sequence; use softmax attention across two"

    def __init__(
        self, dim: int, num_heads: int, *, stride: int = 4, causal: bool = False, form: str = "auto"
    ) -> None:
        super().__init__(dim, num_heads, reach=Strided(stride, causal), form=form)


class AttentionBN(AnalogAttention):
    """Softmax attention whose queries and keys are batch-normalised over the keys of their sample and head.

    `statistics="running"` takes them from earlier batches instead, which `causal` wants.

    Source: Nguyen et al. 2023 (arXiv 2406.13781), recalled; see `TokenBatchNorm` for β.
    """

    def __init__(
        self, dim: int, num_heads: int, *, beta: float = 1.0, statistics: str = "sample", **options: Any
    ) -> None:
        transforms = every_head(dim, num_heads, token_norm(dim, num_heads, beta, statistics))
        super().__init__(dim, num_heads, transforms, **options)


class AttentionSH(AnalogAttention):
    """Scaled heads: head s attends to keys and values pooled over `factors[s]` tokens, fewer support points.

    Source: Nguyen et al. 2023 (arXiv 2406.13781), recalled; see `pooled_heads` for the default factors.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        factors: Sequence[int] | None = None,
        grid: tuple[int, int] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(dim, num_heads, pooled_heads(dim, num_heads, factors, grid), **options)


class AttentionBNSH(AnalogAttention):
    """Attention-BN inside every pooled head of Attention-SH.

    Source: Nguyen et al. 2023 (arXiv 2406.13781), recalled.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        beta: float = 1.0,
        factors: Sequence[int] | None = None,
        grid: tuple[int, int] | None = None,
        **options: Any,
    ) -> None:
        transforms = pooled_heads(dim, num_heads, factors, grid, TokenBatchNorm(beta))
        super().__init__(dim, num_heads, transforms, **options)


def token_norm(dim: int, num_heads: int, beta: float, statistics: str) -> Transform:
    """Attention-BN's transform: statistics of the sample's own keys, or running ones.

    Raises:
        UsageError: unknown statistics.
    """
    if statistics not in STATISTICS:
        raise unknown("statistics", statistics, STATISTICS)
    check_heads(dim, num_heads)
    if statistics == "running":
        return RunningTokenNorm(num_heads, dim // num_heads, beta)
    return TokenBatchNorm(beta)
