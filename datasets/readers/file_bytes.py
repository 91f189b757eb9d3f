"""What every reader of event files begins with: the bytes, the lines of the header, the size of the sensor."""

import re
from pathlib import Path

from snnpd.datasets.events import Sensor
from snnpd.errors import UsageError

# Coordinates are 16-bit numbers with a sign.
MOST_PIXELS = 1 << 15
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


def read_bytes(path: Path) -> bytes:
    """All bytes of a file.

    Raises:
        UsageError: the file is missing, empty, unreadable or no regular file.
    """
    _check_file(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error
    if not data:
        raise UsageError(f"{path}: empty file; fetch it again")
    return data


def read_start(path: Path, count: int) -> bytes:
    """The first bytes of a file, fewer if it is shorter.

    Raises:
        UsageError: as `read_bytes`.
    """
    _check_file(path)
    try:
        with path.open("rb") as stream:
            data = stream.read(count)
    except OSError as error:
        raise _unreadable(path, error) from error
    if not data:
        raise UsageError(f"{path}: empty file; fetch it again")
    return data


def _check_file(path: Path) -> None:
    if not path.exists():
        raise UsageError(f"{path}: no such file; check the path")
    if not path.is_file():
        raise UsageError(f"{path}: not a file; give the path of one recording")


def _unreadable(path: Path, error: OSError) -> UsageError:
    return UsageError(f"{path}: cannot be read ({error.strerror}); check its permissions")


def in_line(found: object, most: int = 80) -> str:
    """Text out of a file as part of a message's one line: short, blanks in place of what cannot be printed."""
    text = "".join(letter if letter.isprintable() else " " for letter in str(found)[: 4 * most])
    text = " ".join(text.split())
    return text if len(text) <= most else text[:most] + "…"


def read_header(data: bytes, mark: bytes, end: bytes | None = None) -> tuple[list[str], int]:
    """The lines at the beginning that start with `mark`, without it, and the offset of what follows them.

    A line that begins with `end` is the last one, whatever follows it. A line with control characters is none:
    events may begin with the same byte. A line that was cut short is passed over, so that nothing follows.
    """
    lines: list[str] = []
    offset = 0
    while data.startswith(mark, offset):
        newline = data.find(b"\n", offset)
        line = data[offset : newline if newline >= 0 else len(data)]
        if _CONTROL.search(line.rstrip(b"\r")):
            break
        if newline < 0:
            return lines, len(data)
        lines.append(line[len(mark) :].decode("latin-1").strip())
        offset = newline + 1
        if end is not None and line.startswith(end):
            break
    return lines, offset


def sensor_of(height: int, width: int, where: str) -> Sensor:
    """The sensor that a header announces.

    Raises:
        UsageError: no size that a sensor can have.
    """
    if not (0 < height <= MOST_PIXELS and 0 < width <= MOST_PIXELS):
        raise UsageError(
            f"{where}: the header announces a sensor of {height} × {width} pixels, allowed are 1 to {MOST_PIXELS} "
            f"each way; the file is damaged, fetch it again"
        )
    return Sensor(height, width)


def check_whole(num_bytes: int, size: int, what: str, where: str) -> None:
    """Raises UsageError unless `num_bytes` hold one or more records of `size` bytes and nothing else."""
    if num_bytes == 0:
        raise UsageError(f"{where}: no {what} after the header; fetch the file again")
    if num_bytes % size:
        raise UsageError(
            f"{where}: truncated: found {num_bytes} bytes of {what}, expected a multiple of {size}; "
            f"fetch the file again"
        )
