"""Looking into attention layers at work: support points, maps and head outputs, as they were computed."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from snnpd.attention.base import Attention
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


@contextmanager
def observe(model: nn.Module) -> Iterator[dict[str, list[HeadView]]]:
    """Collects the views of every attention layer while the context lasts, by the layer's name.

    Each forward pass adds one view per group of heads. Views keep the graph of the pass alive: leave the context,
    and drop them, before the next one.
    """
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, Attention)}
    views: dict[str, list[HeadView]] = {name: [] for name in layers}
    watched = [
        (part, views[name].append)
        for name, layer in layers.items()
        for part in layer.modules()
        if isinstance(part, Observed)
    ]
    with _watching(watched):
        yield views


@contextmanager
def record_attention(model: nn.Module) -> Iterator[dict[str, list[Tensor]]]:
    """Records the attention maps of every attention layer that has some while the context lasts.

    Gives a dict: layer name to one `[T, B, h, N, M]` tensor per group of heads and forward pass.

    Example:
        >>> import torch
        >>> from snnpd.attention import SoftmaxAttention
        >>> layer = SoftmaxAttention(8, 2)
        >>> with record_attention(layer) as maps:
        ...     _ = layer(torch.randn(1, 3, 5, 8))
        >>> maps[""][0].shape
        torch.Size([1, 3, 2, 5, 5])
    """
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, Attention)}
    maps: dict[str, list[Tensor]] = {name: [] for name in layers}
    watched = [
        (part, partial(_keep_map, maps[name]))
        for name, layer in layers.items()
        for part in layer.modules()
        if isinstance(part, Observed)
    ]
    with _watching(watched):
        yield maps


def _keep_map(maps: list[Tensor], view: HeadView) -> None:
    weights = view.weights()
    if weights is not None:
        maps.append(weights.detach())


@contextmanager
def _watching(watched: Sequence[tuple[Observed, Callable[[HeadView], None]]]) -> Iterator[None]:
    try:
        for part, watcher in watched:
            part.watchers.append(watcher)
        yield
    finally:
        for part, watcher in watched:
            part.watchers.remove(watcher)
