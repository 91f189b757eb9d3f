"""Robustness: small plots of accuracy, one a row, over the lines of all the others."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from snnpd.comparison.page.axes import Axis, linear_axis, title_of
from snnpd.comparison.page.formats import per_cent, plain
from snnpd.comparison.page.markers import look
from snnpd.comparison.page.rows import Part, Row
from snnpd.energy.page.markup import Html, element, join

HEIGHT = 110
_TITLES = {
    "noise": ("Noise on the input", "Accuracy on test samples with noise added."),
    "steps": (
        "Fewer time steps",
        "Accuracy of the trained network, run for fewer time steps than it was trained with.",
    ),
}


def robustness(rows: Sequence[Row], reference: str | None) -> Html:
    """Both kinds of curve, as far as there are rows with any."""
    parts = []
    for kind, (title, says) in _TITLES.items():
        shown = [
            (row, row.data.get("curves", {})[kind]) for row in rows if kind in row.data.get("curves", {})
        ]
        parts.append(element("h3", title, class_="question"))
        if shown:
            parts += _multiples(kind, says, shown, reference)
        else:
            parts.append(element("p", "No row has such a curve.", class_="none"))
    return join(parts)


def _multiples(
    kind: str, says: str, shown: Sequence[tuple[Row, Part]], reference: str | None
) -> Iterator[Html]:
    x = linear_axis([level for _, curve in shown for level in curve["levels"]], 5)
    if kind == "steps":
        x = replace(x, ticks=tuple(tick for tick in x.ticks if tick == int(tick)))
    y = linear_axis([a for _, curve in shown for a in curve["accuracy"]], 4)
    lines = [
        part
        for row, curve in shown
        for part in _path(curve, x, y, "first" if row.data["key"] == reference else "other")
    ]
    store = element(
        "svg", element("defs", element("g", *lines, id=f"all-{kind}")), class_="store", width=0, height=0
    )
    unit = shown[0][1]["unit"]
    dashed = (
        "; dashed: the row that the others stand beside"
        if any(row.data["key"] == reference for row, _ in shown)
        else ""
    )
    text = (
        f"{says} Across: {unit}. Bold: the row named above the plot, with its standard deviation over seeds; "
    )
    caption = element("p", f"{text}thin: all the others{dashed}.", class_="caption")
    yield caption
    yield store
    yield element("div", *(_small(kind, row, curve, x, y) for row, curve in shown), class_="multiples")


def _small(kind: str, row: Row, curve: Part, x: Axis, y: Axis) -> Html:
    told = "; ".join(
        f"{plain(level)}: {per_cent(a)}" for level, a in zip(curve["levels"], curve["accuracy"], strict=True)
    )
    drawing = [
        *_grid(x, y),
        element("use", href=f"#all-{kind}"),
        *_path(curve, x, y, "own"),
        *_points(row, curve, x, y),
    ]
    svg = element("svg", *drawing, height=HEIGHT, role="img", aria_label=told)
    ends = element(
        "p", f"{per_cent(curve['accuracy'][0])} → {per_cent(curve['accuracy'][-1])}", class_="ends"
    )
    return element("figure", element("h4", title_of(row)), ends, svg, data_number=row.number)


def _grid(x: Axis, y: Axis) -> Iterator[Html]:
    for tick in y.ticks:
        down = f"{_down(y, tick):.2f}"
        yield element("line", x1="0", x2="100%", y1=down, y2=down, class_="rule")
    for tick in (y.low, y.high):
        text = f"{100 * tick:.10g} %"
        yield element("text", text, x=-6, y=f"{_down(y, tick):.2f}", dy="0.32em", text_anchor="end")
    for tick in x.ticks:
        yield element("text", f"{tick:.10g}", x=x.place(tick), y=HEIGHT + 16, text_anchor="middle")


def _path(curve: Part, x: Axis, y: Axis, role: str) -> Iterator[Html]:
    points = [
        (x.place(level), f"{_down(y, a):.2f}")
        for level, a in zip(curve["levels"], curve["accuracy"], strict=True)
    ]
    for (left, start), (right, end) in pairwise(points):
        yield element("line", x1=left, x2=right, y1=start, y2=end, class_=f"curve {role}")


def _points(row: Row, curve: Part, x: Axis, y: Axis) -> Iterator[Html]:
    stds = curve.get("std") or [None] * len(curve["levels"])
    for level, accuracy, std in zip(curve["levels"], curve["accuracy"], stds, strict=True):
        across, down = x.place(level), _down(y, accuracy)
        if std:
            reach = HEIGHT * std / (y.high - y.low)
            yield element(
                "line",
                x1=across,
                x2=across,
                y1=f"{down - reach:.2f}",
                y2=f"{down + reach:.2f}",
                class_="whisker",
            )
        says = element("title", f"{row.name} at {plain(level)}: {per_cent(accuracy)}")
        yield element("circle", says, cx=across, cy=f"{down:.2f}", r=3.5, class_=f"mark {look(row.family)}")


def _down(axis: Axis, value: float) -> float:
    return HEIGHT * (1 - axis.share(value))
