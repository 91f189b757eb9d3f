"""Prophesee's `.raw` files: a header of text lines, then the words of EVT 2.0, 2.1 or 3.0 as the sensor sent them."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from snnpd.datasets.events import Sensor
from snnpd.datasets.readers.columns import Columns
from snnpd.datasets.readers.evt3 import decode_evt3
from snnpd.datasets.readers.file_bytes import check_whole, in_line, read_bytes, read_header, sensor_of
from snnpd.errors import UsageError

# Type of a word, its top four bits: darker, brighter, the high bits of the time.
_OFF, _ON, _TIME_HIGH = 0x0, 0x1, 0x8
# Bits of the time that come with each event, and those that come apart; together they wrap around.
_LOW_BITS, _HIGH_BITS = 6, 28
# A fall by this much or more is a wrap, a smaller one an error of transmission.
_HALF_ROUND = 1 << (_HIGH_BITS - 1)


def read_evt(path: Path, encoding: str | None = None) -> Columns:
    """The CD events of a `.raw` file; `encoding` (evt2, evt21, evt3) is for files whose header does not name it.

    Events before the first time word are left out, as they have no time.

    Source: Prophesee, EVT 2.0, EVT 2.1 and EVT 3.0 Format; RAW File Format.

    Raises:
        UsageError: missing, empty, truncated, or of no known encoding.
    """
    data, where = read_bytes(path), str(path)
    lines, offset = read_header(data, b"% ", end=b"% end")
    settings = _settings(lines)
    encoding = encoding or settings.get("encoding")
    if encoding not in _DECODERS:
        found = f"encoding {in_line(encoding, 20)!r}" if encoding else "no encoding in the header"
        raise UsageError(f"{where}: {found}; give format='evt2', 'evt21' or 'evt3', or convert the file")
    word, decode = _DECODERS[encoding]
    check_whole(len(data) - offset, np.dtype(word).itemsize, "events", where)
    words = np.frombuffer(data, word, offset=offset)
    if encoding == "evt21" and _halves_swapped(words, settings.get("endianness")):
        words = words << np.uint64(32) | words >> np.uint64(32)
    return decode(words)._replace(sensor=_sensor(settings, where))


def _settings(lines: list[str]) -> dict[str, str]:
    """`encoding`, `width`, `height` and `endianness`, as far as the header gives them."""
    found: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition(" ")
        if key == "evt" and (match := re.match(r"(\d)\.(\d)", value)):
            found.setdefault("encoding", f"evt{match[1]}{match[2]}".removesuffix("0"))
        elif key == "geometry" and (match := re.match(r"(\d{1,6})x(\d{1,6})$", value)):
            found["width"], found["height"] = match.groups()
        elif key == "format":
            name, *options = value.split(";")
            found["encoding"] = name.strip().lower()
            for option in options:
                name, _, setting = option.partition("=")
                found[name.strip()] = setting.strip()
    return found


def _sensor(settings: dict[str, str], where: str) -> Sensor | None:
    if "width" not in settings or "height" not in settings:
        return None
    sizes = settings["height"], settings["width"]
    if not all(re.fullmatch(r"[0-9]{1,6}", size) for size in sizes):
        raise UsageError(
            f"{where}: the header gives the sensor's size as {in_line(' × '.join(sizes), 40)}; mend the header"
        )
    return sensor_of(int(sizes[0]), int(sizes[1]), where)


def _decode_evt2(words: NDArray[np.uint32]) -> Columns:
    kind = words >> np.uint32(28)
    base, after = _time_base(kind == _TIME_HIGH, words & np.uint32(0x0FFF_FFFF))
    place = np.flatnonzero((kind <= _ON) & (after >= 0))
    word = words[place]
    t = base[after[place]] | (word >> np.uint32(22) & np.uint32(0x3F))
    return Columns(word >> np.uint32(11) & np.uint32(0x7FF), word & np.uint32(0x7FF), t, kind[place])


def _decode_evt21(words: NDArray[np.uint64]) -> Columns:
    """Each word holds up to 32 events of one row, time and polarity: neighbours, told by a mask."""
    high, mask = (words >> np.uint64(32)).astype(np.uint32), words.astype(np.uint32)
    kind = high >> np.uint32(28)
    base, after = _time_base(kind == _TIME_HIGH, high & np.uint32(0x0FFF_FFFF))
    place = np.flatnonzero((kind <= _ON) & (after >= 0))
    num = np.bitwise_count(mask[place])
    bit = _set_bits(mask[place], num)
    place = np.repeat(place, num)
    word = high[place]
    t = base[after[place]] | (word >> np.uint32(22) & np.uint32(0x3F))
    x = (word >> np.uint32(11) & np.uint32(0x7FF)).astype(np.int32) + bit
    return Columns(x, word & np.uint32(0x7FF), t, kind[place])


def _set_bits(masks: NDArray[np.uint32], num: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The places of the bits that are set, mask by mask, lowest first; `num` tells how many each has."""
    end = np.cumsum(num, dtype=np.int64)
    places = np.empty(end[-1] if len(end) else 0, np.uint8)
    at = end - num
    while len(masks):
        at, masks = at[masks != 0], masks[masks != 0]
        rest = masks & (masks - np.uint32(1))
        places[at] = np.bitwise_count((masks ^ rest) - np.uint32(1))
        at, masks = at + 1, rest
    return places


def _time_base(is_time: NDArray[np.bool_], payload: NDArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The times that the time words set, in microseconds, and for each word the number of the last one, or -1."""
    high = payload[is_time].astype(np.int64)
    rounds = np.zeros(len(high), np.int64)
    rounds[1:] = np.cumsum(np.diff(high) <= -_HALF_ROUND)
    return (high + (rounds << _HIGH_BITS)) << _LOW_BITS, np.cumsum(is_time) - 1


def _halves_swapped(words: NDArray[np.uint64], endianness: str | None) -> bool:
    """Whether the upper half of each word comes first, as IMX636 sends it and its header calls `legacy`."""
    if endianness is not None:
        return endianness == "legacy"
    # A time word has nothing in its lower half.
    highs = [int(np.count_nonzero(half >> np.uint64(28) == _TIME_HIGH)) for half in _lonely_halves(words)]
    return highs[1] > highs[0]


def _lonely_halves(words: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    upper, lower = words >> np.uint64(32), words & np.uint64(0xFFFF_FFFF)
    return upper[lower == 0], lower[upper == 0]


def _decode_evt3(words: NDArray[np.uint16]) -> Columns:
    return Columns(*decode_evt3(words))


_DECODERS: dict[str, tuple[str, Callable[[NDArray], Columns]]] = {
    "evt2": ("<u4", _decode_evt2),
    "evt21": ("<u8", _decode_evt21),
    "evt3": ("<u2", _decode_evt3),
}
