"""The pre-activation residual block and its feed-forward half, the same for spiking and for ANN layers."""

from collections.abc import Callable

from jaxtyping import Bool, Float
from torch import Tensor, nn

from snnpd.neurons.neighbours import fire_after_sum, is_watched
from snnpd.projections import fire_after

Layer = Callable[[], nn.Module]


class FeedForward(nn.Module):
    """Two projections, each behind its activation: widen, narrow.

    Shapes: x `[T, B, N, C]` to `[T, B, N, C]`; mask `[B, N]`, True where a token is real.
    """

    def __init__(self, before: nn.Module, widen: nn.Module, between: nn.Module, narrow: nn.Module) -> None:
        super().__init__()
        self.before, self.widen, self.between, self.narrow = before, widen, between, narrow

    def forward(
        self, x: Float[Tensor, "T B N C"], mask: Bool[Tensor, "B N"] | None = None
    ) -> Float[Tensor, "T B N C"]:
        """narrow(between(widen(before(x))))."""
        return self.after(self.before(x), mask)

    def after(
        self, x: Float[Tensor, "T B N C"], mask: Bool[Tensor, "B N"] | None = None
    ) -> Float[Tensor, "T B N C"]:
        """narrow(between(widen(x))): what follows the first activation."""
        return self.narrow(fire_after(self.widen, self.between, x, mask), mask)


class PreActivationBlock(nn.Module):
    """x + attention(before(x)), then the same with the feed-forward half.

    The residual sums run over potentials (or features), never over spikes: sums of spikes would be integers
    that no spike alphabet holds.

    Source: Spikingformer, Zhou et al. 2023 (arXiv 2304.11954), whose `before` is a neuron.
    """

    def __init__(
        self, before: nn.Module, attention: nn.Module, feed_forward: nn.Module, dropout: float
    ) -> None:
        super().__init__()
        self.before, self.attention, self.feed_forward = before, attention, feed_forward
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Float[Tensor, "T B N C"], mask: Bool[Tensor, "B N"] | None = None
    ) -> Float[Tensor, "T B N C"]:
        """The potentials after both halves."""
        branch = self.dropout(self.attention(self.before(x), mask))
        if type(self.feed_forward) is FeedForward and not is_watched(self.feed_forward):
            spikes, x = fire_after_sum(self.feed_forward.before, branch, x)
            return x + self.dropout(self.feed_forward.after(spikes, mask))
        x = x + branch
        return x + self.dropout(self.feed_forward(x, mask))
