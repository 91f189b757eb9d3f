"""Accuracy against energy: marks with their intervals, the front that nothing beats, and what is not drawn."""

from collections.abc import Sequence
from itertools import pairwise

from snnpd.comparison.page.axes import Axis, linear_axis, log_axis
from snnpd.comparison.page.formats import per_cent, spread_energy
from snnpd.comparison.page.labels import place_labels
from snnpd.comparison.page.markers import legend, shape, swatch
from snnpd.comparison.page.rows import Part, Row, front
from snnpd.energy.page.formats import format_energy, format_tick
from snnpd.energy.page.markup import Html, element, join

HEIGHT = 380
NARROW = 200
# Accuracy that the plot shows below its lowest mark, at least.
MIN_ROOM = 0.02
Point = tuple[float, float, Row]


def scatter(rows: Sequence[Row], summary: Part, cost: int) -> Html:
    """The plot of all rows that have both numbers under one cost model, its key, and the rest in words."""
    model = summary["cost_models"][cost]["name"]
    points = [
        (energy, accuracy, row)
        for row in rows
        if (energy := row.mean(f"energy_pj.{model}")) and (accuracy := row.mean("accuracy")) is not None
    ]
    drawn = {row.number for *_, row in points}
    rest = _undrawn([row for row in rows if row.number not in drawn], model, summary["seeds"])
    if not points:
        return element("div", _nothing("No row has both an accuracy and an energy."), rest, data_cost=cost)
    best = front(points)
    caption = (
        f"Energy per sample on a logarithmic scale, priced by {model}, against accuracy on the test samples, with "
        "95\N{NO-BREAK SPACE}% intervals, cut off at the edge. The stepped line joins the rows that no other beats in "
        "both, in bold."
    )
    figure = element(
        "figure",
        element("figcaption", caption),
        legend({row.family for *_, row in points}),
        _plot(points, best),
        _key(points, {row.number for *_, row in best}, model),
        class_="scatter",
    )
    return element("div", figure, rest, data_cost=cost)


def _plot(points: Sequence[Point], best: Sequence[Point]) -> Html:
    x = log_axis(energy for energy, *_ in points)
    y = linear_axis(_worth_showing(points), 6)
    places = place_labels(
        [(x.share(energy) * NARROW, _down(y, accuracy)) for energy, accuracy, _ in points], HEIGHT
    )
    marks = [_mark(point, x, y, place) for point, place in zip(points, places, strict=True)]
    drawing = [*_grid(x, y), *_steps(best, x, y), *marks]
    return element(
        "div",
        element(
            "svg",
            *drawing,
            height=HEIGHT,
            role="img",
            aria_label="Accuracy against energy; the list tells it",
        ),
        element("p", "energy per sample", class_="under", aria_hidden="true"),
        class_="plot",
    )


def _worth_showing(points: Sequence[Point]) -> list[float]:
    """All accuracies, and the ends of intervals not far below: one wide interval would press the marks together."""
    means = [accuracy for _, accuracy, _ in points]
    floor = min(means) - max(max(means) - min(means), MIN_ROOM) / 2
    return [*means, *(max(end, floor) for *_, row in points for end in _interval(row))]


def _grid(x: Axis, y: Axis) -> list[Html]:
    parts = []
    for tick in y.ticks:
        down = f"{_down(y, tick):.2f}"
        parts.append(element("line", x1="0", x2="100%", y1=down, y2=down, class_="rule"))
        text = f"{100 * tick:.10g} %"
        parts.append(element("text", text, x=-8, y=down, dy="0.32em", text_anchor="end"))
    for tick in x.ticks:
        parts.append(
            element("line", x1=x.place(tick), x2=x.place(tick), y1=HEIGHT, y2=HEIGHT + 5, class_="rule")
        )
        parts.append(element("text", format_tick(tick), x=x.place(tick), y=HEIGHT + 19, text_anchor="middle"))
    return parts


def _steps(best: Sequence[Point], x: Axis, y: Axis) -> list[Html]:
    corners = [(x.place(energy), f"{_down(y, accuracy):.2f}") for energy, accuracy, _ in best]
    lines = []
    for (left, low), (right, high) in pairwise([*corners, ("100%", corners[-1][1])]):
        lines.append(element("line", x1=left, x2=right, y1=low, y2=low, class_="front"))
        lines.append(element("line", x1=right, x2=right, y1=low, y2=high, class_="front"))
    return lines


def _mark(point: Point, x: Axis, y: Axis, place: tuple[float, float]) -> Html:
    energy, accuracy, row = point
    middle = _down(y, accuracy)
    dx, dy = (f"{offset:.1f}" for offset in place)
    parts = [element("title", f"{row.number} {row.name}: {per_cent(accuracy)}, {format_energy(energy)}")]
    if interval := _interval(row):
        ends = [f"{min(max(_down(y, end), 0.0), HEIGHT) - middle:.2f}" for end in interval]
        parts.append(element("line", y1=ends[0], y2=ends[1], class_="whisker"))
    parts += [element("line", x2=dx, y2=dy, class_="leader"), shape(row.family)]
    parts.append(
        element("text", f"{row.number}", x=dx, y=dy, dy="0.35em", text_anchor="middle", class_="tag")
    )
    return element(
        "svg", *parts, x=x.place(energy), y=f"{middle:.2f}", overflow="visible", data_number=row.number
    )


def _key(points: Sequence[Point], best: set[int], model: str) -> Html:
    items = []
    for _, accuracy, row in points:
        spread = row.spread(f"energy_pj.{model}")
        numbers = f"{per_cent(accuracy)}, {spread_energy(spread) if spread else '–'}"
        name = [element("span", f"{row.number}", class_="id"), swatch(row.family), element("span", row.name)]
        bold = "best" if row.number in best else None
        items.append(
            element("li", element("span", *name, class_="who"), element("span", numbers), class_=bold)
        )
    return element("ul", *items, class_="key")


def _undrawn(rows: Sequence[Row], model: str, seeds: Sequence[int]) -> Html:
    if not rows:
        return join([])
    items = []
    for row in rows:
        lacks = [] if row.mean("accuracy") is not None else ["accuracy"]
        lacks += [] if row.mean(f"energy_pj.{model}") else ["energy above zero"]
        why = row.remark(seeds) or f"no {' and no '.join(lacks)}"
        items.append(element("li", element("span", f"{row.number}", class_="id"), f" {row.name}: {why}"))
    return join([element("p", "Not in this plot:", class_="undrawn"), element("ul", *items, class_="words")])


def _interval(row: Row) -> Sequence[float]:
    return row.data.get("accuracy_interval") or ()


def _down(axis: Axis, value: float) -> float:
    return HEIGHT * (1 - axis.share(value))


def _nothing(text: str) -> Html:
    return element("p", text, class_="none")
