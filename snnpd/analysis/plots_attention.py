"""Where the heads of an attention layer look."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from numpy.typing import NDArray
from torch import Tensor

from snnpd.analysis.plots import BLUE, FAINT, INK, ORANGE, new_figure, save_figure, tidy

MAX_HEADS = 4


def plot_attention(maps: Sequence[Tensor], png: Path, image: Tensor | None = None, title: str = "") -> None:
    """Up to four heads: above the weight of each key for each query, below where in the sample those keys are.

    Shapes:
        maps: `[N, M]` a head; M may differ (pooled keys).
        image: `[C, H, W]` of any range, whose tokens lie on a grid row by row; None for a series.
    """
    heads = [head.detach().float().cpu().numpy() for head in maps[:MAX_HEADS]]
    picture = None if image is None else _picture(image)
    first = 0 if picture is None else 1
    figure = new_figure(2.3 * (len(heads) + first), 5.0)
    axes = figure.subplots(2, len(heads) + first, squeeze=False)
    if picture is not None:
        _show_picture(axes[0, 0], picture, "sample")
        axes[1, 0].set_axis_off()
        note = "below each head:\nhow much attention\neach key receives,\norange the most"
        axes[1, 0].text(0, 1, note, transform=axes[1, 0].transAxes, fontsize=9, color=INK, va="top")
    for number, (weights, column) in enumerate(zip(heads, axes.T[first:], strict=True), start=1):
        column[0].imshow(weights, cmap="magma_r", vmin=0, aspect="auto", interpolation="nearest")
        column[0].set(xlabel="key", ylabel="query" if number == 1 else "")
        tidy(column[0], f"head {number}")
        # 1 is what each key would receive if all received the same.
        received = weights.sum(0) / max(weights.sum(), 1e-12) * weights.shape[1]
        if picture is None:
            _along_series(column[1], received)
        else:
            _over_picture(column[1], received, picture)
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, color=INK)
    save_figure(figure, png)


def _along_series(axes: Axes, received: NDArray[np.float32]) -> None:
    axes.fill_between(range(len(received)), received, color=BLUE, alpha=0.25, linewidth=0)
    axes.plot(received, color=BLUE, linewidth=1.4)
    axes.axhline(1, color=FAINT, linewidth=0.8, linestyle=":")
    axes.set(xlabel="key", ylim=(0, None))
    tidy(axes, "attention received")


def _over_picture(axes: Axes, received: NDArray[np.float32], picture: NDArray[np.float32]) -> None:
    height, width = picture.shape[:2]
    rows = round(math.sqrt(len(received) * height / width))
    _show_picture(axes, picture, "", alpha=0.55)
    if rows and len(received) % rows == 0:
        grid = received.reshape(rows, -1)
        strength = 0.85 * (grid - grid.min()) / max(float(np.ptp(grid)), 1e-12)
        colour = np.broadcast_to(to_rgb(ORANGE), (*grid.shape, 3))
        extent = (-0.5, width - 0.5, height - 0.5, -0.5)
        axes.imshow(np.dstack([colour, strength]), extent=extent, interpolation="nearest")


def _show_picture(axes: Axes, picture: NDArray[np.float32], title: str, alpha: float = 1.0) -> None:
    axes.imshow(picture, cmap="gray_r", alpha=alpha)
    axes.set(xticks=[], yticks=[])
    tidy(axes, title)
    axes.spines[:].set_visible(False)


def _picture(image: Tensor) -> NDArray[np.float32]:
    pixels = image.detach().float().cpu()
    pixels = (pixels - pixels.min()) / (pixels.max() - pixels.min()).clamp_min(1e-12)
    if len(pixels) == 3:
        return pixels.permute(1, 2, 0).numpy()
    return pixels.mean(0).numpy()
