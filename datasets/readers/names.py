"""Which column of a file is which: by its name, or by the order that the caller gives."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from snnpd.datasets.events import Sensor
from snnpd.datasets.readers.columns import UNITS, Columns
from snnpd.datasets.readers.file_bytes import in_line
from snnpd.errors import UsageError

DEFAULT_ORDER = "txyp"
_NAMES = {
    "x": ("x", "xs", "col", "x_pos"),
    "y": ("y", "ys", "row", "y_pos"),
    "t": ("t", "ts", "time", "times", "timestamp", "timestamps"),
    "p": ("p", "ps", "pol", "polarity", "polarities", "on"),
}
_LETTERS = {name: letter for letter, names in _NAMES.items() for name in names}


def order_of_names(names: Sequence[str], where: str) -> tuple[str, str | None]:
    """The order of named columns as a string like "txyp", with "-" for others, and the unit in the time's name.

    The time may be called `t_us` or `timestamp_ms`, say.

    Raises:
        UsageError: one of x, y, t and p is missing or there twice.
    """
    letters, unit = [], None
    for name in names:
        stem, _, end = name.strip().strip("\"'").lower().rpartition("_")
        if _LETTERS.get(stem) == "t" and end in UNITS:
            letters.append("t")
            unit = end
        else:
            letters.append(_LETTERS.get(f"{stem}_{end}" if stem else end, "-"))
    order = "".join(letters)
    if any(order.count(letter) != 1 for letter in "xytp"):
        listed = ", ".join(in_line(name, 16) for name in names[:8]) or "none"
        raise UsageError(
            f"{where}: columns {listed}: expected one each of x, y, t and p (or timestamp, polarity); rename them"
        )
    return order, unit


def check_order(order: str) -> str:
    """The order of columns that a caller gave, if it is one.

    Raises:
        UsageError: not the letters t, x, y and p once each, with "-" for columns to leave out.
    """
    if sorted(order.replace("-", "")) != sorted("txyp"):
        raise UsageError(
            f"columns={order!r}: give t, x, y and p once each, '-' for others, like {DEFAULT_ORDER!r}"
        )
    return order


def columns_of_record(record: NDArray, unit: str | None, where: str, sensor: Sensor | None = None) -> Columns:
    """The columns of a structured array, by the names of its fields."""
    names = record.dtype.names or ()
    order, named_unit = order_of_names(names, where)
    x, y, t, p = (record[names[order.index(letter)]].reshape(-1) for letter in "xytp")
    return Columns(x, y, t, p, sensor, unit or named_unit)


def columns_of_table(table: NDArray, order: str | None, unit: str | None, where: str) -> Columns:
    """The columns of a two-dimensional array `[E, 4]`, in the order given, else t, x, y, p.

    Raises:
        UsageError: not two-dimensional, or of another width.
    """
    order = check_order(order or DEFAULT_ORDER)
    if table.ndim != 2 or table.shape[1] != len(order):
        sizes = " × ".join(map(str, table.shape)) or "one number"
        raise UsageError(
            f"{where}: holds {sizes} values, expected events × {len(order)} ({', '.join(order)}); "
            f"give the order of the columns as columns='xytp', say"
        )
    x, y, t, p = (np.ascontiguousarray(table[:, order.index(letter)]) for letter in "xytp")
    return Columns(x, y, t, p, unit=unit)
