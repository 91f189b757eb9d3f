"""Axes: where a value stands, and round numbers to write beside it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import ceil, floor, log10

from snnpd.comparison.page.rows import Row
from snnpd.energy.page.markup import Html, element

_MOST_LOG_TICKS = 6


@dataclass(frozen=True)
class Axis:
    """A scale from `low` to `high` with its ticks."""

    low: float
    high: float
    ticks: tuple[float, ...]
    is_log: bool = False

    def share(self, value: float) -> float:
        """How far along the axis a value stands: 0 at its low end, 1 at its high one."""
        if self.is_log:
            return log10(value / self.low) / log10(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def place(self, value: float) -> str:
        """The same in per cent, as an attribute takes it."""
        return f"{100 * self.share(value):.3f}%"


def linear_axis(values: Iterable[float], num: int = 5) -> Axis:
    """From a round number at or below the least value to one at or above the greatest, in `num` steps at most."""
    given = list(values)
    low, high = min(given), max(given)
    if low == high:
        high = low + (abs(low) or 1.0)
    power = 10.0 ** (floor(log10((high - low) / num)) - 1)
    for digit in (10, 20, 50, 100, 200, 500, 1000):
        step = power * digit
        first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
        if last - first <= num:
            break
    ticks = tuple(round(step * i, 12) for i in range(first, last + 1))
    return Axis(ticks[0], ticks[-1], ticks)


def log_axis(values: Iterable[float]) -> Axis:
    """A logarithmic axis about values above zero, from and to one of 1, 2, 5 · 10^k, with few ticks."""
    given = list(values)
    low, high = min(given), max(given)
    ladder = [
        digit * 10.0**power
        for power in range(floor(log10(low)) - 1, ceil(log10(high)) + 2)
        for digit in (1, 2, 5)
    ]
    start, stop = max(rung for rung in ladder if rung < low), min(rung for rung in ladder if rung > high)
    ticks = [rung for rung in ladder if start <= rung <= stop]
    if len(ticks) > _MOST_LOG_TICKS:
        ticks = [10.0**power for power in range(ceil(log10(start) - 1e-9), floor(log10(stop) + 1e-9) + 1)]
    return Axis(start, stop, tuple(ticks[:: ceil(len(ticks) / _MOST_LOG_TICKS)]), is_log=True)


def axis_row(axis: Axis, write: Callable[[float], str]) -> Html:
    """The ticks of an axis as the first row of a chart."""
    spans = (element("span", write(tick), style=f"left:{axis.place(tick)}") for tick in axis.ticks)
    scale = element("div", *spans, class_="scale", aria_hidden="true")
    return element("div", element("span"), scale, element("span"), class_="row axis")


def chart(caption: str, axis: Axis, *rows: str, look: str = "plain") -> Html:
    """Rows under a caption, with a line behind them at every tick."""
    return element(
        "figure",
        element("figcaption", caption),
        *rows,
        class_=f"chart {look}",
        style=f"--step:{100 / (len(axis.ticks) - 1):.3f}%",
    )


def title_of(row: Row) -> Html:
    """The number of a row and its name, as charts write it."""
    return element("span", element("span", f"{row.number}", class_="id"), " ", row.name)
