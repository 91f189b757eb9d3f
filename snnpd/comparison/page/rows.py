"""The rows of a summary as the page shows them: numbered, named apart, with their measures at hand."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, NamedTuple

from snnpd.errors import UsageError, unknown

Part = Mapping[str, Any]

SCHEMA = "snnpd.comparison/1"
FAMILIES = ("ann", "quantised", "ann control", "snn", "snn control", "converted", "inherited")
STATUSES = ("done", "partial", "failed", "missing")


class Spread(NamedTuple):
    """A measure over the seeds of a row; `std` is None where there is one seed."""

    mean: float
    std: float | None
    values: Sequence[float]


@dataclass(frozen=True)
class Row:
    """One row of the grid; its number and its name are the same all over the page."""

    number: int
    name: str
    data: Part

    @property
    def family(self) -> str:
        """What kind of network it is."""
        return str(self.data["family"])

    def spread(self, measure: str) -> Spread | None:
        """A measure of the row; None where it has none, or where its mean is no finite number."""
        found = self.data["measures"].get(measure)
        if found is None or found["mean"] is None or not isfinite(found["mean"]):
            return None
        return Spread(found["mean"], found["std"], [v for v in found["values"] if isfinite(v)])

    def mean(self, measure: str) -> float | None:
        """The mean of a measure over the seeds; None where the row has none."""
        spread = self.spread(measure)
        return None if spread is None else spread.mean

    def remark(self, seeds: Sequence[int]) -> str:
        """Why the row is not complete, in words; nothing where all seeds are done."""
        status, reasons = self.data["status"], "; ".join(_gathered(self.data["reasons"]))
        if status == "done":
            return ""
        if status == "missing":
            text = "not run yet"
        elif status == "failed":
            text = "failed"
        else:
            done = ", ".join(str(seed) for seed in self.data["seeds"])
            text = f"partial: seeds {done} of {', '.join(map(str, seeds))}"
        return f"{text}: {reasons}" if reasons else text


def rows_of(summary: Part) -> list[Row]:
    """All rows of a summary in its order, numbered from 1.

    Raises:
        UsageError: a summary of another schema, or a row of a family or a status that nobody knows.
    """
    if summary.get("schema") != SCHEMA:
        raise UsageError(
            f"a summary of schema {summary.get('schema')!r}, not {SCHEMA!r}; make the comparison again"
        )
    for data in summary["rows"]:
        for word, known in (("family", FAMILIES), ("status", STATUSES)):
            if data[word] not in known:
                raise unknown(word, data[word], known)
    names = [str(data["label"]) for data in summary["rows"]]
    shared = Counter(names)
    return [
        Row(number, name if shared[name] == 1 else f"{name} ({data['key']})", data)
        for number, (name, data) in enumerate(zip(names, summary["rows"], strict=True), 1)
    ]


def front(points: Iterable[tuple[float, float, Row]]) -> list[tuple[float, float, Row]]:
    """Points (cost, gain, row) that no other beats in both, by rising cost."""
    best: list[tuple[float, float, Row]] = []
    for point in sorted(points, key=lambda p: (p[0], -p[1], p[2].number)):
        if not best or point[1] > best[-1][1]:
            best.append(point)
    return best


def _gathered(reasons: Sequence[str]) -> list[str]:
    """Reasons that several seeds share are told once."""
    seeds: dict[str, list[str]] = {}
    for reason in reasons:
        found = re.fullmatch(r"seed (\d+): (.*)", reason, re.DOTALL)
        seed, text = found.groups() if found else ("", reason)
        seeds.setdefault(text, []).append(seed)
    return [_told(text, [number for number in numbers if number]) for text, numbers in seeds.items()]


def _told(reason: str, seeds: Sequence[str]) -> str:
    if not seeds:
        return reason
    return f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(seeds)}: {reason}"
