"""AEDAT 2.0, what jAER writes: a 32-bit address and a 32-bit time stamp an event, most significant byte first."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from snnpd.datasets.readers.columns import Columns
from snnpd.datasets.readers.file_bytes import check_whole, read_bytes, read_header, sensor_of
from snnpd.errors import UsageError


class Chip(NamedTuple):
    """Where an address holds what, as (shift, bits); those with a bit of `other` are no changes of brightness.

    The layout of DAVIS chips if nothing else is given: bit 31 marks pixel values and inertia, bit 10 triggers.
    """

    height: int
    width: int
    x: tuple[int, int] = (12, 10)
    y: tuple[int, int] = (22, 9)
    p: int = 11
    on_is: int = 1
    other: int = 1 << 31 | 1 << 10


# DVS128: polarity bit 0, which is 0 for ON, x bits 1 to 7, y bits 8 to 14; bit 15 is the synchronisation input.
CHIPS = {
    "dvs128": Chip(128, 128, x=(1, 7), y=(8, 7), p=0, on_is=0, other=1 << 15),
    "davis240": Chip(180, 240),
    "davis346": Chip(260, 346),
}


def read_aedat2(path: Path, chip: str | None = None) -> Columns:
    """The events, x from the left and y from the top.

    Without `chip` it is the one that the header names; DVS128 if it names none and all addresses fit into it.
    The file counts x from the right and y from the bottom, as jAER does.

    Raises:
        UsageError: missing, empty, truncated, another version, or a chip that cannot be told.
    """
    data, where = read_bytes(path), str(path)
    lines, offset = read_header(data, b"#", end=b"#End Of ASCII Header")
    if not lines or not lines[0].startswith("!AER-DAT2"):
        raise UsageError(f"{where}: no AEDAT 2.0: found {data[:14]!r}, expected a first line #!AER-DAT2.0")
    check_whole(len(data) - offset, 8, "events", where)
    records = np.frombuffer(data, [("address", ">u4"), ("t", ">u4")], offset=offset)
    address = records["address"].astype(np.uint32)
    name = chip or _chip_of(lines, address, where)
    layout = CHIPS[name]
    kept = (address & np.uint32(layout.other)) == 0
    address = address[kept]
    x = layout.width - 1 - _field(address, *layout.x)
    y = layout.height - 1 - _field(address, *layout.y)
    p = _field(address, layout.p, 1) == layout.on_is
    return Columns(x, y, records["t"][kept], p, sensor_of(layout.height, layout.width, where))


def _field(address: np.ndarray, shift: int, bits: int) -> np.ndarray:
    return (address >> np.uint32(shift) & np.uint32((1 << bits) - 1)).astype(np.int32)


def _chip_of(lines: list[str], address: np.ndarray, where: str) -> str:
    header = " ".join(lines).lower()
    named = [name for name in CHIPS if name in header]
    if len(named) == 1:
        return named[0]
    if not named and "davis" not in header and int(address.max()) < 1 << 16:
        return "dvs128"
    options = " or ".join(f"format='aedat2-{name}'" for name in CHIPS)
    raise UsageError(f"{where}: the header does not tell the chip; give {options}")
