"""Re-parameterised convolutions: a projection that is trained as four maps and runs as one convolution."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from snnpd.errors import UsageError
from snnpd.projections import LinearNorm, Projection

TAPS = 3


class Neighbourhood(nn.Module):
    """How tokens lie: along a sequence, or row by row in an image of `grid` = (rows, columns).

    A token's neighbourhood is itself and one token to each side, or itself and the two before it if `causal`.

    Raises:
        UsageError: a causal image; in a call, tokens that the grid does not hold.
    """

    def __init__(self, grid: Sequence[int] | None = None, causal: bool = False) -> None:
        super().__init__()
        if causal and grid is not None:
            raise UsageError(
                f"re-parameterised convolution: tokens of a grid {tuple(grid)} have no order to be causal in; "
                "leave out the grid, or causal"
            )
        self.grid = None if grid is None else (grid[0], grid[1])
        self.causal = causal

    def convolve(
        self, tokens: Float[Tensor, "T B N C"], weight: Float[Tensor, "K I *taps"], groups: int = 1
    ) -> Float[Tensor, "T B N K"]:
        """Each token's neighbourhood times `weight`; zeros lie beyond the border."""
        lines = tokens.flatten(0, 1).transpose(-1, -2)
        if self.grid is None:
            filled = F.pad(lines, (TAPS - 1, 0) if self.causal else (TAPS // 2, TAPS // 2))
            mixed = F.conv1d(filled, weight, groups=groups)
        else:
            check_grid(self.grid, tokens.shape[2])
            mixed = F.conv2d(lines.unflatten(-1, self.grid), weight, padding=TAPS // 2, groups=groups)
        return mixed.flatten(2).transpose(-1, -2).unflatten(0, tokens.shape[:2])

    def extra_repr(self) -> str:
        """As declared."""
        return f"grid={self.grid}, causal={self.causal}"


def check_grid(grid: tuple[int, int], num_tokens: int) -> None:
    """Raises UsageError unless a grid of (rows, columns) holds so many tokens."""
    if grid[0] * grid[1] != num_tokens:
        raise UsageError(
            f"a grid of {grid[0]} x {grid[1]} does not hold {num_tokens} tokens; give rows and columns that do, "
            "and leave class tokens out"
        )


class RepProjection(nn.Module):
    """1×1 convolution, batch-norm, depthwise convolution of 3 taps a side, 1×1 convolution, batch-norm.

    What lies beyond the border, and every padded token, is what the first batch-norm makes of zero (by its running
    statistics, and no gradient goes there), as if silent tokens stood there. So at inference all of it is one
    convolution of the spikes, see `fold`.

    Source: RepConv of Meta-SpikeFormer, Yao et al. 2024 (arXiv 2404.03663), as in its code, which has a second
    batch-norm behind the last one. The 1-D form, for tokens without a grid, and `causal` are ours.

    Shapes: x `[T, B, N, C_in]` to `[T, B, N, C_out]`; mask `[B, N]`, True where a token is real.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        grid: Sequence[int] | None = None,
        causal: bool = False,
    ) -> None:
        super().__init__()
        self.neighbourhood = Neighbourhood(grid, causal)
        self.inner = LinearNorm(in_features, in_features)
        conv = nn.Conv1d if grid is None else nn.Conv2d
        self.depthwise = conv(in_features, in_features, TAPS, groups=in_features, bias=False)
        self.outer = LinearNorm(in_features, out_features)

    def forward(
        self, x: Float[Tensor, "T B N C"], mask: Bool[Tensor, "B N"] | None = None
    ) -> Float[Tensor, "T B N K"]:
        """Potentials; zero where a token is padded."""
        inner, taps = self.inner(x, mask), self.depthwise.weight
        border = _at_zero(self.inner.norm).detach()
        # measured from the border's value, what lies there is zero, which a convolution pads with
        risen = _silence(inner - border, mask)
        mixed = self.neighbourhood.convolve(risen, taps, groups=len(taps)) + border * taps.flatten(1).sum(-1)
        return self.outer(mixed, mask)


class FoldedProjection(nn.Module):
    """A re-parameterised projection as one convolution of the spikes; not for training.

    Shapes: as `RepProjection`.
    """

    weight: Tensor
    bias: Tensor

    def __init__(
        self,
        neighbourhood: Neighbourhood,
        weight: Float[Tensor, "K C *taps"],
        bias: Float[Tensor, "K"],
    ) -> None:
        super().__init__()
        self.neighbourhood = neighbourhood
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    def forward(
        self, x: Float[Tensor, "T B N C"], mask: Bool[Tensor, "B N"] | None = None
    ) -> Float[Tensor, "T B N K"]:
        """Potentials; zero where a token is padded."""
        return _silence(self.neighbourhood.convolve(_silence(x, mask), self.weight) + self.bias, mask)


@torch.no_grad()
def fold(projection: RepProjection) -> FoldedProjection:
    """The one convolution that a projection computes in evaluation mode.

    Equation: with batch-norms z ↦ a z + b, weights W_1, W_2 and taps w of each channel,
        weight_oi = a_2o Σ_c W_2oc w_c a_1c W_1ci, bias_o = b_2o + a_2o Σ_c W_2oc b_1c Σ_taps w_c.
    Source: docs/math/spiking.md#p5-a-re-parameterised-convolution-is-one-convolution.

    Example:
        >>> projection = RepProjection(4, 6).eval()
        >>> x = torch.ones(1, 2, 5, 4)
        >>> torch.allclose(fold(projection)(x), projection(x), atol=1e-6)
        True
    """
    first, last = projection.inner, projection.outer
    taps = projection.depthwise.weight.squeeze(1)
    narrow = _gain(first.norm)[:, None] * first.linear.weight
    wide = _gain(last.norm)[:, None] * last.linear.weight
    weight = torch.einsum("oc,c...,ci->oi...", wide, taps, narrow)
    bias = _at_zero(last.norm) + wide @ (_at_zero(first.norm) * taps.flatten(1).sum(-1))
    return FoldedProjection(projection.neighbourhood, weight, bias)


class JoinedProjections(Projection):
    """Projections of one input side by side: their outputs are the columns of one.

    Shapes: x `[T, B, N, C]` to `[T, B, N, K]`, K the sum of the outputs, `width` each.
    """

    def __init__(self, parts: Sequence[nn.Module], width: int) -> None:
        super().__init__()
        self.parts, self.width = nn.ModuleList(parts), width

    def forward(
        self, x: Float[Tensor, "T B N C"], mask: Bool[Tensor, "B N"] | None = None
    ) -> Float[Tensor, "T B N K"]:
        """All columns."""
        return self.columns(x, mask, slice(0, len(self.parts) * self.width))

    def columns(
        self, x: Float[Tensor, "T B N C"], mask: Bool[Tensor, "B N"] | None, part: slice
    ) -> Float[Tensor, "T B N K"]:
        """The columns of whole projections."""
        chosen = self.parts[part.start // self.width : part.stop // self.width]
        return torch.cat([projection(x, mask) for projection in chosen], -1)


def _gain(norm: nn.BatchNorm1d) -> Float[Tensor, "C"]:
    assert norm.running_var is not None
    return norm.weight / (norm.running_var + norm.eps).sqrt()


def _at_zero(norm: nn.BatchNorm1d) -> Float[Tensor, "C"]:
    """What a batch-norm makes of zero, by its running statistics."""
    assert norm.running_mean is not None
    return norm.bias - norm.running_mean * _gain(norm)


def _silence(tokens: Float[Tensor, "T B N C"], mask: Bool[Tensor, "B N"] | None) -> Float[Tensor, "T B N C"]:
    return tokens if mask is None else tokens.masked_fill(~mask.unsqueeze(-1), 0)
