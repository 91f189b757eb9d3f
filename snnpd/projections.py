"""Linear maps of tokens, shared by attention layers and blocks; padded tokens never enter a statistic."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TypeGuard

from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from snnpd.neurons.base import Neuron
from snnpd.neurons.neighbours import fire_after_norm, is_plain, is_watched, norm_of_part

TokenMask = Bool[Tensor, "B N"]


class Projection(nn.Module, ABC):
    """A linear map of tokens whose output columns can be asked for in part."""

    @abstractmethod
    def columns(
        self, x: Float[Tensor, "T B N C"], mask: TokenMask | None, part: slice
    ) -> Float[Tensor, "T B N K"]:
        """Some of the output columns: queries from one sequence, keys and values from another."""


class PlainLinear(Projection, nn.Linear):
    """The linear map of an ANN layer; the mask is accepted and not needed.

    Shapes: x `[T, B, N, C_in]` to `[T, B, N, C_out]`.
    """

    def forward(self, x: Float[Tensor, "T B N C"], mask: TokenMask | None = None) -> Float[Tensor, "T B N K"]:
        """W x + b."""
        return super().forward(x)

    def columns(
        self, x: Float[Tensor, "T B N C"], mask: TokenMask | None, part: slice
    ) -> Float[Tensor, "T B N K"]:
        """Some of the rows of W x + b."""
        return F.linear(x, self.weight[part], None if self.bias is None else self.bias[part])


class LinearNorm(Projection):
    """Bias-free linear map, then batch-norm over all real tokens: the projection of a spiking layer.

    At inference the batch-norm folds into the weight, so spikes meet one matrix of additions. Padded tokens
    enter no statistic and come out as zero current.

    Shapes: x `[T, B, N, C_in]` to `[T, B, N, C_out]`; mask `[B, N]`, True where a token is real.
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, out_features, bias=False)
        self.norm = nn.BatchNorm1d(out_features)

    def forward(self, x: Float[Tensor, "T B N C"], mask: TokenMask | None = None) -> Float[Tensor, "T B N K"]:
        """BN(W x)."""
        return over_real_tokens(lambda tokens: self.norm(self.linear(tokens)), x, mask)

    def columns(
        self, x: Float[Tensor, "T B N C"], mask: TokenMask | None, part: slice
    ) -> Float[Tensor, "T B N K"]:
        """Some of the output columns, with their part of the batch-norm."""
        weight = self.linear.weight[part]
        return over_real_tokens(
            lambda tokens: norm_of_part(self.norm, F.linear(tokens, weight), part), x, mask
        )


def fire_after(
    projection: nn.Module,
    neuron: nn.Module,
    x: Float[Tensor, "T B N C"],
    mask: TokenMask | None,
) -> Float[Tensor, "T B N K"]:
    """`neuron(projection(x, mask))`, with a batch-norm at the end of the projection taken into the neuron's pass."""
    if mask is None and _ends_in_plain_norm(projection):
        return fire_after_norm(projection.norm, neuron, projection.linear(x), channel_dim=-1)
    return neuron(projection(x, mask))


def fire_in_parts(
    projection: nn.Module,
    neurons: Sequence[nn.Module],
    x: Float[Tensor, "T B N C"],
    mask: TokenMask | None,
) -> list[Float[Tensor, "T B N K"]]:
    """Equal parts of the projection's columns, each through a code of its own; neurons as in `fire_after`."""
    are_fused = any(isinstance(neuron, Neuron) and neuron.can_fuse(x, -1) for neuron in neurons)
    if not are_fused or mask is not None or not _ends_in_plain_norm(projection):
        return [n(y) for n, y in zip(neurons, projection(x, mask).chunk(len(neurons), -1), strict=True)]
    # One split, whose backward pass joins the gradients once; slices would add up three of full width.
    columns = projection.linear(x).chunk(len(neurons), -1)
    width = columns[0].shape[-1]
    return [
        fire_after_norm(projection.norm, neuron, y, -1, slice(n * width, (n + 1) * width))
        for n, (neuron, y) in enumerate(zip(neurons, columns, strict=True))
    ]


def _ends_in_plain_norm(projection: nn.Module) -> TypeGuard[LinearNorm]:
    """Whether linear map and batch-norm can be told apart: both are torch's, and nobody watches them together."""
    return type(projection) is LinearNorm and not is_watched(projection) and is_plain(projection.norm)


def over_real_tokens(
    function: Callable[[Tensor], Tensor], x: Float[Tensor, "T B N C"], mask: TokenMask | None
) -> Float[Tensor, "T B N K"]:
    """`function` of the real tokens packed as `[R, C]`; zeros stand where the mask is False."""
    if mask is None:
        return function(x.flatten(0, 2)).unflatten(0, x.shape[:3])
    packed = function(x[:, mask].flatten(0, 1))
    y = packed.new_zeros(*x.shape[:3], packed.shape[-1])
    y[:, mask] = packed.unflatten(0, (x.shape[0], -1))
    return y
