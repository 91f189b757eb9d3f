"""Stems of series, with positions told by a convolution or by time stamps."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from snnpd.blocks.stems import Activation, Times, refuse_times
from snnpd.blocks.time_encoding import TimeEncoding
from snnpd.errors import UsageError
from snnpd.projections import LinearNorm, TokenMask, over_real_tokens


class _Series(nn.Module):
    """What the stems of series share: a linear map of every token, with a batch-norm over the real ones."""

    grid = None

    def __init__(self, in_channels: int, dim: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.linear = nn.Linear(in_channels, dim, bias=False)
        self.norm = nn.BatchNorm1d(dim)

    def embed(self, x: Float[Tensor, "T B *sample"], mask: TokenMask | None) -> Float[Tensor, "T B N C"]:
        """Tokens without positions; padded tokens are zero."""
        if x.ndim != 4 or x.shape[-1] != self.in_channels:
            raise UsageError(f"the stem was built for [T, B, N, {self.in_channels}], got {list(x.shape)}")
        return over_real_tokens(lambda tokens: self.norm(self.linear(tokens)), x, mask)


class SeriesStem(_Series):
    """Series to tokens, one a time stamp: linear map, then a 1-D convolution that adds the position.

    Shapes: x `[T, B, N, C_in]` to `[T, B, N, C]`; mask `[B, N]`, True where a token is real.

    Raises:
        UsageError: the input has another number of channels; time stamps are given.
    """

    def __init__(self, in_channels: int, dim: int, activation: Activation) -> None:
        super().__init__(in_channels, dim)
        self.activation = activation()
        self.conv = nn.Conv1d(dim, dim, 3, padding=1, bias=False)
        self.position_norm = nn.BatchNorm1d(dim)

    def forward(
        self, x: Float[Tensor, "T B *sample"], mask: TokenMask | None = None, times: Times | None = None
    ) -> Float[Tensor, "T B N C"]:
        """Tokens as potentials; padded tokens are zero."""
        refuse_times(times)
        x = self.embed(x, mask)
        neighbours = self.conv(self.activation(x).flatten(0, 1).transpose(1, 2)).transpose(1, 2)
        return x + over_real_tokens(self.position_norm, neighbours.unflatten(0, x.shape[:2]), mask)


class TimedSeriesStem(_Series):
    """Series to tokens, one a time stamp: linear map, plus a linear map of the time stamp's encoding.

    Both are normalised over the real tokens, so that content and position begin with equal weight.

    Shapes: x `[T, B, N, C_in]` to `[T, B, N, C]`; mask `[B, N]`, True where a token is real; times `[B, N]`, the
    same at every time step; without them token n has the time stamp n (regular sampling).

    Units: time stamps in the unit of the encoding's periods.

    Raises:
        UsageError: the input has another number of channels; not one finite time stamp for every real token.
    """

    def __init__(self, in_channels: int, dim: int, encoding: TimeEncoding) -> None:
        super().__init__(in_channels, dim)
        self.encoding = encoding
        self.position = LinearNorm(encoding.dim, dim)

    def forward(
        self, x: Float[Tensor, "T B *sample"], mask: TokenMask | None = None, times: Times | None = None
    ) -> Float[Tensor, "T B N C"]:
        """Tokens as potentials; padded tokens are zero."""
        x = self.embed(x, mask)
        if times is None:
            times = torch.arange(x.shape[2], device=x.device).expand(x.shape[1:3])
        if times.shape != x.shape[1:3]:
            raise UsageError(
                f"times has the shape {list(times.shape)}; give one time stamp a token, {list(x.shape[1:3])}"
            )
        return x + self.position(self.encoding(times, mask).unsqueeze(0), mask)
