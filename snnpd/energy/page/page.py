"""The page: its head line, the chooser of a cost model, charts, tables and assumptions, filled into the template."""

from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from string import Template
from typing import Any

from snnpd.energy.page.charts import comparison, energy_chart, firing_chart
from snnpd.energy.page.figures import Part, check_schema, width
from snnpd.energy.page.formats import format_count, format_exact, format_spread
from snnpd.energy.page.markup import Html, element, join
from snnpd.energy.page.notes import Notes, notes_of
from snnpd.energy.page.tables import layer_table, operation_table, unpriced_table, word_table
from snnpd.errors import UsageError

FOLDER = Path(__file__).parent


def render(report: Part) -> str:
    """One self-contained HTML page of a report: no network, no other file, the same text for the same report.

    Raises:
        UsageError: a report of another schema, without a cost model, or one whose numbers lack a price or a rule.
    """
    check_schema(report)
    if not report["cost_models"]:
        raise UsageError("a report without a cost model; name at least one, such as horowitz45")
    notes = notes_of(report)
    script = _read("page.js")
    costs = range(len(report["cost_models"]))
    parts: dict[str, Any] = {
        "title": element("title", f"Energy of {report['model']}"),
        "style": Html(_read("page.css")),
        "script": Html(script),
        "script_hash": b64encode(sha256(script.encode()).digest()).decode(),
        "model": element("h1", report["model"]),
        "setting": _setting(report, notes),
        "headline": join(_headline(report, cost, notes) for cost in costs),
        "chooser": join(_choice(model["name"], cost) for cost, model in enumerate(report["cost_models"])),
        "comparison": join(comparison(report, cost, notes) for cost in costs),
        "energy": join(energy_chart(report, cost, notes) for cost in costs),
        "firing": firing_chart(report, notes),
        "layers": layer_table(report, notes),
        "operations": operation_table(report, notes),
        "words": word_table(report, notes),
        "unpriced": unpriced_table(report, notes),
        "notes": notes.listed(),
        "made": join([f"snnpd {report['snnpd_version']}, schema {report['schema']}"]),
    }
    return Template(_read("page.html")).substitute(parts)


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _choice(name: str, cost: int) -> Html:
    pressed = "false" if cost else "true"
    return element("button", name, type="button", data_choose=cost, aria_pressed=pressed)


def _setting(report: Part, notes: Notes) -> Html:
    words = width({"bits": report["word"]["bits"], "is_float": report["word"]["is_float"]})
    numbers = {
        "samples": format_count(report["num_samples"]),
        "time steps": format_count(report["time_steps"]),
        "parameters": format_count(report["num_parameters"]),
        "analog words": words,
    }
    pairs = [element("div", element("dt", "data"), element("dd", report["data"]))]
    pairs += [
        element("div", element("dt", term), element("dd", notes.link(text, term, "setting")))
        for term, text in numbers.items()
    ]
    return element("dl", *pairs, class_="setting")


def _headline(report: Part, cost: int, notes: Notes) -> Html:
    model = report["cost_models"][cost]
    energy = report["totals"]["energy_pj"][model["name"]]
    mean, std, unit = format_spread(energy["mean"], energy["std"])
    exact = f"{format_exact(energy['mean'])} pJ, standard deviation {format_exact(energy['std'])} pJ"
    number = notes.link(
        join([mean, element("small", f" ± {std} {unit}")]),
        "energy per sample",
        f"cost:{cost}",
        "price",
        "spread",
        exact=exact,
    )
    under = element("p", f"per sample, mean and standard deviation, priced by {model['name']}")
    return element("div", element("p", number, class_="total"), under, _missing(report), data_cost=cost)


def _missing(report: Part) -> Html:
    if not report["unpriced"]:
        return join([])
    num = len(report["unpriced"])
    text = "1 function has no price and is not" if num == 1 else f"{num} functions have no price and are not"
    return element("p", element("a", f"{text} in this figure", href="#unpriced"), class_="missing")
