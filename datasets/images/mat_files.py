"""Numeric arrays from MATLAB's version 5 files (`.mat`), plain or compressed."""

import math
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from snnpd.errors import UsageError

_HEADER = 128
_CHUNK = 1 << 20
MATRIX, _COMPRESSED = 14, 15
# Type of an element → numpy's code. MATLAB writes numbers in the smallest type that holds them all.
_NUMBERS = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
    16: "u1",
}
_NUMERIC_CLASSES = range(6, 16)
_COMPLEX = 0x0800
_MAX_AXES = 32

Order = Literal["<", ">"]

# Gives up to so many of the bytes that come next, none at the end.
Piece = Callable[[int], bytes]


class DamagedError(Exception):
    """Says what is wrong with the content of a file."""


def read_mat(path: Path, names: Sequence[str]) -> dict[str, NDArray]:
    """The real numeric arrays called `names`, column by column as in the file; everything else is passed over.

    Reads in pieces, and no further than a header announces: neither a claim that the file does not keep nor a
    stream that unpacks to more costs memory.

    Source: MathWorks, MAT-File Format, version 5.

    Raises:
        UsageError: missing, truncated or damaged file, another version, an array missing or not of real numbers.
    """
    found: dict[str, NDArray] = {}

    def visit(piece: Piece, order: Order) -> bool:
        found.update(_read_matrix(piece, order, names))
        return len(found) == len(names)

    walk_mat(path, visit)
    missing = [repr(name) for name in names if name not in found]
    if missing:
        raise UsageError(
            f"{path}: found no array {' and no array '.join(missing)} in it; the file is another one, or cut "
            f"short: fetch it again"
        )
    return found


def walk_mat(path: Path, visit: Callable[[Piece, Order], bool]) -> None:
    """Hands every array of the file to `visit`, until that returns True.

    Raises:
        UsageError: missing, truncated or damaged file, another version, or a DamagedError of `visit`.
    """
    try:
        with path.open("rb") as stream:
            _walk(stream, visit)
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read ({error.strerror or error}); fetch the file again"
        ) from error
    except (DamagedError, zlib.error) as error:
        raise UsageError(f"{path}: {error}; fetch the file again") from error


def _walk(stream: BinaryIO, visit: Callable[[Piece, Order], bool]) -> None:
    order = _byte_order(stream.read(_HEADER))
    while tag := stream.read(8):
        kind, size = read_tag(tag, order)
        start = stream.tell()
        piece = _inflating(stream, size) if kind == _COMPRESSED else _plain(stream, size)
        if kind == _COMPRESSED:
            kind, _ = read_tag(gather(piece, 8), order)
        if kind == MATRIX and visit(piece, order):
            return
        stream.seek(start + size)


def _byte_order(header: bytes) -> Order:
    if header[:10] == b"MATLAB 7.3" or header[:8] == b"\x89HDF\r\n\x1a\n":
        raise DamagedError(
            "found a MATLAB 7.3 file (HDF5), expected version 5; save it with `save -v7` or scipy.io.savemat"
        )
    if len(header) < _HEADER:
        raise DamagedError(f"truncated: found {len(header)} bytes, expected a header of {_HEADER}")
    orders: dict[bytes, Order] = {b"IM": "<", b"MI": ">"}
    order = orders.get(header[126:128])
    if order is None or struct.unpack(f"{order}H", header[124:126]) != (0x0100,):
        raise DamagedError(f"no MATLAB file of version 5: found 0x{header[124:128].hex()} at byte 124")
    return order


def read_tag(tag: bytes | bytearray, order: Order) -> tuple[int, int]:
    """The type of an element and how many bytes it claims to have.

    Raises:
        DamagedError: a tag that is cut off.
    """
    if len(tag) < 8:
        raise DamagedError("truncated: it ends within an array")
    kind, size = struct.unpack(f"{order}2I", tag)
    return kind, size


def _plain(stream: BinaryIO, size: int) -> Piece:
    end = stream.tell() + size
    return lambda most: stream.read(min(most, end - stream.tell()))


def _inflating(stream: BinaryIO, size: int) -> Piece:
    packed = _plain(stream, size)
    inflate = zlib.decompressobj()

    def piece(most: int) -> bytes:
        while not inflate.eof:
            more = inflate.unconsumed_tail or packed(_CHUNK)
            if unpacked := inflate.decompress(more, most):
                return unpacked
            if not more:
                break
        return b""

    return piece


def gather(piece: Piece, count: int) -> bytearray:
    """The next `count` bytes.

    Raises:
        DamagedError: fewer are there.
    """
    data = bytearray()
    while len(data) < count:
        more = piece(min(_CHUNK, count - len(data)))
        if not more:
            raise DamagedError(f"truncated: found {len(data)} bytes of an array, expected {count}")
        data += more
    return data


def _read_matrix(piece: Piece, order: Order, names: Sequence[str]) -> dict[str, NDArray]:
    """The array under its name; nothing if nobody asked for it."""
    flags = int(read_numbers(piece, order, 16, integers=True)[0])
    sizes = [int(size) for size in read_numbers(piece, order, 8 * _MAX_AXES, integers=True)]
    name = read_numbers(piece, order, 64).tobytes().decode("latin1")
    if name not in names:
        return {}
    if flags & 0xFF not in _NUMERIC_CLASSES or flags & _COMPLEX:
        raise DamagedError(f"{name!r} is no array of real numbers")
    if len(sizes) > _MAX_AXES:
        raise DamagedError(f"damaged: found {len(sizes)} axes of {name!r}, at most {_MAX_AXES} are read")
    count = math.prod(sizes)
    values = read_numbers(piece, order, 8 * count) if min(sizes) > 0 else np.empty(0)
    if len(values) != count:
        announced = " × ".join(map(str, sizes))
        raise DamagedError(f"{name!r} has {len(values)} numbers, announced are {announced}")
    # Reading on to the end also makes zlib compare its check sum.
    if piece(1):
        raise DamagedError(f"trailing bytes behind the numbers of {name!r}")
    return {name: values.reshape(sizes, order="F")}


def read_numbers(piece: Piece, order: Order, limit: int, integers: bool = False) -> NDArray:
    """The next element, of at most `limit` bytes; up to four may stand within its tag.

    Raises:
        DamagedError: a longer element, or one of anything but numbers (text counts as the numbers of its letters).
    """
    tag = gather(piece, 8)
    kind, size = read_tag(tag, order)
    within = kind >> 16
    if within:
        kind, size = kind & 0xFFFF, within
    if kind not in _NUMBERS or size > (4 if within else limit):
        raise DamagedError(f"damaged: found {size} bytes of type {kind} where numbers should stand")
    dtype = np.dtype(_NUMBERS[kind]).newbyteorder(order)
    if size % dtype.itemsize or (integers and (dtype.kind == "f" or not size)):
        raise DamagedError(f"damaged: found {size} bytes of {dtype.name} where numbers should stand")
    data = tag[4 : 4 + size] if within else gather(piece, size)
    if not within:
        gather(piece, -size % 8)
    return np.frombuffer(data, dtype)
