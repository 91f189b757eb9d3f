"""Samples of a data set as one picture: images side by side, frames step by step, series as lines."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from numpy.typing import NDArray
from torch import Tensor

from snnpd.analysis.plots import BLUE, FAINT, INK, ORANGE, new_figure, save_figure, tidy

MAX_STEPS = 8
_IN_A_ROW = 4
_SERIES_CHANNELS = 12


def plot_samples(samples: Sequence[Tensor], titles: Sequence[str], png: Path) -> None:
    """Draws samples of one kind into a PNG.

    Shapes:
        samples: images `[C, H, W]`, one panel each; frames `[T, C, H, W]`, one row each, up to eight steps; series
            `[N, C]`, one panel each, every line a channel (one spike raster if there are more than twelve).
    """
    if samples[0].ndim == 4:
        rows = [_steps(sample, title) for sample, title in zip(samples, titles, strict=True)]
    else:
        flat = list(zip(samples, titles, strict=True))
        rows = [flat[start : start + _IN_A_ROW] for start in range(0, len(flat), _IN_A_ROW)]
    columns = max(len(row) for row in rows)
    width, height = (3.2, 2.0) if samples[0].ndim == 2 else (1.6, 1.75)
    figure = new_figure(width * columns, height * len(rows))
    for axes_row, row in zip(figure.subplots(len(rows), columns, squeeze=False), rows, strict=True):
        for axes in axes_row[len(row) :]:
            axes.axis("off")
        for axes, (panel, title) in zip(axes_row, row, strict=False):
            _draw(axes, panel, title)
    if samples[0].ndim == 4 and samples[0].shape[1] <= 2:
        legend = "Events: + blue, − orange, both black"
        figure.suptitle(legend, x=0.01, ha="left", fontsize=10, color=INK)
    save_figure(figure, png)


def _steps(sample: Tensor, title: str) -> list[tuple[Tensor, str]]:
    """A panel a step, of many some at equal distance; the first one names the sample."""
    chosen = torch.linspace(0, len(sample) - 1, min(MAX_STEPS, len(sample))).round().int().unique().tolist()
    return [(sample[t], f"step {t + 1}" if t else f"{title}, step 1") for t in chosen]


def _draw(axes: Axes, panel: Tensor, title: str) -> None:
    if panel.ndim == 3:
        axes.imshow(as_picture(panel), interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        tidy(axes, title)
        # Most of an event frame is white: its border must be seen.
        axes.spines[:].set(visible=True, color=FAINT, linewidth=0.6)
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
