"""The stem of images and event frames, with positions told by a convolution."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from jaxtyping import Float, Real
from torch import Tensor, nn

from snnpd.errors import UsageError
from snnpd.neurons.neighbours import fire_after_norm, is_watched
from snnpd.projections import TokenMask

Activation = Callable[[], nn.Module]
# Any shape: a wrong one is refused in words, by the stem.
Times = Real[Tensor, "..."]


class Stage(NamedTuple):
    """One 3x3 convolution: its width, and whether a max-pool halves the image behind it."""

    width: int
    pool: bool


class ConvNorm(nn.Module):
    """3x3 convolution and batch-norm over time and batch, then a 3x3 max-pool of stride 2 if asked.

    Shapes: x `[T, B, C_in, h, w]` to `[T, B, C_out, h, w]`, halved (rounded up) by the pool.
    """

    def __init__(self, in_channels: int, stage: Stage) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, stage.width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(stage.width)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1) if stage.pool else nn.Identity()

    def forward(self, x: Float[Tensor, "T B c h w"]) -> Float[Tensor, "T B d i j"]:
        """Potentials."""
        return self.pool(self.norm(self._convolved(x))).unflatten(0, x.shape[:2])

    def then(self, activation: nn.Module, x: Float[Tensor, "T B c h w"]) -> Float[Tensor, "T B d i j"]:
        """`activation(self(x))`; without a pool between them, the batch-norm goes into a neuron's pass."""
        if isinstance(self.pool, nn.Identity) and not is_watched(self):
            return fire_after_norm(self.norm, activation, self._convolved(x).unflatten(0, x.shape[:2]), -3)
        return activation(self(x))

    def _convolved(self, x: Float[Tensor, "T B c h w"]) -> Float[Tensor, "R d h w"]:
        return self.conv(x.flatten(0, 1))


class ConvStem(nn.Module):
    """Images or event frames to tokens: convolutions with an activation before each but the first.

    The last convolution adds the position: its output is summed with its input (potentials).

    Source: Spikingformer's tokenizer and positional convolution, Zhou et al. 2023 (arXiv 2304.11954).

    Shapes: x `[T, B, C_in, h, w]` to `[T, B, N, C]`, N = the product of `grid`.

    Raises:
        UsageError: the image side is not divisible by what the pools divide by; time stamps are given.
    """

    def __init__(
        self, input_shape: tuple[int, int, int], stages: Sequence[Stage], activation: Activation
    ) -> None:
        super().__init__()
        channels, height, width = input_shape
        self.input_shape = tuple(input_shape)
        self.grid = token_grid(height, width, stages)
        widths = [channels, *(stage.width for stage in stages)]
        self.convs = nn.ModuleList(ConvNorm(c, stage) for c, stage in zip(widths, stages, strict=False))
        self.activations = nn.ModuleList(activation() for _ in stages)
        self.position = ConvNorm(widths[-1], Stage(widths[-1], pool=False))

    def forward(
        self, x: Float[Tensor, "T B *sample"], mask: TokenMask | None = None, times: Times | None = None
    ) -> Float[Tensor, "T B N C"]:
        """Tokens as potentials, row by row."""
        refuse_times(times)
        if x.ndim != 5 or tuple(x.shape[2:]) != self.input_shape:
            raise UsageError(
                f"the stem was built for [T, B, {', '.join(map(str, self.input_shape))}], got {list(x.shape)}"
            )
        for conv, activation in zip(self.convs[:-1], self.activations[:-1], strict=True):
            assert isinstance(conv, ConvNorm)
            x = conv.then(activation, x)
        x = self.convs[-1](x)
        x = x + self.position(self.activations[-1](x))
        # Tokens side by side in memory, once: every layer behind reads them so.
        return x.flatten(3).transpose(2, 3).contiguous()


def token_grid(height: int, width: int, stages: Sequence[Stage]) -> tuple[int, int]:
    """Rows and columns of tokens that the stages leave of an image.

    Raises:
        UsageError: a side is not divisible.
    """
    patch = 2 ** sum(stage.pool for stage in stages)
    if height % patch or width % patch:
        raise UsageError(
            f"an image of {height} x {width} is not divisible into patches of {patch} x {patch}; "
            f"pad it to multiples of {patch}, or use fewer pooled stages"
        )
    return height // patch, width // patch


def refuse_times(times: Times | None) -> None:
    """Raises UsageError where time stamps are given to a stem with a positional convolution."""
    if times is not None:
        raise UsageError(
            "times are given, but a convolution tells this network its positions; leave times out, "
            "or build a network for series with position='bochner' or 'mercer'"
        )
