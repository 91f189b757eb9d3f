"""Prophesee's `.dat` files of decoded CD events: a 32-bit time stamp and a 32-bit word an event."""

from pathlib import Path

import numpy as np

from snnpd.datasets.events import Sensor
from snnpd.datasets.readers.columns import Columns
from snnpd.datasets.readers.file_bytes import check_whole, read_bytes, read_header, sensor_of
from snnpd.errors import UsageError

# Version → (shift, bits) of x, y and polarity.
_FIELDS = {1: ((0, 9), (9, 8), (17, 1)), 2: ((0, 14), (14, 14), (28, 4))}
# 2-D events and CD events.
_KINDS = (0x00, 0x0C)


def read_dat(path: Path) -> Columns:
    """The events; version 1 (the ATIS, 304 × 240) or 2 as the header says, 1 where there is no header.

    Source: Prophesee, DAT File Format.

    Raises:
        UsageError: missing, empty, truncated, unknown version or events of another type.
    """
    data, where = read_bytes(path), str(path)
    lines, offset = read_header(data, b"% ")
    fields = dict(line.split(None, 1) for line in lines if len(line.split(None, 1)) == 2)
    version = _number(fields, "Version", where, default=2 if lines else 1)
    if version not in _FIELDS:
        raise UsageError(f"{where}: version {version} of .dat, known are 1 and 2; convert it to version 2")
    if lines:
        if len(data) < offset + 2:
            raise UsageError(f"{where}: truncated: ends before the type of the events; fetch the file again")
        kind, size = data[offset], data[offset + 1]
        if kind not in _KINDS or size != 8:
            raise UsageError(
                f"{where}: holds events of type 0x{kind:02x} and {size} bytes, expected CD events (0x0c or 0x00) "
                f"of 8 bytes; the file is damaged or holds triggers"
            )
        offset += 2
    check_whole(len(data) - offset, 8, "events", where)
    records = np.frombuffer(data, [("t", "<u4"), ("word", "<u4")], offset=offset)
    word = records["word"]
    x, y, p = (word >> np.uint32(shift) & np.uint32((1 << bits) - 1) for shift, bits in _FIELDS[version])
    return Columns(x, y, records["t"], p, _sensor(fields, where))


def _sensor(fields: dict[str, str], where: str) -> Sensor | None:
    if "Height" not in fields or "Width" not in fields:
        return None
    return sensor_of(_number(fields, "Height", where), _number(fields, "Width", where), where)


def _number(fields: dict[str, str], name: str, where: str, default: int = 0) -> int:
    text = fields.get(name, str(default)).strip()
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise UsageError(f"{where}: {name} in the header is {text[:24]!r}, expected a whole number")
    return int(text)
