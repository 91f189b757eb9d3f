"""The picture of attention costs: time and memory against N, each line with its name at the right."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from attention_cost_fit import Row, by_layer, num_tokens
from matplotlib.axes import Axes
from sklearn.isotonic import isotonic_regression

from snnpd.analysis.plots import FAINT, INK, new_figure, save_figure, tidy
from snnpd.attention.table import SPIKING

# Colour-blind safe (Okabe & Ito, 2008).
FAMILIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "softmax, all pairs": (
        "#0072b2",
        (
            *("softmax", "attention_bn", "attention_sh", "attention_bn_sh", "sparse", "rpc", "cat_alter"),
            *("between_datapoints", "frozen_softmax"),
        ),
    ),
    "Shiftmax, all pairs": (
        "#d55e00",
        ("bsa", "bsa_ablation", "bipolar_bn", "bipolar_sh", "bipolar_bn_sh", "frozen_bsa"),
    ),
    "linear kernel or gate": (
        "#009e73",
        ("linear", "ssa", "sdsa1", "sdsa3", "a2os2a", "token_qk", "channel_qk"),
    ),
    "circulant": ("#cc79a7", ("cat", "cat_averaged_key", "spiking_cat")),
    "kernel SVD": ("#56b4e9", ("primal", "spiking_primal")),
    "neuron or network per pair": ("#e69f00", ("dssa", "hyla")),
    "window or control": (
        "#777777",
        ("local", "uniform", "identity", "spiking_uniform", "spiking_identity"),
    ),
}
OTHER = "other"
# Families that share a column; all other lines stand behind them in grey.
COLUMNS = (
    ("softmax, all pairs",),
    ("Shiftmax, all pairs",),
    ("linear kernel or gate",),
    ("circulant", "kernel SVD", "neuron or network per pair", "window or control"),
)
FIGURES = (("p50_ms", "time of a forward pass (ms)"), ("peak_memory_mib", "peak memory (MiB)"))
# Between two names, as a share of the panel's height.
GAP = 0.052


def family_of(label: str) -> str:
    """The family of a row's label, which begins with the layer's name."""
    name = label.partition(",")[0]
    return next((family for family, (_, names) in FAMILIES.items() if name in names), OTHER)


def colour_of(label: str) -> str:
    """The colour of the label's family."""
    return FAMILIES.get(family_of(label), (INK, ()))[0]


def plot(rows: Sequence[Row], png: Path) -> None:
    """Time above, memory below; a column for each group of families."""
    layers = by_layer(rows)
    figure = new_figure(18, 11)
    panels = figure.subplots(2, len(COLUMNS), sharex=True, sharey="row")
    for line, (field, title) in zip(panels, FIGURES, strict=True):
        for axes, families in zip(line, COLUMNS, strict=True):
            draw(axes, layers, field, families)
            tidy(axes, title_of(families) if field == FIGURES[0][0] else "")
        line[0].set_ylabel(title)
    for axes in panels[1]:
        axes.set_xlabel("tokens N")
    figure.suptitle(
        "Solid: ANN, dashed: spiking, dotted: variant of a layer; broad grey: N and N²",
        x=0.01, ha="left", fontsize=10, color=INK,
    )  # fmt: skip
    save_figure(figure, png)


def title_of(families: Sequence[str]) -> str:
    """The one family of a column, or what the mixed column is."""
    return families[0] if len(families) == 1 else "circulant, kernel SVD, per pair, controls"


def draw(axes: Axes, layers: dict[str, list[Row]], field: str, families: Sequence[str]) -> None:
    """One figure, log-log: the layers of some families in colour and by name, the others in grey."""
    lines = {
        label: [(num_tokens(row), row[field]) for row in rows if row.get(field)]
        for label, rows in layers.items()
    }
    lines = {label: points for label, points in lines.items() if points}
    for label, points in lines.items():
        is_shown = family_of(label) in families
        style = ":" if "," in label else "--" if label in SPIKING else "-"
        looks = {"color": colour_of(label), "linestyle": style, "linewidth": 1.4, "zorder": 2}
        faint = {"color": FAINT, "linewidth": 0.5, "alpha": 0.7, "zorder": 1}
        axes.plot(*zip(*points, strict=True), **(looks if is_shown else faint))
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    if not lines:
        return
    sizes = sorted({n for points in lines.values() for n, _ in points})
    axes.set_xticks(sizes[::2], [f"{n:,}" for n in sizes[::2]])
    axes.grid(color=FAINT, linewidth=0.4, alpha=0.6)
    draw_slopes(axes, sizes, min(points[0][1] for points in lines.values()))
    shown = {label: points[-1] for label, points in lines.items() if family_of(label) in families}
    if shown:
        name_lines(axes, shown, sizes)


def draw_slopes(axes: Axes, sizes: list[int], smallest: float) -> None:
    """What N and N² look like, from the left lower corner."""
    top, start = axes.get_ylim()[1], smallest / 2
    axes.set_ylim(smallest / 3, top)
    for power, text in ((1, "N"), (2, "N²")):
        end = min(sizes[-1], sizes[0] * (top / start) ** (1 / power))
        height = start * (end / sizes[0]) ** power
        axes.plot([sizes[0], end], [start, height], color=FAINT, linewidth=3, zorder=0)
        axes.annotate(
            text, (end, height), (-8, -16), textcoords="offset points", color=INK, fontsize=10, ha="right"
        )


def name_lines(axes: Axes, ends: dict[str, tuple[int, float]], sizes: list[int]) -> None:
    """The name of each line right of the panel, at the height of its end or as near to it as the others leave room."""
    axes.set_xlim(sizes[0], sizes[-1])
    low, high = (np.log(limit) for limit in axes.get_ylim())
    labels = sorted(ends, key=lambda label: ends[label][1])
    heights = np.array([(np.log(ends[label][1]) - low) / (high - low) for label in labels])
    steps = GAP * np.arange(len(labels))
    spread = isotonic_regression(heights - steps, y_min=0.0, y_max=max(0.0, 1.0 - steps[-1])) + steps
    for label, height in zip(labels, spread, strict=True):
        leader = {"arrowstyle": "-", "color": colour_of(label), "linewidth": 0.5, "alpha": 0.6}
        leader |= {"relpos": (0, 0.5), "shrinkA": 1, "shrinkB": 0}
        place = {"xytext": (1.04, height), "textcoords": axes.transAxes, "annotation_clip": False}
        text = {"color": colour_of(label), "fontsize": 8, "va": "center"}
        axes.annotate(label, ends[label], arrowprops=leader, **place, **text)
