"""The page: its head, the sections in their order, filled into the template."""

from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from string import Template
from typing import Any

from snnpd.comparison.page.curves import robustness
from snnpd.comparison.page.formats import duration
from snnpd.comparison.page.maps import attention_maps
from snnpd.comparison.page.notes import notes
from snnpd.comparison.page.pairs import comparisons
from snnpd.comparison.page.redundancy import redundancy
from snnpd.comparison.page.rows import STATUSES, Part, Row, rows_of
from snnpd.comparison.page.scatter import scatter
from snnpd.comparison.page.tables import results
from snnpd.comparison.page.twins import twins
from snnpd.energy.page.formats import format_count
from snnpd.energy.page.markup import Html, element, join
from snnpd.energy.page.page import FOLDER as BASE

FOLDER = Path(__file__).parent


def render(summary: Part) -> str:
    """One self-contained HTML page of a comparison: no network, no other file, the same text for the same summary.

    Raises:
        UsageError: a summary of another schema, or one with a family, a status or a verdict that nobody knows.
    """
    rows = rows_of(summary)
    script = _read("page.js")
    costs = range(len(summary["cost_models"]))
    parts: dict[str, Any] = {
        "title": element("title", f"Comparison {summary['name']}"),
        "style": Html(_read("page.css")),
        "script": Html(script),
        "script_hash": b64encode(sha256(script.encode()).digest()).decode(),
        "name": element("h1", summary["name"]),
        "setting": _setting(rows, summary),
        "budget": element("ul", *(element("li", sentence) for sentence in summary["budget"]), class_="words"),
        "chooser": _chooser(summary),
        "reading": _reading(summary["reading"]),
        "scatter": join(scatter(rows, summary, cost) for cost in costs) or _none("No energy was measured."),
        "results": results(rows, summary),
        "pairs": comparisons(rows, summary),
        "twins": twins(rows, summary),
        "maps": attention_maps(rows, summary["maps"]),
        "redundancy": redundancy(rows),
        "robustness": robustness(rows, summary["reference"]),
        "notes": notes(rows, summary),
        "made": join([f"snnpd {summary['snnpd_version']}, schema {summary['schema']}"]),
    }
    return Template((FOLDER / "page.html").read_text(encoding="utf-8")).substitute(parts)


def _read(name: str) -> str:
    """The file of the energy page, whose looks and sorting this page shares, and what is added to it here."""
    return "\n".join((folder / name).read_text(encoding="utf-8") for folder in (BASE, FOLDER))


def _none(text: str) -> Html:
    return element("p", text, class_="none")


def _setting(rows: Sequence[Row], summary: Part) -> Html:
    data = summary["data"]
    samples = [format_count(data[f"num_{part}"]) for part in ("train", "val", "test")]
    statuses = Counter(row.data["status"] for row in rows)
    seconds = summary["seconds"]
    words = {
        "data": data["name"],
        "samples to train, validate, test": " / ".join(samples),
        "classes": format_count(data["num_classes"]),
        "seeds": ", ".join(str(seed) for seed in summary["seeds"]),
        "rows": ", ".join(f"{statuses[status]} {status}" for status in STATUSES if statuses[status])
        or "none",
    }
    if seconds:
        words["taken"] = f"{duration(seconds['total'])} in {_jobs(seconds['jobs'])}"
    pairs = [element("div", element("dt", term), element("dd", text)) for term, text in words.items()]
    pairs.append(element("div", element("dt", "made by"), element("dd", element("code", summary["command"]))))
    return element("dl", *pairs, class_="setting")


def _jobs(num: int) -> str:
    return "1 process" if num == 1 else f"{num} processes"


def _chooser(summary: Part) -> Html:
    if not summary["cost_models"]:
        return join([])
    buttons = [
        element(
            "button",
            model["name"],
            type="button",
            data_choose=cost,
            aria_pressed="false" if cost else "true",
        )
        for cost, model in enumerate(summary["cost_models"])
    ]
    label = element("span", "Priced by")
    return element("div", label, *buttons, class_="chooser", role="group", aria_label="Cost model")


def _reading(sentences: Sequence[str]) -> Html:
    if not sentences:
        return _none("Nothing can be said yet.")
    return element("ul", *(element("li", sentence) for sentence in sentences), class_="words reading")
