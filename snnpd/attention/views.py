"""What an attention layer shows of its work: support points, maps and head outputs, as they were computed."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from snnpd.expansion import Expansion, Points


@dataclass(frozen=True)
class HeadView:
    """What some heads of a layer did in one forward pass, with its graph.

    `expansion` and `points` (transformed and coded) where the heads are an expansion; `attention_map` where they have
    a map of another origin; `loss`, an objective of the layer's own, already weighted.

    Shapes: heads `[T, B, h, N, E]`, points as in `Points`, the map `[T, B, h, N, M]`.
    """

    heads: Tensor
    expansion: Expansion | None = None
    points: Points | None = None
    attention_map: Callable[[], Tensor] | None = None
    loss: Tensor | None = None

    def weights(self) -> Tensor | None:
        """The attention map, made now; None where the heads have none."""
        if self.expansion is not None and self.points is not None:
            return self.expansion.weights(self.points)
        return None if self.attention_map is None else self.attention_map()


class Observed(nn.Module):
    """A module that shows what its heads did to whoever watches; costs nothing while nobody does."""

    def __init__(self) -> None:
        super().__init__()
        self.watchers: list[Callable[[HeadView], None]] = []

    def show(self, view: HeadView) -> None:
        """Hands a view to all watchers."""
        for watcher in self.watchers:
            watcher(view)
