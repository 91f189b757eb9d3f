"""Samples of a data set as one picture: images side by side, frames step by step, series as lines."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from numpy.typing import NDArray
from torch import Tensor

from snnpd.analysis.plots import BLUE, ORANGE, new_figure, save_figure, tidy

MAX_STEPS = 8
_IN_A_ROW = 4
_SERIES_CHANNELS = 12


def plot_samples(samples: Sequence[Tensor], titles: Sequence[str], png: Path) -> None:
    """Draws samples of one kind into a PNG.

    Shapes:
        samples: images `[C, H, W]`, one panel each; frames `[T, C, H, W]`, one row each, up to eight steps; series
            `[N, C]`, one panel each, every line a channel (one spike raster if there are more than twelve).
    """
    panels = [_panels(sample) for sample in samples]
    if samples[0].ndim == 4:
        # The first step of a row names the sample.
        named = zip(panels, titles, strict=True)
        rows = [[(panel, "" if t else title) for t, panel in enumerate(row)] for row, title in named]
    else:
        flat = [(row[0], title) for row, title in zip(panels, titles, strict=True)]
        rows = [flat[start : start + _IN_A_ROW] for start in range(0, len(flat), _IN_A_ROW)]
    columns = max(len(row) for row in rows)
    width, height = (3.2, 2.0) if samples[0].ndim == 2 else (1.6, 1.75)
    figure = new_figure(width * columns, height * len(rows))
    for axes_row, row in zip(figure.subplots(len(rows), columns, squeeze=False), rows, strict=True):
        for axes in axes_row[len(row) :]:
            axes.axis("off")
        for axes, (panel, title) in zip(axes_row, row, strict=False):
            _draw(axes, panel, title)
    save_figure(figure, png)


def _panels(sample: Tensor) -> list[Tensor]:
    """What gets a panel of its own; of many steps, some at equal distance."""
    if sample.ndim != 4:
        return [sample]
    chosen = torch.linspace(0, len(sample) - 1, min(MAX_STEPS, len(sample))).round().int().unique()
    return [sample[int(t)] for t in chosen]


def _draw(axes: Axes, panel: Tensor, title: str) -> None:
    if panel.ndim == 3:
        axes.imshow(as_picture(panel), interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        tidy(axes, title)
        axes.spines[:].set_visible(False)
        return
    tidy(axes, title)
    values = panel.numpy()
    if values.shape[1] > _SERIES_CHANNELS:
        limit = float(np.abs(values).max()) or 1.0
        axes.imshow(values.T, aspect="auto", cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
        axes.set_ylabel("channel", fontsize=8)
    else:
        axes.plot(values, linewidth=0.9)
    axes.set_xlabel("token", fontsize=8)


def as_picture(image: Tensor) -> NDArray[np.float32]:
    """`[C, H, W]` of any scale as `[H, W, 3]` in [0, 1]; events on white, brighter ones blue, darker ones orange.

    Two channels are darker and brighter events; one channel with values of both signs is their difference.
    """
    pixels = image.float()
    if len(pixels) == 2:
        return _events(*pixels)
    if len(pixels) == 1 and bool((pixels < 0).any()) and bool((pixels == 0).any()):
        return _events((-pixels[0]).clamp_min(0), pixels[0].clamp_min(0))
    pixels = (pixels - pixels.min()) / (pixels.max() - pixels.min()).clamp_min(1e-12)
    if len(pixels) != 3:
        pixels = pixels.mean(0, keepdim=True).expand(3, -1, -1)
    return pixels.permute(1, 2, 0).numpy()


def _events(darker: Tensor, brighter: Tensor) -> NDArray[np.float32]:
    top = torch.stack([darker, brighter]).max().clamp_min(1e-12)
    ink = [(brighter / top, to_rgb(BLUE)), (darker / top, to_rgb(ORANGE))]
    white = torch.ones(*darker.shape, 3)
    coloured = white - sum(part.unsqueeze(-1) * (1 - torch.tensor(colour)) for part, colour in ink)
    return coloured.clamp(0, 1).numpy()
