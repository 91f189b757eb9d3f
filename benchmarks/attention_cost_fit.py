"""What follows from measured costs: exponents, the order of growth, and which targets are met. Measures nothing."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]
# Exponents below the first count as linear (N log N fits 1.1 or so), below the second as sub-quadratic: a quadratic
# layer fits less than 2, for its projections are linear.
LINEAR, SUBQUADRATIC = 1.25, 1.5
RATIO = 1.25


@dataclass(frozen=True)
class Growth:
    """How one figure grows with N: the least-squares exponent over the upper half of the sizes, and at the very end."""

    exponent: float
    last: float
    sizes: tuple[int, int]

    @property
    def order(self) -> str:
        """In words."""
        if self.exponent < LINEAR:
            return "linear"
        return "sub-quadratic" if self.exponent < SUBQUADRATIC else "quadratic"


@dataclass(frozen=True)
class Target:
    """What a layer should cost: its figure ("p50_ms" or "peak_memory_mib") and the order that it must not exceed."""

    label: str
    figure: str
    order: str


TARGETS = (
    Target("bsa", "peak_memory_mib", "linear"),
    *(
        Target(label, "p50_ms", "sub-quadratic")
        for label in ("cat", "primal", "spiking_cat", "spiking_primal")
    ),
    *(Target(label, "p50_ms", "linear") for label in ("ssa", "sdsa1", "sdsa3")),
)
_ORDERS = ("linear", "sub-quadratic", "quadratic")


def by_layer(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The measured rows of each layer, smallest size first."""
    layers: dict[str, list[Row]] = {}
    for row in sorted((row for row in rows if "skipped" not in row), key=num_tokens):
        layers.setdefault(row["implementation"], []).append(row)
    return layers


def num_tokens(row: Row) -> int:
    """N."""
    return row["shape"][2]


def growth(rows: Sequence[Row], figure: str) -> Growth | None:
    """The growth of one figure of a layer's rows, smallest size first; None where fewer than three sizes tell it.

    Example:
        >>> squares = [{"shape": [1, 1, n, 8], "p50_ms": n**2} for n in (64, 128, 256, 512, 1024)]
        >>> growth(squares, "p50_ms").order
        'quadratic'
    """
    points = [(num_tokens(row), row[figure]) for row in rows if (row.get(figure) or 0) > 0]
    upper = points[len(points) // 2 :]
    if len(points) < 3:
        return None
    logs = [(math.log(n), math.log(value)) for n, value in upper]
    (before, last), mean_x = logs[-2:], sum(x for x, _ in logs) / len(logs)
    mean_y = sum(y for _, y in logs) / len(logs)
    exponent = sum((x - mean_x) * (y - mean_y) for x, y in logs) / sum((x - mean_x) ** 2 for x, _ in logs)
    return Growth(exponent, (last[1] - before[1]) / (last[0] - before[0]), (upper[0][0], upper[-1][0]))


def is_met(target: Target, found: Growth) -> bool:
    """Whether the growth is of the order asked for, or a lower one."""
    return _ORDERS.index(found.order) <= _ORDERS.index(target.order)
