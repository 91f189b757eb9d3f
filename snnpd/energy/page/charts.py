"""Bar charts: text in HTML, marks in SVG with lengths in per cent, so that they fit any width."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from snnpd.energy.page.figures import MEMORY, ROLES, Part, energy_by_role_pj
from snnpd.energy.page.formats import (
    format_energy,
    format_exact,
    format_ratio,
    format_share,
    format_spread,
    format_tick,
    ticks,
)
from snnpd.energy.page.markup import Html, element, join
from snnpd.energy.page.notes import Notes


class Mark(NamedTuple):
    """One piece of a bar: how long, in which colour, what it says and the notes that it opens."""

    value: float
    colour: str
    says: str
    why: str


class Bar(NamedTuple):
    """A row of a chart: its name, its marks end to end, its number; `spread` is drawn as a whisker about the end."""

    name: str
    marks: Sequence[Mark]
    number: Html
    spread: float = 0.0


def energy_chart(report: Part, cost: int, notes: Notes) -> Html:
    """Energy of each layer under one cost model, stacked by role."""
    model = report["cost_models"][cost]
    energies = [energy_by_role_pj(layer, model) for layer in report["layers"]]
    bars = [
        _energy_bar(layer, i, energy, cost, notes)
        for i, (layer, energy) in enumerate(zip(report["layers"], energies, strict=True))
    ]
    axis = ticks(max((sum(energy.values()) for energy in energies), default=0.0))
    caption = f"Energy per sample of each layer, by what it is spent on; priced by {model['name']}."
    legend = _legend(energies, cost, notes)
    return _figure(caption, bars, axis, [format_tick(tick) for tick in axis], legend, cost)


def firing_chart(report: Part, notes: Notes) -> Html:
    """Firing rate of each layer that has one."""
    bars = []
    for layer in report["layers"]:
        rate = layer["firing_rate"]
        if rate is not None:
            says = f"{layer['name']}: {rate:.3f} events per element and step"
            name = f"firing rate of {layer['name']}"
            number = notes.link(f"{rate:.3f}", name, "rate", exact=format_exact(rate))
            bars.append(Bar(layer["name"], [Mark(rate, "neuron", says, notes.ids("rate"))], number))
    if not bars:
        return element("p", "No layer of this network fires.", class_="none")
    axis = ticks(max(bar.marks[0].value for bar in bars))
    caption = "Share of outputs that are not zero, over samples and time steps."
    return _figure(caption, bars, axis, [f"{tick:.10g}" for tick in axis])


def comparison(report: Part, cost: int, notes: Notes) -> Html:
    """The network beside its baselines under one cost model, on a scale of their own."""
    model = report["cost_models"][cost]
    total = report["totals"]["energy_pj"][model["name"]]
    others = [
        (f"baseline:{i}", baseline["name"], baseline["energy_pj"][model["name"]])
        for i, baseline in enumerate(report["baselines"])
    ]
    bars = [_total_bar("this network", total, f"cost:{cost} spread", "network", notes)]
    bars += [
        _total_bar(
            name,
            {"mean": energy, "std": 0.0},
            f"cost:{cost} {why} baseline",
            "baseline",
            notes,
            total["mean"],
        )
        for why, name, energy in others
    ]
    peak = max(total["mean"] + total["std"], *(energy for *_, energy in others), 0.0)
    rows = [_row(bar, peak, element("span", bar.name)) for bar in bars]
    return element("div", element("h3", model["name"]), *rows, class_="panel", data_panel=cost)


def _energy_bar(layer: Part, index: int, energy: dict[str, float], cost: int, notes: Notes) -> Bar:
    marks = [
        Mark(
            part,
            role,
            f"{layer['name']}, {role}: {format_energy(part)}",
            notes.ids(f"role:{role}", f"layer:{index}", f"cost:{cost}"),
        )
        for role, part in energy.items()
    ]
    spent = sum(energy.values())
    why = [*(f"role:{role}" for role in energy), f"layer:{index}", f"cost:{cost}"]
    number = notes.link(
        format_energy(spent), f"energy of {layer['name']}", *why, exact=f"{format_exact(spent)} pJ"
    )
    return Bar(layer["name"], marks, number)


def _total_bar(
    name: str, energy: Part, why: str, colour: str, notes: Notes, against: float | None = None
) -> Bar:
    mean, std, unit = format_spread(energy["mean"], energy["std"])
    text = f"{mean} ± {std} {unit}" if energy["std"] else f"{mean} {unit}"
    ratio = format_ratio(energy["mean"] / against) if against else ""
    exact = f"{format_exact(energy['mean'])} pJ"
    exact += f", standard deviation {format_exact(energy['std'])} pJ" if energy["std"] else ""
    number = notes.link(
        join([text, element("span", ratio, class_="ratio")]),
        f"energy per sample of {name}",
        *why.split(),
        exact=f"{exact}, {ratio} this network" if ratio else exact,
    )
    mark = Mark(energy["mean"], colour, f"{name}: {text}", notes.ids(*why.split()))
    return Bar(name, [mark], number, energy["std"])


def _name(path: str) -> Html:
    parent, dot, leaf = path.rpartition(".")
    return join([element("span", parent + dot, class_="path"), element("span", leaf, class_="leaf")])


def _group(path: str) -> str:
    """The part of a network that a layer is in: `blocks.0.before` is in `blocks.0`, `stem.convs.0` in `stem`."""
    first, _, rest = path.partition(".")
    second = rest.partition(".")[0]
    return f"{first}.{second}" if second.isdecimal() else first


def _legend(energies: Sequence[dict[str, float]], cost: int, notes: Notes) -> Html:
    sums = {role: sum(energy.get(role, 0.0) for energy in energies) for role in (*ROLES, MEMORY)}
    total = sum(sums.values())
    items = [
        element(
            "li",
            element("span", class_=f"swatch {role}"),
            f"{role} ",
            notes.link(
                format_share(spent / total),
                f"share of {role} in the energy",
                f"role:{role}",
                f"cost:{cost}",
                exact=f"{format_exact(spent)} of {format_exact(total)} pJ",
            ),
        )
        for role, spent in sums.items()
        if spent
    ]
    return element("ul", *items, class_="legend")


def _figure(
    caption: str,
    bars: Sequence[Bar],
    axis: Sequence[float],
    labels: Sequence[str],
    legend: str = "",
    cost: int | None = None,
) -> Html:
    peak = axis[-1]
    scale = element(
        "div",
        *(
            element("span", label, style=f"left:{100 * tick / peak:.3f}%")
            for tick, label in zip(axis, labels, strict=True)
        ),
        class_="scale",
        aria_hidden="true",
    )
    axis_row = element("div", element("span"), scale, element("span"), class_="row axis")
    return element(
        "figure",
        element("figcaption", caption),
        legend,
        axis_row,
        *_rows(bars, peak),
        style=f"--step:{100 / (len(axis) - 1):.3f}%",
        class_="chart",
        data_cost=cost,
    )


def _rows(bars: Sequence[Bar], peak: float) -> Iterator[Html]:
    groups = ["", *(_group(bar.name) for bar in bars)]
    for bar, (before, here) in zip(bars, pairwise(groups), strict=True):
        yield _row(bar, peak, _name(bar.name), "row" if here == before else "row first")


def _row(bar: Bar, peak: float, name: Html, look: str = "row") -> Html:
    left, rects = 0.0, []
    for mark in bar.marks:
        place = {"x": _per_cent(left, peak), "width": _per_cent(mark.value, peak), "height": "100%"}
        rects.append(
            element("rect", element("title", mark.says), **place, class_=mark.colour, data_why=mark.why)
        )
        left += mark.value
    if bar.spread:
        ends = {"x1": _per_cent(max(left - bar.spread, 0.0), peak), "x2": _per_cent(left + bar.spread, peak)}
        rects.append(element("line", **ends, y1="50%", y2="50%", class_="whisker"))
    says = "; ".join(mark.says for mark in bar.marks) or "nothing"
    svg = element("svg", *rects, role="img", aria_label=says)
    return element(
        "div",
        element("div", name, class_="name"),
        element("div", svg, class_="track"),
        element("div", bar.number, class_="amount"),
        class_=look,
    )


def _per_cent(value: float, peak: float) -> str:
    return f"{100 * value / peak if peak else 0:.3f}%"
