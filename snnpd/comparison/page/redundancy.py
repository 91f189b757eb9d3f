"""Redundancy of the heads: the distance between heads, a dot a seed and a bar at the mean."""

from collections.abc import Sequence

from snnpd.comparison.page.axes import Axis, axis_row, chart, linear_axis, title_of
from snnpd.comparison.page.formats import plain, spread_plain
from snnpd.comparison.page.rows import Row, Spread
from snnpd.energy.page.markup import Html, element

MEASURE = "head_distance"


def redundancy(rows: Sequence[Row]) -> Html:
    """All rows that have heads to compare, on one scale from zero."""
    shown = [(row, spread) for row in rows if (spread := row.spread(MEASURE)) is not None]
    if not shown:
        return element("p", "No row has a distance between its heads.", class_="none")
    axis = linear_axis([0.0, *(value for _, spread in shown for value in (*spread.values, spread.mean))])
    caption = "Relative distance between heads: a circle a seed, a bar the mean; larger is less redundant."
    return chart(caption, axis, axis_row(axis, plain), *(_line(row, spread, axis) for row, spread in shown))


def _line(row: Row, spread: Spread, axis: Axis) -> Html:
    says = f"{row.number} {row.name}: {spread_plain(spread)}"
    seeds = [
        element("circle", cx=axis.place(value), cy="50%", r=4, class_="mark seed hollow")
        for value in spread.values
    ]
    mean = axis.place(spread.mean)
    bar = element("line", x1=mean, x2=mean, y1="-20%", y2="120%", class_="mean")
    svg = element("svg", element("title", says), *seeds, bar, role="img", aria_label=says)
    return element(
        "div",
        element("div", title_of(row), class_="name"),
        element("div", svg, class_="track"),
        element("div", spread_plain(spread), class_="amount"),
        class_="row",
    )
