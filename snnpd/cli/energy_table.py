"""The report as a terminal shows it."""

from collections import Counter
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from snnpd.energy import EnergyReport

SHOWN = ("mac", "ac", "shift")
MAX_ROWS = 24
UNITS = (("mJ", 1e9), ("µJ", 1e6), ("nJ", 1e3), ("pJ", 1.0))


def print_energy(report: EnergyReport) -> None:
    """The parts of the network, then totals under every cost model beside the same network as an ANN."""
    tree = report.to_dict()
    console = Console(emoji=False)
    console.print(_parts(report, tree))
    console.print(_totals(tree))
    functions: Counter[str] = Counter()
    for row in tree["unpriced"]:
        functions[row["function"]] += row["elements"]
    if functions:
        words = ", ".join(f"{name} {_count(elements)}" for name, elements in functions.items())
        console.print(f"without a price, elements of one inference: {words}", soft_wrap=True)


def _parts(report: EnergyReport, tree: dict[str, Any]) -> Table:
    """Layers that share the beginning of their names, as many parts as fit a screen."""
    first = tree["cost_models"][0]["name"]
    table = Table(
        title=f"{escape(tree['model'])} on {escape(tree['data'])}\none inference of T = {tree['time_steps']}, mean of "
        f"{tree['num_samples']:,} samples",
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("part", overflow="fold", min_width=20)
    for name in ("rate", *SHOWN, "other", "skipped", first):
        table.add_column(name, justify="right", no_wrap=True)
    for name, layers in grouped(tree["layers"]).items():
        counts = [sum(_sum(layer, kind) for layer in layers) for kind in SHOWN]
        done, skipped = (
            sum(row[key] for layer in layers for row in layer["operations"]) for key in ("done", "skipped")
        )
        table.add_row(
            escape(name),
            _rate(report, layers),
            *(_count(number) for number in counts),
            _count(done - sum(counts)),
            f"{skipped / (done + skipped):.0%}" if skipped else "",
            energy(sum(layer["energy_pj"][first] for layer in layers)),
        )
    return table


def grouped(layers: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Layers by the first parts of their names, at the greatest depth that a screen has room for."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for depth in range(1, 9):
        deeper: dict[str, list[dict[str, Any]]] = {}
        for layer in layers:
            deeper.setdefault(".".join(layer["name"].split(".")[:depth]), []).append(layer)
        if groups and len(deeper) > MAX_ROWS:
            break
        groups = deeper
    return groups


def _rate(report: EnergyReport, layers: list[dict[str, Any]]) -> str:
    names = [layer["name"] for layer in layers]
    rates = [rate for name, rate in report.tables.rates.items() if name in names]
    elements = sum(rate.elements for rate in rates)
    return f"{sum(rate.spiking for rate in rates) / elements:.3f}" if elements else ""


def _totals(tree: dict[str, Any]) -> Table:
    table = Table(
        title="energy of one inference (assumptions: --html)",
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("cost model")
    table.add_column("this network", justify="right")
    for baseline in tree["baselines"]:
        table.add_column(f"as {baseline['name']}", justify="right")
    for cost, value in tree["totals"]["energy_pj"].items():
        table.add_row(
            cost,
            f"{energy(value['mean'])} ± {energy(value['std'])}",
            *(energy(baseline["energy_pj"][cost]) for baseline in tree["baselines"]),
        )
    return table


def energy(energy_pj: float) -> str:
    """An energy with a unit that suits it."""
    unit, size = next(((unit, size) for unit, size in UNITS if abs(energy_pj) >= size), UNITS[-1])
    return f"{energy_pj / size:.3g} {unit}" if energy_pj < 1000 * size else f"{energy_pj / size:,.0f} {unit}"


def _sum(layer: dict[str, Any], kind: str) -> float:
    return sum(row["done"] for row in layer["operations"] if row["kind"] == kind)


def _count(number: float) -> str:
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.3g}" if number else ""
