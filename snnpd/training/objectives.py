"""What attention layers add to the loss: objectives of their own, and the penalty on dual infeasibility."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from snnpd.attention import HeadView, observe
from snnpd.expansion.penalty import dual_infeasibility
from snnpd.training.config import OptimConfig


@contextmanager
def layer_objectives(
    model: nn.Module, config: OptimConfig, device: torch.device
) -> Iterator[Callable[[], Tensor]]:
    """Watches one forward pass; what it yields gives the sum over all layers, to be added to the loss.

    Example:
        >>> from snnpd.attention import create_attention
        >>> layer = create_attention("primal", 8, 2)
        >>> with layer_objectives(layer, OptimConfig(), torch.device("cpu")) as own:
        ...     _ = layer(torch.randn(1, 2, 5, 8))
        >>> bool(own() > 0)
        True
    """
    seen: list[HeadView] = []
    with observe(model) as views:
        yield lambda: _total(seen, config, device)
        # a layer inside another is observed under both names
        seen.extend({id(view): view for layer in views.values() for view in layer}.values())


def _total(views: list[HeadView], config: OptimConfig, device: torch.device) -> Tensor:
    total = torch.zeros((), device=device)
    for view in views:
        if view.loss is not None:
            total = total + view.loss
        if config.dual_penalty and view.expansion is not None and view.points is not None:
            penalty = dual_infeasibility(view.expansion, view.points, config.dual_box)
            total = total if penalty is None else total + config.dual_penalty * penalty
    return total
