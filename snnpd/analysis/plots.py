"""Pictures of a run: learning curves. What all pictures share stands here, too."""

import json
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

# Colour-blind safe (Okabe & Ito, 2008): train and positive spikes, validation and negative spikes.
BLUE, ORANGE, INK, FAINT = "#0072b2", "#d55e00", "#333333", "#bbbbbb"


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches, outside pyplot's global state."""
    figure = Figure(figsize=(width, height), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, png: Path) -> None:
    """Writes a figure, making its folder."""
    png.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(png)


def tidy(axes: Axes, title: str) -> None:
    """The looks that all panels share: a title at the left, two spines, quiet ink."""
    axes.set_title(title, loc="left", fontsize=10, color=INK, fontweight="bold")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(colors=INK, labelsize=8, color=FAINT)
    axes.xaxis.label.set(color=INK, fontsize=9)
    axes.yaxis.label.set(color=INK, fontsize=9)


def plot_curves(metrics: Path, png: Path, chosen_epoch: int | None = None) -> None:
    """Loss, accuracy, firing rate and learning rate by epoch, from a run's `metrics.jsonl`.

    `chosen_epoch` is marked.
    """
    rows = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    has_rate = any(row["firing_rate"] is not None for row in rows)
    figure = new_figure(3.1 * (3 + has_rate), 2.9)
    axes = figure.subplots(1, 3 + has_rate)
    _draw(axes[0], "Loss", rows, train_loss=BLUE, val_loss=ORANGE)
    _draw(axes[1], "Accuracy (%)", rows, scale=100, train_accuracy=BLUE, val_accuracy=ORANGE)
    if has_rate:
        _draw(axes[2], "Firing rate, mean over layers", rows, firing_rate=BLUE)
        axes[2].set_ylim(0, 1.15 * max(axes[2].get_ylim()))
    _draw(axes[-1], "Learning rate (10⁻³)", rows, scale=1000, lr=BLUE)
    for panel in axes[:2]:
        if chosen_epoch is not None:
            panel.axvline(
                chosen_epoch, color=INK, linewidth=0.8, linestyle=":", label=f"chosen: {chosen_epoch}"
            )
        panel.legend(frameon=False, fontsize=8, labelcolor=INK)
    save_figure(figure, png)


def _draw(axes: Axes, title: str, rows: list[dict[str, Any]], scale: float = 1.0, **colours: str) -> None:
    for key, colour in colours.items():
        points = [(row["epoch"], scale * row[key]) for row in rows if row[key] is not None]
        if points:
            label = {"train": "train", "val": "validation"}.get(key.partition("_")[0], key)
            # A single epoch has no line to see.
            marker = "o" if len(points) < 3 else ""
            axes.plot(*zip(*points, strict=True), color=colour, label=label, linewidth=1.6, marker=marker)
    axes.set_xlabel("epoch")
    axes.grid(axis="y", color=FAINT, linewidth=0.4, alpha=0.7)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    tidy(axes, title)
