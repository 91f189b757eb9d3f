"""Events as text, one a line: numbers between spaces, tabs, commas or semicolons, with or without a header."""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from snnpd.datasets.readers.columns import UNITS, Columns
from snnpd.datasets.readers.file_bytes import read_bytes, sensor_of
from snnpd.datasets.readers.names import DEFAULT_ORDER, check_order, order_of_names
from snnpd.datasets.readers.rows import GOOD, NO_NUMBER, NOT_WHOLE, TOO_LARGE, WRONG_COUNT, parse_rows
from snnpd.errors import UsageError

_BREAK = re.compile(r"[\s,;]+")
_SIZE_LINE = re.compile(r"\d{1,6}[\s,;]+\d{1,6}")
_FRACTION = re.compile(r"[.eE]")
_WHY = {
    NO_NUMBER: "something that is no number",
    WRONG_COUNT: "another count of numbers",
    NOT_WHOLE: "a fraction where a whole number should stand",
    TOO_LARGE: "a number beyond 2^62",
}


def read_text(path: Path, columns: str | None = None, unit: str | None = None) -> Columns:
    """The events, with columns as the header names them, else in the order `columns`, else t, x, y, p.

    Lines that begin with # or % are comments. A first line of two numbers is the sensor's width and height.

    Units:
        `unit` or what the name of the time says; else whole times are microseconds, times with a decimal point
        seconds (whole seconds alone may be either, and are refused).

    Raises:
        UsageError: missing, empty, or a line that is not like the first one, with its number.
    """
    data, where = read_bytes(path), str(path)
    start, line = _first_line(data, 0)
    sensor = None
    if _SIZE_LINE.fullmatch(line):
        width, height = map(int, _BREAK.split(line))
        sensor = sensor_of(height, width, where)
        start, line = _first_line(data, data.find(b"\n", start) + 1 or len(data))
    if re.search(r"[A-Za-z_]{2}|[A-DF-Za-df-z]", line):
        columns, named_unit = order_of_names([name for name in _BREAK.split(line) if name], where)
        unit = unit or named_unit
        start, line = _first_line(data, data.find(b"\n", start) + 1 or len(data))
    order = check_order(columns or DEFAULT_ORDER)
    time = order.index("t")
    numbers = _BREAK.split(line)
    in_fractions = len(numbers) > time and bool(_FRACTION.search(numbers[time]))
    table, whole_seconds = _table(data, start, order, unit or ("s" if in_fractions else "us"), where)
    if unit is None and in_fractions and whole_seconds:
        raise UsageError(
            f"{where}: times are whole numbers with a decimal point, which may be seconds or microseconds; "
            f"give unit='s' or unit='us'"
        )
    x, y, t, p = (table[order.index(letter)] for letter in "xytp")
    return Columns(x, y, t, p, sensor)


def _first_line(data: bytes, start: int) -> tuple[int, str]:
    """Where the first line from `start` on that is neither blank nor a comment begins, and that line."""
    while start < len(data):
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        # No line of events is longer; a file without line breaks shall not be searched as one.
        line = data[start : min(end, start + 1000)].decode("latin-1").strip()
        if line and line[0] not in "#%":
            return start, line
        start = end + 1
    return start, ""


def _table(data: bytes, start: int, order: str, unit: str, where: str) -> tuple[NDArray[np.int64], bool]:
    """The columns `[4, E]`, time in microseconds; whether each time was a whole number of its unit."""
    if unit not in UNITS:
        raise UsageError(f"{where}: unknown unit of time {unit!r}; known: {', '.join(UNITS)}")
    text = np.frombuffer(data, np.uint8)[start:]
    # A line takes a digit and a separator a column, so that memory follows the bytes that are there.
    table = np.empty((len(order), len(text) // (2 * len(order)) + 1), np.int64)
    num, state, place, whole = parse_rows(text, table, order.index("t"), UNITS[unit])
    if state != GOOD:
        number = data.count(b"\n", 0, start + place) + 1
        raise UsageError(
            f"{where}: line {number} has {_WHY[state]}, expected {len(order)} numbers ({', '.join(order)}); "
            f"mend it, or give the order of the columns as columns="
        )
    return table[:, :num], whole
