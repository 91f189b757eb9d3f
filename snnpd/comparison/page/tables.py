"""The table of all results: a line a row of the grid, a column a measure, sorted as the reader likes."""

from collections.abc import Sequence

from snnpd.comparison.page.formats import per_cent
from snnpd.comparison.page.markers import meaning, swatch
from snnpd.comparison.page.measures import Measure, measures_of
from snnpd.comparison.page.rows import Part, Row
from snnpd.energy.page.markup import Html, element, join

_NOTHING = "–"


def results(rows: Sequence[Row], summary: Part) -> Html:
    """All rows with all their measures; those that are not complete say so under their names."""
    measures = measures_of(summary)
    heads = [
        _head(
            "row",
            "number",
            "Number and name; sorting by it restores the order of the grid.",
            order="ascending",
        ),
        _head("family", "text", "What kind of network it is."),
        _head("T", "number", "Time steps."),
        *(_head(m.title, "number", m.meaning, m.cost) for m in measures),
    ]
    body = [_line(row, measures, summary["seeds"]) for row in rows]
    table = element(
        "table",
        element("thead", element("tr", *heads)),
        element("tbody", *body),
        class_="wide",
        aria_labelledby="caption-results",
    )
    caption = element(
        "p",
        "Mean ± standard deviation over the seeds. A head sorts by its column, and turned round when used again; "
        "what it stands for is told under ",
        element("a", "the notes", href="#notes", class_="link"),
        ".",
        id="caption-results",
        class_="caption",
    )
    box = element("div", table, class_="scroll", tabindex=0, role="group", aria_labelledby="caption-results")
    return join([caption, box])


def _head(title: str, sort: str, meaning: str, cost: int | None = None, order: str | None = None) -> Html:
    button = element("button", title, type="button", title=meaning)
    return element("th", button, scope="col", data_sort=sort, data_cost=cost, aria_sort=order)


def _line(row: Row, measures: Sequence[Measure], seeds: Sequence[int]) -> Html:
    name = [element("span", f"{row.number}", class_="id"), " ", row.name]
    if remark := row.remark(seeds):
        name.append(element("span", remark, class_="remark"))
    cells = [
        element("th", *name, scope="row", data_value=row.number),
        element("td", swatch(row.family), " ", meaning(row.family), data_value=meaning(row.family)),
        element("td", f"{row.data['time_steps']}", data_value=row.data["time_steps"], class_="number"),
        *(_cell(row, measure) for measure in measures),
    ]
    return element("tr", *cells)


def _cell(row: Row, measure: Measure) -> Html:
    spread = row.spread(measure.name)
    if spread is None:
        shown: list[str] = [_without(row, measure)]
    else:
        shown = [measure.write(spread)]
        interval = row.data.get("accuracy_interval")
        if measure.name == "accuracy" and interval:
            low, high = interval
            shown.append(element("span", f" [{100 * low:.1f}, {per_cent(high)}]", class_="interval"))
    value = None if spread is None else spread.mean
    look = "number" if value else "number nil"
    return element("td", *shown, data_value=value, data_cost=measure.cost, class_=look)


def _without(row: Row, measure: Measure) -> str:
    if measure.name in row.data["measures"]:
        return "not finite"
    if measure.name == "accuracy":
        return {"failed": "failed", "missing": "not run"}.get(row.data["status"], _NOTHING)
    return _NOTHING
