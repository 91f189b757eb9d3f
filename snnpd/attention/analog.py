"""ANN attention: softmax and the layers that the primal-dual framework derives from it."""

from collections.abc import Sequence

from torch import nn

from snnpd.attention.layer import ExpansionAttention, Transforms, every_head
from snnpd.attention.pooling import pooled_heads
from snnpd.expansion import Exponential, RowSum, TokenBatchNorm
from snnpd.projections import PlainLinear


class AnalogAttention(ExpansionAttention):
    """Exponential kernel of base e, row sums, no neurons; the layers below differ in their transforms."""

    def __init__(self, dim: int, num_heads: int, transforms: Sequence[Transforms]) -> None:
        super().__init__(
            dim,
            num_heads,
            kernel=Exponential(),
            normaliser=RowSum(),
            transforms=transforms,
            codes=(nn.Identity, nn.Identity, nn.Identity),
            qkv=PlainLinear(dim, 3 * dim),
            out=PlainLinear(dim, dim),
        )


class SoftmaxAttention(AnalogAttention):
    """Multi-head softmax attention.

    Equation: f(q) = Σ_j exp(q·k_j/√D) v_j / Σ_j exp(q·k_j/√D).

    Source: Vaswani et al. 2017, eq. 1.
    """

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__(dim, num_heads, every_head(dim, num_heads))


class AttentionBN(AnalogAttention):
    """Softmax attention whose queries and keys are batch-normalised over the keys of their sample and head.

    Source: Nguyen et al. 2023 (arXiv 2406.13781), recalled; see `TokenBatchNorm` for β.
    """

    def __init__(self, dim: int, num_heads: int, *, beta: float = 1.0) -> None:
        super().__init__(dim, num_heads, every_head(dim, num_heads, TokenBatchNorm(beta)))


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
    ) -> None:
        super().__init__(dim, num_heads, pooled_heads(dim, num_heads, factors, grid))


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
    ) -> None:
        super().__init__(dim, num_heads, pooled_heads(dim, num_heads, factors, grid, TokenBatchNorm(beta)))
