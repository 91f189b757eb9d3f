"""The one backbone of two lives: stem, pre-activation blocks, mean over tokens, head."""

from collections.abc import Sequence
from typing import Any

from jaxtyping import Bool, Float
from spikingjelly.activation_based import functional
from torch import Tensor, nn

from snnpd.blocks import ConvStem, SeriesStem, Stage, TimedSeriesStem
from snnpd.blocks.stems import Activation, Times
from snnpd.blocks.time_encoding import TIME_ENCODINGS
from snnpd.errors import UsageError, unknown
from snnpd.registry import create

# The sizes that a spiking network and its twin share.
TINY: dict[str, Any] = {"dim": 128, "depth": 2, "num_heads": 4, "pools": (False, True)}
SMALL: dict[str, Any] = {"dim": 256, "depth": 2, "num_heads": 8, "pools": (False, False, True, True)}
CIFAR: dict[str, Any] = {"dim": 384, "depth": 4, "num_heads": 12, "pools": (False, False, True, True)}

# What tells the tokens their positions.
POSITIONS = ("conv", *TIME_ENCODINGS)


class Backbone(nn.Module):
    """Stem, blocks, a last activation, mean over real tokens, linear head: logits per time step.

    Every call is one presentation: the state of all neurons is reset when it begins, so nothing leaks from
    one batch to the next. The prediction is the mean of the logits over time.

    Shapes: x `[T, B, C_in, h, w]` (images, event frames) or `[T, B, N, C_in]` (series), mask `[B, N]`, True
    where a token is real; times `[B, N]`, the time stamps of tokens, for a network built with a time encoding
    (without them token n has the time stamp n); gives `[T, B, num_classes]`.

    Raises:
        UsageError: a wrong shape; no time step; time stamps for a network that has no use for them.
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
        self,
        x: Float[Tensor, "T B *sample"],
        mask: Bool[Tensor, "B N"] | None = None,
        times: Times | None = None,
    ) -> Float[Tensor, "T B K"]:
        """Logits per time step."""
        if x.shape[0] == 0:
            raise UsageError("T = 0: the input has no time step; its first axis is time, [T, B, ...]")
        functional.reset_net(self)
        tokens = self.stem(x, mask, times)
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
    input_shape: Sequence[int],
    stages: Sequence[Stage],
    dim: int,
    activation: Activation,
    position: str = "conv",
    position_options: dict[str, Any] | None = None,
) -> ConvStem | SeriesStem | TimedSeriesStem:
    """A conv stem for `(C, h, w)` inputs, a series stem for `(N, C)` inputs.

    Raises:
        UsageError: another input shape; an unknown position or option; a time encoding for images.
    """
    if len(input_shape) not in (2, 3):
        raise UsageError(
            f"input_shape {tuple(input_shape)}: give (channels, height, width) or (tokens, channels)"
        )
    options = position_options or {}
    _check_position(position, options, input_shape)
    if position in TIME_ENCODINGS:
        return TimedSeriesStem(input_shape[1], dim, create("position", position, TIME_ENCODINGS, **options))
    if len(input_shape) == 2:
        return SeriesStem(input_shape[1], dim, activation)
    channels, height, width = input_shape
    return ConvStem((channels, height, width), stages, activation)


def _check_position(position: str, options: dict[str, Any], input_shape: Sequence[int]) -> None:
    if position not in POSITIONS:
        raise unknown("position", position, POSITIONS)
    if position in TIME_ENCODINGS and len(input_shape) == 3:
        raise UsageError(
            f"position {position!r} for input_shape {tuple(input_shape)}: the tokens of an image or an event "
            "frame have no time stamps; leave position at 'conv'"
        )
    if options and position not in TIME_ENCODINGS:
        raise UsageError(
            f"position {position!r} takes no options, got {', '.join(options)}; leave position_options out, "
            f"or choose among {', '.join(TIME_ENCODINGS)}"
        )


def stage_widths(dim: int, pools: Sequence[bool]) -> list[Stage]:
    """Stages whose widths double up to `dim`: dim/8, dim/4, dim/2, dim for four of them."""
    last = len(pools) - 1
    return [Stage(max(dim >> (last - i), 1), pool) for i, pool in enumerate(pools)]
