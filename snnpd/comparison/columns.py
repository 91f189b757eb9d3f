"""The columns of a comparison's table, and what stands above and below them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from snnpd.errors import UsageError, unknown

Summary = Mapping[str, Any]
Row = Mapping[str, Any]

NOTHING = "–"
UNITS = (("mJ", 1e9), ("µJ", 1e6), ("nJ", 1e3), ("pJ", 1.0))


@dataclass(frozen=True)
class Scale:
    """How energies are shown: under which cost model, in which unit, and beside which."""

    cost: str
    unit: str
    size_pj: float
    reference_pj: float | None


@dataclass(frozen=True)
class Column:
    """A column: its head, its cell for a row, and how early it goes where a screen is too narrow (0: it stays)."""

    head: str
    cell: Callable[[Row, Scale], str]
    dropped: int


def caption(summary: Summary, scale: Scale) -> str:
    """What the table shows and in which units."""
    data = summary["data"]
    text = f"{summary['name']}: {data['name']}, {data['num_test']:,} test samples, {len(summary['seeds'])} seeds; "
    text += f"mean ± standard deviation over seeds; energy of one inference under {scale.cost}"
    if scale.reference_pj is None:
        return text
    return f"{text}, ratio to {_reference(summary)['label']}"


def _reference(summary: Summary) -> Row:
    return next(row for row in summary["rows"] if row["key"] == summary["reference"])


def scale_of(summary: Summary, cost: str | None = None) -> Scale:
    """How energies are shown under a cost model; None: the first of the summary.

    Raises:
        UsageError: a cost model that the summary has not, or a summary without any.
    """
    names = [model["name"] for model in summary["cost_models"]]
    if not names:
        raise UsageError("a summary without a cost model; keep at least one under `cost_models`")
    if cost is not None and cost not in names:
        raise unknown("cost model", cost, names)
    measure = f"energy_pj.{cost or names[0]}"
    energies = [found for row in summary["rows"] if (found := _mean(row, measure))]
    # The unit that leaves the middle of the table at one or more.
    middle = sorted(energies)[len(energies) // 2] if energies else 1.0
    unit, size_pj = next((unit for unit in UNITS if middle >= unit[1]), UNITS[-1])
    reference_pj = _mean(_reference(summary), measure) if summary["reference"] else None
    return Scale(cost or names[0], unit, size_pj, reference_pj)


def notes(summary: Summary) -> list[str]:
    """What became of the rows that are not whole, one line each."""
    words = {"failed": "failed", "missing": "not trained yet"}
    found = []
    for row in summary["rows"]:
        if row["status"] == "done":
            continue
        seeds = f"{len(row['seeds'])} of {len(summary['seeds'])} seeds"
        why = f" ({'; '.join(reasons_of(row))})" if row["reasons"] else ""
        found.append(f"{row['label']}: {words.get(row['status'], seeds)}{why}")
    return found


def reasons_of(row: Row) -> list[str]:
    """Why seeds of a row failed; those that failed alike are told together.

    Example:
        >>> reasons_of({"reasons": ["seed 0: no memory", "seed 2: no memory"]})
        ['seeds 0, 2: no memory']
    """
    alike: dict[str, list[str]] = {}
    for reason in row["reasons"]:
        seed, _, why = reason.removeprefix("seed ").partition(": ")
        alike.setdefault(why, []).append(seed)
    return [f"{'seeds' if seeds[1:] else 'seed'} {', '.join(seeds)}: {why}" for why, seeds in alike.items()]


def cells_of(summary: Summary, scale: Scale, columns: Sequence[Column]) -> list[list[str]]:
    """The table, one list a row."""
    return [[column.cell(row, scale) for column in columns] for row in summary["rows"]]


def head_of(column: Column, scale: Scale) -> str:
    """The head of a column with its unit."""
    return column.head.format(unit=scale.unit)


def _mean(row: Row, measure: str) -> float | None:
    found = row["measures"].get(measure)
    return None if found is None else float(found["mean"])


def _number(measure: str, form: str, factor: float = 1.0) -> Callable[[Row, Scale], str]:
    def cell(row: Row, scale: Scale) -> str:
        mean = _mean(row, measure)
        return NOTHING if mean is None else format(factor * mean, form)

    return cell


def _accuracy(row: Row, scale: Scale) -> str:
    found = row["measures"].get("accuracy")
    if found is None:
        return str(row["status"])
    spread = "" if found["std"] is None else f" ± {100 * found['std']:.1f}"
    return f"{100 * found['mean']:.1f}{spread}"


def _interval(row: Row, scale: Scale) -> str:
    found = row.get("accuracy_interval")
    return NOTHING if found is None else f"{100 * found[0]:.1f}–{100 * found[1]:.1f}"


def _energy(row: Row, scale: Scale) -> str:
    mean = _mean(row, f"energy_pj.{scale.cost}")
    return NOTHING if mean is None else _digits(mean / scale.size_pj)


def _ratio(row: Row, scale: Scale) -> str:
    mean = _mean(row, f"energy_pj.{scale.cost}")
    return NOTHING if mean is None or not scale.reference_pj else _digits(mean / scale.reference_pj)


def _digits(number: float) -> str:
    """Three digits that mean something, never with an exponent."""
    if number >= 100:
        return f"{number:,.0f}"
    return f"{number:.{3 if number < 1 else 2 if number < 10 else 1}f}"


COLUMNS = (
    Column("method", lambda row, scale: str(row["label"]), 0),
    Column("T", lambda row, scale: str(row["time_steps"]), 0),
    Column("accuracy, %", _accuracy, 0),
    Column("95 % interval", _interval, 1),
    Column("energy, {unit}", _energy, 2),
    Column("ratio", _ratio, 3),
    Column("firing rate", _number("firing_rate", ".3f"), 4),
    Column("ECE, %", _number("ece", ".1f", 100), 6),
    Column("head distance", _number("head_distance", ".2f"), 5),
    Column("parameters", _number("parameters", ",.0f"), 7),
)
