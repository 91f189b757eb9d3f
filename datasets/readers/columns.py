"""From the four columns of a file, whatever their types, to a recording that is known to be right."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from snnpd.datasets.events import EVENT_DTYPE, Recording, Sensor, check_events
from snnpd.datasets.readers.file_bytes import MOST_PIXELS, in_line
from snnpd.errors import UsageError

# Unit → how many of its powers of ten make a microsecond.
UNITS = {"ns": -3, "us": 0, "ms": 3, "s": 6}
_MOST_TIME = 1 << 62


class Columns(NamedTuple):
    """Event by event what a file says; `unit` is the unit of `t`, None for the convention of `microseconds`."""

    x: NDArray
    y: NDArray
    t: NDArray
    p: NDArray
    sensor: Sensor | None = None
    unit: str | None = "us"


def recording_of(columns: Columns, where: str, *, sort: bool = False, empty: bool = False) -> Recording:
    """The recording of these columns, checked; with `sort`, events are put in the order of time; with `empty`,
    there may be none.

    Raises:
        UsageError: no events, columns of different lengths, values that are no numbers, coordinates off the
            sensor, times that go back (without `sort`) or overflow, polarities other than {0, 1} or {-1, 1}.
    """
    numbers = [_numeric(name, column, where) for name, column in zip("xytp", columns[:4], strict=True)]
    if len({len(column) for column in numbers}) > 1:
        sizes = ", ".join(f"{name} {len(column)}" for name, column in zip("xytp", numbers, strict=True))
        raise UsageError(
            f"{where}: columns of different lengths ({sizes}); the file is damaged, fetch it again"
        )
    x, y, t, p = numbers
    if len(x) == 0 and empty:
        return Recording(np.empty(0, EVENT_DTYPE), columns.sensor)
    if len(x) == 0:
        raise UsageError(f"{where}: no events in it; fetch the file again, or leave it out")
    events = np.empty(len(x), EVENT_DTYPE)
    events["x"] = _whole("x", x, where)
    events["y"] = _whole("y", y, where)
    events["t"] = microseconds(t, columns.unit, where)
    events["p"] = _polarities(p, where)
    if sort and (np.diff(events["t"]) < 0).any():
        events = events[np.argsort(events["t"], kind="stable")]
    check_events(events, columns.sensor or Sensor(MOST_PIXELS, MOST_PIXELS), where)
    return Recording(events, columns.sensor)


def microseconds(t: NDArray, unit: str | None, where: str) -> NDArray[np.int64]:
    """Times in whole microseconds.

    Units:
        Without `unit`, integers are microseconds and floats with fractions seconds; whole floats may be either.

    Raises:
        UsageError: the unit is unknown or cannot be told, or times are not finite or overflow.
    """
    if unit is not None and unit not in UNITS:
        raise UsageError(f"{where}: unknown unit of time {unit!r}; known: {', '.join(UNITS)}")
    if t.dtype.kind == "f":
        t = t.astype(np.float64, copy=False)
        _refuse(~np.isfinite(t), "t", t, "a finite number", where)
        if unit is None and len(t) and not (t % 1).any():
            raise UsageError(
                f"{where}: times are whole numbers stored as floats, which may be seconds or microseconds; "
                f"give unit='s' or unit='us'"
            )
        with np.errstate(over="ignore"):
            t = t * 10.0 ** UNITS[unit or "s"]
        _refuse(np.abs(t) >= _MOST_TIME, "t", t, "a time of less than 2^62 µs", where)
        return np.rint(t).astype(np.int64)
    power = UNITS[unit or "us"]
    most = _MOST_TIME if power < 0 else _MOST_TIME // 10**power
    if len(t) and (int(t.max()) >= most or int(t.min()) <= -most):
        _refuse((t >= most) | (t.astype(np.float64) <= -most), "t", t, "a time of less than 2^62 µs", where)
    t = t.astype(np.int64, copy=False)
    if power >= 0:
        return t * 10**power
    unit_ns = 10**-power
    return (t + unit_ns // 2) // unit_ns


def _numeric(name: str, column: NDArray, where: str) -> NDArray:
    if column.dtype.kind not in "biuf":
        raise UsageError(
            f"{where}: {name} holds {in_line(column.dtype)}, expected numbers; the file is another one"
        )
    if column.ndim != 1:
        raise UsageError(f"{where}: {name} has {column.ndim} axes, expected one value an event")
    if column.dtype.kind == "b":
        return column.view(np.uint8)
    return column


def _whole(name: str, values: NDArray, where: str) -> NDArray:
    """The values, once it is known that they are whole and fit the type of coordinates."""
    if len(values) and not (values.min() >= 0 and values.max() < MOST_PIXELS):
        wrong = ~((values >= 0) & (values < MOST_PIXELS))
        _refuse(wrong, name, values, f"a coordinate from 0 to {MOST_PIXELS - 1}", where)
    if values.dtype.kind == "f":
        _refuse(values % 1 != 0, name, values, "a whole number", where)
    return values


def _polarities(p: NDArray, where: str) -> NDArray:
    if p.dtype.kind != "u" and (p == -1).any():
        _refuse((p != 1) & (p != -1), "p", p, "-1 or 1 as the other events have", where)
        return p > 0
    if not (p.min() >= 0 and p.max() <= 1) or p.dtype.kind == "f":
        _refuse((p != 0) & (p != 1), "p", p, "a polarity of 0 or 1 (or -1 or 1)", where)
    return p


def _refuse(wrong: NDArray, name: str, values: NDArray, rule: str, where: str) -> None:
    if wrong.any():
        n = int(np.argmax(wrong))
        raise UsageError(
            f"{where}: event {n} has {name} {values[n]}, expected {rule}; check the order of the columns "
            f"(columns=) and the unit of time (unit=), or fetch the file again"
        )
