"""The spikes of one sample: recording them, and a raster of several layers side by side."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from matplotlib.colors import LinearSegmentedColormap
from spikingjelly.activation_based.neuron.base_node import BaseNode
from torch import Tensor, nn

from snnpd.analysis.plots import BLUE, FAINT, INK, ORANGE, new_figure, save_figure, tidy
from snnpd.neurons.base import Neuron

MAX_UNITS = 96
MAX_LAYERS = 6
_COLOURS = LinearSegmentedColormap.from_list("spikes", [ORANGE, "#fbfbf8", BLUE])


@contextmanager
def record_spikes(model: nn.Module) -> Iterator[dict[str, Tensor]]:
    """The outputs `[T, B, ...]` of every neuron of `model` in the last forward pass within the block, by name.

    Example:
        >>> from snnpd.neurons import IF
        >>> with record_spikes(IF(threshold=2.0)) as spikes:
        ...     _ = IF.__call__  # nothing has run yet
        >>> spikes
        {}
    """
    spikes: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Tensor) -> None:
            spikes[name] = output.detach().cpu()

        return hook

    hooks = [
        module.register_forward_hook(keep(name or type(module).__name__))
        for name, module in model.named_modules()
        if isinstance(module, Neuron | BaseNode)
    ]
    try:
        yield spikes
    finally:
        for handle in hooks:
            handle.remove()


def plot_raster(spikes: Mapping[str, Tensor], png: Path) -> None:
    """A raster of up to six layers, evenly chosen: a row a neuron, a column a time step, blue for +, orange for −.

    Of larger layers evenly spaced neurons are shown, sorted by their signed number of spikes.

    Shapes:
        spikes: `[T, ...]` of one sample, by layer.
    """
    names = list(spikes)
    chosen = [names[i] for i in torch.linspace(0, len(names) - 1, min(MAX_LAYERS, len(names))).round().int()]
    figure = new_figure(1.2 + 1.75 * len(chosen), 4.4)
    panels = figure.subplots(1, len(chosen), squeeze=False)[0]
    for panel, name in zip(panels, chosen, strict=True):
        units = spikes[name].flatten(1).float()
        shown = _some_units(units)
        largest = float(shown.abs().max().clamp_min(1))
        panel.imshow(
            shown.T.numpy(),
            aspect="auto",
            cmap=_COLOURS,
            vmin=-largest,
            vmax=largest,
            interpolation="nearest",
        )
        for step in range(1, len(shown)):
            panel.axvline(step - 0.5, color="white", linewidth=2.5)
        if len(shown) <= 10:
            panel.set_xticks(range(len(shown)), [str(step + 1) for step in range(len(shown))])
        panel.set_yticks([])
        panel.set_xlabel("time step")
        rate = float(units.count_nonzero() / units.numel())
        tidy(panel, _short(name))
        panel.spines[["left"]].set_visible(False)
        panel.text(
            0, -0.13, f"{units.shape[1]:,} neurons\n{rate:.1%} fire", transform=panel.transAxes,
            fontsize=8, color=INK, va="top",
        )  # fmt: skip
        panel.axhline(len(shown.T) - 0.5, color=FAINT, linewidth=0.8)
    panels[0].set_ylabel("neurons, sorted by signed number of spikes")
    panels[0].yaxis.label.set(color=INK, fontsize=9)
    figure.suptitle("Spikes of one sample: + blue, − orange", x=0.01, ha="left", fontsize=10, color=INK)
    save_figure(figure, png)


def _some_units(units: Tensor) -> Tensor:
    index = torch.linspace(0, units.shape[1] - 1, min(MAX_UNITS, units.shape[1])).round().long()
    some = units[:, index]
    return some[:, some.sum(0).argsort(descending=True, stable=True)]


def _short(name: str) -> str:
    parts = [part for part in name.split(".") if part not in ("groups", "neuron")]
    return (
        "\n".join([".".join(parts[:2]), ".".join(parts[2:])]).strip() if len(parts) > 2 else ".".join(parts)
    )
