"""Reads what event cameras and data sets write, whichever of the known formats it is."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from snnpd.datasets.events import Recording
from snnpd.datasets.readers.aedat2 import CHIPS, read_aedat2
from snnpd.datasets.readers.aedat3 import read_aedat3
from snnpd.datasets.readers.aedat4 import read_aedat4
from snnpd.datasets.readers.bin40 import read_bin40
from snnpd.datasets.readers.columns import Columns, recording_of
from snnpd.datasets.readers.dat import read_dat
from snnpd.datasets.readers.evt import read_evt
from snnpd.datasets.readers.file_bytes import read_start
from snnpd.datasets.readers.h5 import read_h5
from snnpd.datasets.readers.mat import read_mat_events
from snnpd.datasets.readers.npy import read_npy, read_npz
from snnpd.datasets.readers.text import read_text
from snnpd.errors import UsageError, unknown


class Format(NamedTuple):
    """How a format is read and told: by the bytes at the start, else by the suffix.

    `options` are those of `read_events` that it takes: where the format itself leaves columns or units open.
    """

    read: Callable[..., Columns]
    suffixes: tuple[str, ...] = ()
    magic: bytes | None = None
    options: tuple[str, ...] = ()


FORMATS = {
    "aedat2": Format(read_aedat2, magic=b"#!AER-DAT2"),
    "aedat3": Format(read_aedat3, magic=b"#!AER-DAT3"),
    "aedat4": Format(read_aedat4, (".aedat", ".aedat4"), b"#!AER-DAT4"),
    "dat": Format(read_dat, (".dat",)),
    "evt": Format(read_evt, (".raw",)),
    "bin": Format(read_bin40, (".bin",)),
    "npy": Format(read_npy, (".npy",), b"\x93NUMPY", ("columns", "unit")),
    "npz": Format(read_npz, (".npz",), b"PK\x03\x04", ("columns", "unit")),
    "h5": Format(read_h5, (".h5", ".hdf5"), b"\x89HDF\r\n\x1a\n", ("columns", "unit")),
    "mat": Format(read_mat_events, (".mat",), b"MATLAB ", ("unit",)),
    "text": Format(read_text, (".csv", ".txt"), options=("columns", "unit")),
}
FORMATS |= {f"aedat2-{chip}": Format(partial(read_aedat2, chip=chip)) for chip in CHIPS}
FORMATS |= {name: Format(partial(read_evt, encoding=name)) for name in ("evt2", "evt21", "evt3")}


def read_events(
    path: str | Path,
    *,
    format: str | None = None,
    columns: str | None = None,
    unit: str | None = None,
    sort: bool = False,
) -> Recording:
    """The events of a file: known fields, ascending times in microseconds, polarities 0 and 1, all on the sensor.

    `format` is a name of `FORMATS`, needed where content and suffix do not tell it. `columns` (like "xytp") and
    `unit` (of time: ns, us, ms, s) are for arrays and text without names. `sort` accepts times that go back.
    Coordinates count from the upper left corner where the format says where it counts from.

    Raises:
        UsageError: whatever is wrong with the file or the request, in one line.
    """
    path = Path(path)
    name = format or _format_of(path)
    if name not in FORMATS:
        raise unknown("format", name, FORMATS)
    chosen = FORMATS[name]
    given = {key: value for key, value in (("columns", columns), ("unit", unit)) if value is not None}
    for key, value in given.items():
        if key not in chosen.options:
            raise UsageError(f"{path}: {key}={value!r} given, but format {name} says it itself; leave it out")
    return recording_of(chosen.read(path, **given), str(path), sort=sort)


def _format_of(path: Path) -> str:
    start = read_start(path, 16)
    for name, candidate in FORMATS.items():
        if candidate.magic and start.startswith(candidate.magic):
            return name
    for name, candidate in FORMATS.items():
        if path.suffix.lower() in candidate.suffixes:
            return name
    raise UsageError(
        f"{path}: neither content nor suffix tell the format; give format= one of {', '.join(FORMATS)}"
    )
