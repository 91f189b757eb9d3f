"""AEDAT 3.1, what cAER writes (DVS128 Gesture, say): packets of one type of event each."""

import struct
from pathlib import Path

import numpy as np

from snnpd.datasets.events import Sensor
from snnpd.datasets.readers.aedat2 import CHIPS
from snnpd.datasets.readers.columns import Columns
from snnpd.datasets.readers.file_bytes import read_bytes, read_header, sensor_of
from snnpd.errors import UsageError

_END = "!END-HEADER"
_POLARITY = 1
# Type, source, size of an event, offset of its time stamp, overflows, capacity, number, number of valid ones.
_PACKET = struct.Struct("<hhiiiiii")
_EVENT = np.dtype([("word", "<u4"), ("t", "<u4")])
# libcaer's cameras by the name that the header gives to their source.
SOURCES = {name: (chip.height, chip.width) for name, chip in CHIPS.items()}
SOURCES |= {"davis640": (480, 640), "dvs132s": (104, 132), "dvxplorer": (480, 640)}


def read_aedat3(path: Path) -> Columns:
    """The valid polarity events; packets of other types are passed over.

    Units:
        Microseconds; time stamps have 31 bits, and each packet says how often they have overflowed.

    Raises:
        UsageError: missing, empty, truncated, another version, or packets that cannot be.
    """
    data, where = read_bytes(path), str(path)
    lines, offset = read_header(data, b"#", end=f"#{_END}".encode())
    if not lines or not lines[0].startswith("!AER-DAT3"):
        raise UsageError(f"{where}: no AEDAT 3.1: found {data[:14]!r}, expected a first line #!AER-DAT3.1")
    if lines[-1] != _END:
        raise UsageError(f"{where}: the header has no end (#{_END}); truncated, fetch the file again")
    parts, overflows = _polarity_packets(data, offset, where)
    events = np.frombuffer(b"".join(parts), _EVENT)
    lengths = [len(part) // _EVENT.itemsize for part in parts]
    t = events["t"].astype(np.int64) + (np.repeat(np.array(overflows, np.int64), lengths) << 31)
    word = events["word"].astype(np.int32)
    kept = (word & 1) == 1
    word = word[kept]
    return Columns(
        x=word >> 17 & 0x7FFF, y=word >> 2 & 0x7FFF, t=t[kept], p=word >> 1 & 1, sensor=_sensor(lines, where)
    )


def _polarity_packets(data: bytes, offset: int, where: str) -> tuple[list[memoryview], list[int]]:
    """The events of each packet, which take no memory of their own, and the overflows of its time stamps."""
    view, parts, overflows = memoryview(data), [], []
    while offset < len(data):
        if len(data) - offset < _PACKET.size:
            raise UsageError(f"{where}: truncated: ends within a packet's header; fetch the file again")
        kind, _, size, _, overflow, capacity, number, _ = _PACKET.unpack_from(data, offset)
        start = offset + _PACKET.size
        wrong = size <= 0 or not 0 <= number <= capacity or overflow < 0 or (kind == _POLARITY and size != 8)
        if wrong:
            raise UsageError(
                f"{where}: damaged packet at byte {offset}: type {kind}, {number} of {capacity} events of {size} "
                f"bytes, {overflow} overflows; fetch the file again"
            )
        if size * capacity > len(data) - start:
            raise UsageError(
                f"{where}: truncated: the packet at byte {offset} announces {size * capacity} bytes, "
                f"{len(data) - start} are there; fetch the file again"
            )
        if kind == _POLARITY:
            parts.append(view[start : start + number * size])
            overflows.append(overflow)
        offset = start + size * capacity
    return parts, overflows


def _sensor(lines: list[str], where: str) -> Sensor | None:
    for line in lines:
        if line.startswith("Source"):
            named = [name for name in SOURCES if name in line.lower()]
            return sensor_of(*SOURCES[named[0]], where) if named else None
    return None
