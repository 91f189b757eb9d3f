"""Watching the attention layers of a network at work."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from torch import Tensor, nn

from snnpd.attention.base import Attention
from snnpd.attention.views import HeadView, Observed

__all__ = ["HeadView", "Observed", "observe", "record_attention"]


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
