"""The IDX format of MNIST, plain or gzipped: unsigned bytes behind a header of big-endian sizes."""

import gzip
import math
import struct
import zlib
from io import BufferedReader
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from snnpd.errors import UsageError

_UNSIGNED_BYTE = 0x08
_CHUNK = 1 << 20

Stream = gzip.GzipFile | BufferedReader


def read_idx(path: Path, ndim: int) -> NDArray[np.uint8]:
    """The array of an IDX file that holds unsigned bytes along `ndim` axes.

    Reads in pieces and stops at the first byte too many: neither a header that claims gigabytes nor a gzip
    file that unpacks to them costs more memory than the data that are there and were announced.

    Raises:
        UsageError: missing, empty, truncated or damaged file, wrong magic number, trailing bytes.
    """
    try:
        with _open(path) as stream:
            shape = _read_header(stream, path, ndim)
            expected = math.prod(shape)
            data = _read_up_to(stream, expected + 1)
    except OSError as error:
        # Also what gzip raises for a wrong check sum or header.
        raise UsageError(
            f"{path}: cannot be read ({error.strerror or error}); fetch the file again"
        ) from error
    except (EOFError, zlib.error) as error:
        raise UsageError(f"{path}: damaged gzip file ({error}); fetch the file again") from error
    sizes = " × ".join(str(size) for size in shape)
    if len(data) < expected:
        raise UsageError(
            f"{path}: truncated: found {len(data)} bytes after the header, expected {expected} ({sizes}); "
            f"fetch the file again"
        )
    if len(data) > expected:
        raise UsageError(
            f"{path}: trailing bytes: found more than the {expected} bytes that the header announces "
            f"({sizes}); fetch the file again"
        )
    if expected == 0:
        raise UsageError(f"{path}: no data: found sizes {sizes} in the header, expected at least one sample")
    return np.frombuffer(data, dtype=np.uint8).reshape(shape)


def _open(path: Path) -> Stream:
    """Goes by the content, not by the name: browsers unpack some files and leave the name as it was."""
    with path.open("rb") as stream:
        zipped = stream.read(2) == b"\x1f\x8b"
    return gzip.GzipFile(path) if zipped else path.open("rb")


def _read_header(stream: Stream, path: Path, ndim: int) -> tuple[int, ...]:
    size = 4 + 4 * ndim
    header = stream.read(size)
    if len(header) >= 4 and header[:4] != bytes([0, 0, _UNSIGNED_BYTE, ndim]):
        raise UsageError(
            f"{path}: magic number: found 0x{header[:4].hex()}, expected "
            f"0x0000{_UNSIGNED_BYTE:02x}{ndim:02x} (unsigned bytes, {ndim} axes); check that images and "
            "labels are not swapped"
        )
    if len(header) < size:
        raise UsageError(
            f"{path}: {'truncated' if header else 'empty'}: found {len(header)} bytes, expected a header of "
            f"{size}; fetch the file again"
        )
    return struct.unpack(f">{ndim}I", header[4:])


def _read_up_to(stream: Stream, limit: int) -> bytearray:
    data = bytearray()
    while len(data) < limit:
        piece = stream.read(min(_CHUNK, limit - len(data)))
        if not piece:
            break
        data += piece
    return data
