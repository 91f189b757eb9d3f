"""Tables with one row a moment, as `.csv` or `.npz`, and the series that they hold."""

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from snnpd.datasets.series.npz_files import read_npz
from snnpd.datasets.series.ts_cases import check_ascending, parse_stamp, parse_value
from snnpd.datasets.series.ts_files import LabelledSeries, as_tokens
from snnpd.errors import UsageError

SUFFIXES = (".csv", ".npz")
KEYS = ("sample", "label", "time")


class LongTable(NamedTuple):
    """Labelled series with time stamps, and what their channels are called."""

    series: LabelledSeries
    channels: tuple[str, ...]


class _Columns(NamedTuple):
    """Rows in the order of the file: sample and label as text `[R]`, time `[R]`, values `[R, C]`."""

    sample: NDArray[np.str_]
    label: NDArray[np.str_]
    time: NDArray[np.float64]
    values: NDArray[np.float64]


def read_table(path: Path) -> LongTable:
    """The series of a table, in the order in which their samples first appear.

    Raises:
        UsageError: the file is empty or damaged, a sample has two labels, or its time stamps go back.
    """
    columns, channels = _read_csv(path) if path.suffix == ".csv" else _read_npz(path)
    if not len(columns.sample):
        raise UsageError(f"{path}: no row; give one row for every moment of every sample")
    return LongTable(_group(columns, path), channels)


def _group(columns: _Columns, path: Path) -> LabelledSeries:
    samples, first, numbers = np.unique(columns.sample, return_index=True, return_inverse=True)
    # Stable: the rows of a sample stay in the order of the file.
    order = np.argsort(first[numbers], kind="stable")
    bounds = np.flatnonzero(np.diff(first[numbers][order])) + 1
    found = LabelledSeries([], [], [])
    for rows in np.split(order, bounds):
        where = f"{path}: sample {samples[numbers[rows[0]]]}"
        labels = np.unique(columns.label[rows])
        if len(labels) > 1:
            raise UsageError(
                f"{where} has the labels {labels[0]!s} and {labels[1]!s}; give a sample one label"
            )
        times = columns.time[rows]
        try:
            check_ascending(times)
        except ValueError as reason:
            raise UsageError(f"{where} {reason}; sort its rows by time") from reason
        found.series.append(as_tokens(columns.values[rows].T))
        found.names.append(str(labels[0]))
        assert found.times is not None
        found.times.append(torch.from_numpy(times))
    return found


def _read_csv(path: Path) -> tuple[_Columns, tuple[str, ...]]:
    try:
        # Spreadsheets put a byte-order mark before the first column's name.
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            rows = csv.reader(file)
            header = [name.strip() for name in next(rows, [])]
            places, channels = _places(header, path)
            parsed = [
                _row(row, len(header), places, channels, f"{path}: line {rows.line_num}")
                for row in rows
                if row
            ]
    except (OSError, csv.Error) as error:
        raise UsageError(f"{path}: cannot be read ({error}); mend the file") from error
    sample, label, time, values = zip(*parsed, strict=True) if parsed else ([], [], [], [])
    columns = _Columns(np.array(sample), np.array(label), np.array(time), np.array(values))
    return columns, tuple(header[place] for place in channels)


def _places(header: list[str], path: Path) -> tuple[list[int], list[int]]:
    """Where the keys stand in a line, and where the channels."""
    channels = [place for place, name in enumerate(header) if name not in KEYS]
    if sorted(set(header)) != sorted(header) or not set(KEYS) <= set(header) or not channels:
        found = ",".join(header)[:60] or "nothing"
        raise UsageError(
            f"{path}: the first line is {found!r}, expected sample,label,time and at least one channel, each once"
        )
    return [header.index(key) for key in KEYS], channels


def _row(
    row: list[str], width: int, places: list[int], channels: list[int], where: str
) -> tuple[str, str, float, list[float]]:
    if len(row) != width:
        raise UsageError(f"{where} has {len(row)} fields, the first line {width}; truncated or damaged")
    sample, label, time = (row[place].strip() for place in places)
    if not sample or not label:
        raise UsageError(f"{where} has no {'label' if sample else 'sample'}; fill it in")
    try:
        values = [parse_value(row[place].strip().lower() or "nan") for place in channels]
        return sample, label, parse_stamp(time), values
    except ValueError as reason:
        raise UsageError(f"{where} {reason}; mend the file") from reason


def _read_npz(path: Path) -> tuple[_Columns, tuple[str, ...]]:
    arrays = read_npz(path, (*KEYS, "values"))
    rows = len(arrays["sample"]) if arrays["sample"].ndim else 0
    for name, array in arrays.items():
        kinds = "iuf" if name in ("time", "values") else "iuU"
        if array.ndim != 1 + (name == "values") or len(array) != rows or array.dtype.kind not in kinds:
            raise UsageError(
                f"{path}: {name} is {array.dtype} of shape {list(array.shape)}; expected sample, label [R] (whole "
                f"numbers or text), time [R] and values [R, C] (numbers), with one R, here {rows}"
            )
    time = arrays["time"].astype(np.float64)
    if not np.isfinite(time).all():
        raise UsageError(
            f"{path}: time of row {int(np.argmin(np.isfinite(time)))} is not finite; mend the file"
        )
    if not arrays["values"].shape[1]:
        raise UsageError(f"{path}: values has no channel; give at least one")
    channels = tuple(f"channel {number}" for number in range(arrays["values"].shape[1]))
    sample, label = arrays["sample"].astype(np.str_), arrays["label"].astype(np.str_)
    return _Columns(sample, label, time, arrays["values"].astype(np.float64)), channels
