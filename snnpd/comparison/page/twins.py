"""Energy layer by layer of two rows side by side: panels of all rows, of which the script shows two on one scale."""

from collections.abc import Sequence

from snnpd.comparison.page.axes import title_of
from snnpd.comparison.page.markers import look
from snnpd.comparison.page.rows import Part, Row
from snnpd.energy.page.formats import format_energy
from snnpd.energy.page.markup import Html, breakable, element, join

_SIDES = ("left", "right")


def twins(rows: Sequence[Row], summary: Part) -> Html:
    """Two choosers of a row, two places to show them, and the panels of all rows that have energies by layer."""
    models = [model["name"] for model in summary["cost_models"]]
    layered = [row for row in rows if row.data["layers"]]
    if not layered or not models:
        return element("p", "No row has an energy by layer.", class_="none")
    chosen = _default(layered, summary["reference"])
    sides = [
        element(
            "div",
            _chooser(side, layered, row),
            element("div", class_="twin", data_side=side),
            class_="side",
        )
        for side, row in zip(_SIDES, chosen, strict=True)
    ]
    panels = [_panel(row, models) for row in layered]
    return join([element("div", *sides, class_="panels"), element("template", *panels, id="layers")])


def _default(layered: Sequence[Row], reference: str | None) -> tuple[Row, Row]:
    first = next((row for row in layered if row.data["key"] == reference), layered[0])
    others = [row for row in layered if row is not first] or [first]
    spiking = [row for row in others if row.family == "snn"] or others
    return first, max(spiking, key=lambda row: (row.mean("accuracy") or 0.0, -row.number))


def _chooser(side: str, rows: Sequence[Row], chosen: Row) -> Html:
    options = [
        element(
            "option", f"{row.number} {row.name}", value=row.number, selected="" if row is chosen else None
        )
        for row in rows
    ]
    return element("select", *options, aria_label=f"Row on the {side}", data_side=side)


def _panel(row: Row, models: Sequence[str]) -> Html:
    lines = []
    for layer in row.data["layers"]:
        energies = [layer["energy_pj"].get(model) for model in models]
        svg = element("svg", element("rect", height="100%", class_=look(row.family)))
        lines.append(
            element(
                "div",
                element("div", element("span", breakable(layer["name"])), class_="name"),
                element("div", svg, class_="track"),
                element("div", class_="amount"),
                class_="row",
                data_energy=" ".join(f"{energy or 0.0:.9g}" for energy in energies),
                data_shown="|".join("–" if energy is None else format_energy(energy) for energy in energies),
            )
        )
    sums = [sum(layer["energy_pj"].get(model) or 0.0 for layer in row.data["layers"]) for model in models]
    together = element(
        "p", class_="together", data_shown="|".join(f"{format_energy(s)} together" for s in sums)
    )
    return element(
        "div", element("h3", title_of(row)), together, *lines, class_="plain", data_number=row.number
    )
