"""The one backbone of two lives: stem, pre-activation blocks, mean over tokens, head."""

from collections.abc import Sequence
from typing import Any

from jaxtyping import Bool, Float
from spikingjelly.activation_based import functional
from torch import Tensor, nn

from snnpd.blocks import ConvStem, SeriesStem, Stage
from snnpd.blocks.stems import Activation
from snnpd.errors import UsageError

# The sizes that a spiking network and its twin share.
TINY: dict[str, Any] = {"dim": 128, "depth": 2, "num_heads": 4, "pools": (False, True)}
SMALL: dict[str, Any] = {"dim": 256, "depth": 2, "num_heads": 8, "pools": (False, False, True, True)}
CIFAR: dict[str, Any] = {"dim": 384, "depth": 4, "num_heads": 12, "pools": (False, False, True, True)}


class Backbone(nn.Module):
    """Stem, blocks, a last activation, mean over real tokens, linear head: logits per time step.

    Every call is one presentation: the state of all neurons is reset when it begins, so nothing leaks from
    one batch to the next. The prediction is the mean of the logits over time.

    Shapes: x `[T, B, C_in, h, w]` (images, event frames) or `[T, B, N, C_in]` (series), mask `[B, N]`, True
    where a token is real; gives `[T, B, num_classes]`.
    """

    def __init__(
        self, stem: nn.Module, blocks: Sequence[nn.Module], last: nn.Module, dim: int, num_classes: int
    ) -> None:
        super().__init__()
        if num_classes < 2:
            raise UsageError(f"num_classes = {num_classes}; a classifier wants at least 2 classes")
        if not blocks:
            raise UsageError("depth = 0; a network wants at least one block")
        self.stem, self.blocks, self.last = stem, nn.ModuleList(blocks), last
        self.head = nn.Linear(dim, num_classes)

    def forward(
        self, x: Float[Tensor, "T B *sample"], mask: Bool[Tensor, "B N"] | None = None
    ) -> Float[Tensor, "T B K"]:
        """Logits per time step."""
        if x.shape[0] == 0:
            raise UsageError("T = 0: the input has no time step; its first axis is time, [T, B, ...]")
        functional.reset_net(self)
        tokens = self.stem(x, mask)
        for block in self.blocks:
            tokens = block(tokens, mask)
        return self.head(mean_over_tokens(self.last(tokens), mask))


def mean_over_tokens(
    tokens: Float[Tensor, "T B N C"], mask: Bool[Tensor, "B N"] | None
) -> Float[Tensor, "T B C"]:
    """The mean over the real tokens of each sample."""
    if mask is None:
        return tokens.mean(2)
    real = mask.unsqueeze(-1).to(tokens.dtype)
    return (tokens * real).sum(2) / real.sum(1).clamp_min(1)


def build_stem(
    input_shape: Sequence[int], stages: Sequence[Stage], dim: int, activation: Activation
) -> ConvStem | SeriesStem:
    """A conv stem for `(C, h, w)` inputs, a series stem for `(N, C)` inputs."""
    if len(input_shape) == 2:
        return SeriesStem(input_shape[1], dim, activation)
    if len(input_shape) != 3:
        raise UsageError(
            f"input_shape {tuple(input_shape)}: give (channels, height, width) or (tokens, channels)"
        )
    channels, height, width = input_shape
    return ConvStem((channels, height, width), stages, activation)


def stage_widths(dim: int, pools: Sequence[bool]) -> list[Stage]:
    """Stages whose widths double up to `dim`: dim/8, dim/4, dim/2, dim for four of them."""
    last = len(pools) - 1
    return [Stage(max(dim >> (last - i), 1), pool) for i, pool in enumerate(pools)]
