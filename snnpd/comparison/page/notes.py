"""What the numbers rest on: cost models, definitions of the measures, statistics, and what was not measured."""

from collections.abc import Sequence

from snnpd.comparison.page.measures import measures_of
from snnpd.comparison.page.rows import Part, Row
from snnpd.energy.page.markup import Html, element, join

_STATISTICS = (
    "Intervals hold 95 % of a bootstrap over seeds and test samples; those of differences draw the same samples for "
    "both rows.",
    "p is that of a paired sign-flip test over the test samples, two-sided; that over seeds is of a paired t test. "
    "Holm's is the larger of both, corrected for all pairs of the same question and measure.",
    "No difference shown means that the tests do not tell the two apart; it does not mean that they are equal.",
    "The number before a name stands for the same row all over this page.",
)


def notes(rows: Sequence[Row], summary: Part) -> Html:
    """All notes, each under its title."""
    models = [
        _note(model["name"], element("p", model["source"], class_="source"), _listed(model["assumptions"]))
        for model in summary["cost_models"]
    ]
    return join(
        [
            _note("Statistics", _listed(_STATISTICS)),
            _definitions(summary),
            *models,
            _note("What was not measured", _gaps(rows, summary)),
        ]
    )


def _note(title: str, *body: str) -> Html:
    return element("div", element("h3", title), *body, class_="note")


def _listed(sentences: Sequence[str]) -> Html:
    return element("ul", *(element("li", sentence) for sentence in sentences))


def _definitions(summary: Part) -> Html:
    meanings = {measure.title: measure.meaning for measure in measures_of(summary) if not measure.cost}
    if summary["cost_models"]:
        meanings["energy"] = "Energy of one test sample, priced by the chosen cost model."
    terms = [part for title, text in meanings.items() for part in (element("dt", title), element("dd", text))]
    return _note("Measures", element("dl", *terms, class_="meanings"))


def _gaps(rows: Sequence[Row], summary: Part) -> Html:
    trained = [row for row in rows if row.data["status"] in ("done", "partial")]
    wanted = {
        (measure.title if measure.cost is None else f"energy by {measure.name.partition('.')[2]}"): [
            row for row in trained if row.spread(measure.name) is None
        ]
        for measure in measures_of(summary)
    }
    wanted["curve under noise"] = [row for row in trained if "noise" not in row.data.get("curves", {})]
    wanted["curve over time steps"] = [row for row in trained if "steps" not in row.data.get("curves", {})]
    wanted["energy by layer"] = [row for row in trained if not row.data["layers"]]
    wanted["attention maps"] = [
        row for row in trained if row.data["key"] not in summary["maps"].get("rows", {})
    ]
    items = [_gap(title, lacking, len(trained)) for title, lacking in wanted.items() if lacking]
    return _listed(items) if items else element("p", "Every row that was trained has every measure.")


def _gap(title: str, lacking: Sequence[Row], num: int) -> str:
    if len(lacking) == num:
        return f"{title}: for no row"
    return f"{title}: not for rows {', '.join(str(row.number) for row in lacking)}"
