"""Paired comparisons: the differences with their intervals about zero, what the tests say, and the verdicts."""

from collections.abc import Iterator, Mapping, Sequence

from snnpd.comparison.page.axes import Axis, axis_row, chart, linear_axis
from snnpd.comparison.page.formats import p_value, signed
from snnpd.comparison.page.rows import Part, Row
from snnpd.energy.page.markup import Html, element, join
from snnpd.errors import unknown

_SIGNS = {"higher": "▲", "lower": "▼", "no difference shown": "○"}
_UNITS = {
    "accuracy": (100, 2, "Accuracy", "percentage points"),
    "head_distance": (1, 3, "Head distance", "relative"),
}


def comparisons(rows: Sequence[Row], summary: Part) -> Html:
    """A heading a question, and under it a forest plot a measure.

    Raises:
        UsageError: a verdict that nobody knows.
    """
    titles = {row.data["key"]: f"{row.number} {row.name}" for row in rows}
    asked = [*summary["questions"], *(pair["question"] for pair in summary["pairs"])]
    parts = []
    for question in dict.fromkeys(asked):
        pairs = [pair for pair in summary["pairs"] if pair["question"] == question]
        parts.append(element("h3", summary["questions"].get(question, question), class_="question"))
        measures = dict.fromkeys(pair["measure"] for pair in pairs)
        parts += [
            _forest(measure, [p for p in pairs if p["measure"] == measure], titles) for measure in measures
        ]
        if not pairs:
            parts.append(element("p", "No two rows of this comparison answer it.", class_="none"))
    return join(parts) if parts else element("p", "Nothing was compared in pairs.", class_="none")


def _forest(measure: str, pairs: Sequence[Part], titles: Mapping[str, str]) -> Html:
    factor, digits, name, unit = _UNITS.get(measure, (1, 3, measure, "as measured"))
    ends = [end * factor for pair in pairs for end in (*pair["interval"], pair["difference"])]
    axis = linear_axis([0.0, *ends], 6)
    caption = f"{name}: the first less the second, {unit}, with 95\N{NO-BREAK SPACE}% intervals."
    lines = [_line(pair, axis, titles, factor, digits) for pair in pairs]
    return chart(
        caption, axis, axis_row(axis, lambda tick: signed(tick, _decimals(axis))), *lines, look="forest"
    )


def _line(pair: Part, axis: Axis, titles: Mapping[str, str], factor: float, digits: int) -> Html:
    first, second = (titles.get(pair[side], pair[side]) for side in ("first", "second"))
    difference = signed(pair["difference"] * factor, digits)
    low, high = (signed(end * factor, digits) for end in pair["interval"])
    says = f"{first} less {second}: {difference}, from {low} to {high}"
    svg = element("svg", *_drawing(pair, axis, factor, says), role="img", aria_label=says)
    numbers = [
        element("span", element("b", difference), f" [{low}, {high}]"),
        element("span", _tests(pair), class_="tests"),
        element("span", _verdict(pair["verdict"]), class_="verdict"),
    ]
    return element(
        "div",
        element(
            "div", element("span", first, element("span", " less ", class_="path"), second), class_="name"
        ),
        element("div", svg, class_="track"),
        element("div", *numbers, class_="amount"),
        class_="row pair",
    )


def _drawing(pair: Part, axis: Axis, factor: float, says: str) -> Iterator[Html]:
    low, high = (axis.place(end * factor) for end in pair["interval"])
    zero, middle = axis.place(0.0), axis.place(pair["difference"] * factor)
    yield element("title", says)
    yield element("line", x1=zero, x2=zero, y1="-80%", y2="180%", class_="zero")
    yield element("line", x1=low, x2=high, y1="50%", y2="50%", class_="whisker")
    hollow = " hollow" if pair["verdict"] == "no difference shown" else ""
    yield element("circle", cx=middle, cy="50%", r=4.5, class_=f"mark difference{hollow}")


def _tests(pair: Part) -> str:
    seeds = pair["p_seeds"]
    over_seeds = "" if seeds is None else f", over seeds {p_value(seeds)}"
    return f"p {p_value(pair['p'])}{over_seeds}; Holm {p_value(pair['p_holm'])}"


def _verdict(verdict: str) -> str:
    if verdict not in _SIGNS:
        raise unknown("verdict", verdict, tuple(_SIGNS))
    return f"{_SIGNS[verdict]} {verdict}"


def _decimals(axis: Axis) -> int:
    step = axis.ticks[1] - axis.ticks[0]
    return next((digits for digits in range(6) if abs(step - round(step, digits)) < 1e-9), 6)
