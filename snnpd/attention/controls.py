"""Controls: attention that cannot have learned where to look. What a layer gains over them is due to its map."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from snnpd.attention.analog import SoftmaxAttention
from snnpd.attention.layer import ExpansionAttention, every_head
from snnpd.attention.spiking import BipolarSelfAttention, NeuronChoice, SpikingOutput, neuron_maker
from snnpd.expansion import Reach, RowSum, Uniform, Window
from snnpd.projections import LinearNorm, PlainLinear, Projection
from snnpd.shapes import check_heads


class ValueAttention(ExpansionAttention):
    """Attention that needs no queries and keys: κ = 1 within a reach, row sums; only values are projected.

    Source: docs/math/systems.md#c14-attention-that-cannot-have-learned-where-to-look.
    """

    def __init__(
        self, dim: int, num_heads: int, value: Projection, out: nn.Module, reach: Reach | None = None
    ) -> None:
        check_heads(dim, num_heads)
        super().__init__(
            dim,
            num_heads,
            kernel=Uniform(),
            normaliser=RowSum(),
            transforms=every_head(dim, num_heads),
            codes=(nn.Identity, nn.Identity, nn.Identity),
            qkv=value,
            out=out,
            reach=reach,
        )

    def _project(
        self,
        codes: Sequence[nn.Module],
        x: Tensor,
        mask: Tensor | None,
        context: Tensor | None,
        context_mask: Tensor | None,
    ) -> Sequence[Tensor]:
        v = self.qkv(x, mask) if context is None else self.qkv(context, context_mask)
        # the kernel asks queries and keys for their number alone
        return [code(part) for code, part in zip(codes, (x, v, v), strict=True)]


class UniformAttention(ValueAttention):
    """Every token takes the mean of all values: the control without a map."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__(dim, num_heads, PlainLinear(dim, dim), PlainLinear(dim, dim))


class IdentityAttention(ValueAttention):
    """Every token takes its own value: the control without mixing of tokens."""

    no_context = "each token looks at itself alone"

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__(dim, num_heads, PlainLinear(dim, dim), PlainLinear(dim, dim), Window(0))


def _spiking_out(
    dim: int, neuron: NeuronChoice, options: Mapping[str, Any] | None, threshold: float
) -> SpikingOutput:
    return SpikingOutput(dim, neuron_maker(neuron, options, threshold=threshold))


class SpikingUniform(ValueAttention):
    """Uniform attention on real values with an output neuron: the control of bipolar attention."""

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        neuron: NeuronChoice = "lif",
        neuron_options: Mapping[str, Any] | None = None,
        out_threshold: float = 0.5,
    ) -> None:
        check_heads(dim, num_heads)
        out = _spiking_out(dim, neuron, neuron_options, out_threshold)
        super().__init__(dim, num_heads, LinearNorm(dim, dim), out)


class SpikingIdentity(ValueAttention):
    """Identity attention on real values with an output neuron: the control of bipolar attention."""

    no_context = "each token looks at itself alone"

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        neuron: NeuronChoice = "lif",
        neuron_options: Mapping[str, Any] | None = None,
        out_threshold: float = 0.5,
    ) -> None:
        check_heads(dim, num_heads)
        out = _spiking_out(dim, neuron, neuron_options, out_threshold)
        super().__init__(dim, num_heads, LinearNorm(dim, dim), out, Window(0))


class FrozenPoints(Projection):
    """A projection whose queries and keys are random and stay so; the values are trained.

    The whole branch is frozen, its batch-norm too: that takes its statistics from the first batch in training, so
    that the neurons behind it fire, and never again.

    Shapes: x `[T, B, N, C]` to `[T, B, N, 3 C]`; mask `[B, N]`, True where a token is real.
    """

    is_calibrated: Tensor

    def __init__(self, points: PlainLinear | LinearNorm, value: PlainLinear | LinearNorm) -> None:
        super().__init__()
        self.points, self.value = points.requires_grad_(False).eval(), value
        self.register_buffer("is_calibrated", torch.tensor(False))

    def train(self, mode: bool = True) -> "FrozenPoints":
        """Training mode for the values alone."""
        super().train(mode)
        self.points.eval()
        return self

    def forward(
        self, x: Float[Tensor, "T B N C"], mask: Bool[Tensor, "B N"] | None = None
    ) -> Float[Tensor, "T B N K"]:
        """Queries, keys and values side by side."""
        self._calibrate(x, mask, slice(0, 2 * x.shape[-1]), is_all=True)
        return torch.cat([self.points(x, mask), self.value(x, mask)], -1)

    def columns(
        self, x: Float[Tensor, "T B N C"], mask: Bool[Tensor, "B N"] | None, part: slice
    ) -> Float[Tensor, "T B N K"]:
        """Some of the columns, as of one projection."""
        width = x.shape[-1]
        mine = slice(part.start, min(part.stop, 2 * width))
        # queries and keys come from two sequences: each takes its statistics from its own
        self._calibrate(x, mask, mine, is_all=part.stop >= 2 * width)
        points = self.points.columns(x, mask, mine)
        if part.stop <= 2 * width:
            return points
        return torch.cat([points, self.value(x, mask)], -1)

    @torch.no_grad()
    def _calibrate(self, x: Tensor, mask: Tensor | None, part: slice, is_all: bool) -> None:
        norm = getattr(self.points, "norm", None)
        if norm is None or not self.training or self.is_calibrated:
            return
        norm.train()
        norm.momentum = 1.0
        self.points.columns(x, mask, part)
        norm.eval()
        self.is_calibrated.fill_(is_all)


class FrozenSoftmax(SoftmaxAttention):
    """Softmax attention with random queries and keys that are never trained: a fixed random map of its input."""

    def __init__(self, dim: int, num_heads: int, **options: Any) -> None:
        super().__init__(dim, num_heads, **options)
        self.qkv = FrozenPoints(PlainLinear(dim, 2 * dim), PlainLinear(dim, dim))


class FrozenBipolar(BipolarSelfAttention):
    """Bipolar attention with random queries and keys that are never trained, neurons and batch-norm included."""

    def __init__(self, dim: int, num_heads: int, **options: Any) -> None:
        super().__init__(dim, num_heads, **options)
        self.qkv = FrozenPoints(LinearNorm(dim, 2 * dim), LinearNorm(dim, dim))
        for group in self.head_groups:
            group.query.requires_grad_(False)
            group.key.requires_grad_(False)
