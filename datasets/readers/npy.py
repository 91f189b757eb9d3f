"""Events in numpy's own files: `.npy` with named fields or an array `[E, 4]`, `.npz` with one array a column."""

import io
import math
import tokenize
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from snnpd.datasets.readers.columns import Columns
from snnpd.datasets.readers.file_bytes import in_line, read_bytes
from snnpd.datasets.readers.names import columns_of_record, columns_of_table, order_of_names
from snnpd.errors import UsageError

# Version → bytes of the header's length, and what reads it.
_HEADERS = {(1, 0): (2, npy_format.read_array_header_1_0), (2, 0): (4, npy_format.read_array_header_2_0)}
# numpy itself refuses longer ones, but only once they are in memory.
_MOST_HEADER = 10_000
# What a header that is no header makes numpy and the parser under it raise.
_HEADER_ERRORS = (
    ValueError, TypeError, KeyError, IndexError, SyntaxError, RecursionError, MemoryError, OverflowError,
    EOFError, tokenize.TokenError, AttributeError,
)  # fmt: skip
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    OverflowError,
    IndexError,
)
_PLAIN_ZIP = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_CHUNK = 1 << 20


class _Header(NamedTuple):
    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype

    @property
    def num_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def read_npy(path: Path, columns: str | None = None, unit: str | None = None) -> Columns:
    """The events of a structured array (x, y, t, p by name) or of an array `[E, 4]` in the order `columns`.

    Units:
        `unit` or what the name of the time says; else integers are microseconds, floats with fractions seconds.

    Raises:
        UsageError: missing, empty, truncated, damaged, or an array of something else; nothing is unpickled.
    """
    where = str(path)
    stream = io.BytesIO(read_bytes(path))
    header = _read_header(stream, where)
    array = _array(_read_up_to(stream, header.num_bytes + 1), header, where)
    if array.dtype.names:
        return columns_of_record(array, unit, where)
    return columns_of_table(array, columns, unit, where)


def read_npz(path: Path, columns: str | None = None, unit: str | None = None) -> Columns:
    """The events of arrays called x, y, t and p, or of a single array as in a `.npy` file.

    Raises:
        UsageError: as `read_npy`; a member that is encrypted or packed by something other than deflate.
    """
    where = str(path)
    try:
        with zipfile.ZipFile(io.BytesIO(read_bytes(path))) as archive:
            return _read_members(archive, columns, unit, where)
    except UsageError:
        raise
    except _ZIP_ERRORS as error:
        raise UsageError(f"{where}: damaged .npz file ({in_line(error)}); fetch it again") from error


def _read_members(archive: zipfile.ZipFile, columns: str | None, unit: str | None, where: str) -> Columns:
    names = {name.removesuffix(".npy"): name for name in archive.namelist()}
    if len(names) == 1:
        (array,) = _read_arrays(archive, list(names.values()), where)
        if array.dtype.names:
            return columns_of_record(array, unit, where)
        return columns_of_table(array, columns, unit, where)
    keys = list(names)
    order, named_unit = order_of_names(keys, where)
    members = [names[keys[order.index(letter)]] for letter in "xytp"]
    x, y, t, p = (array.reshape(-1) for array in _read_arrays(archive, members, where))
    return Columns(x, y, t, p, unit=unit or named_unit)


def _read_arrays(archive: zipfile.ZipFile, members: list[str], where: str) -> list[NDArray]:
    """Compares the lengths that all headers announce before it unpacks any data."""
    headers = []
    for name in members:
        if archive.getinfo(name).compress_type not in _PLAIN_ZIP:
            raise UsageError(
                f"{where}: {in_line(name)} is not packed by deflate; save it with numpy.savez_compressed"
            )
        with archive.open(name) as stream:
            headers.append(_read_header(stream, f"{where}, {in_line(name)}"))
    if len({math.prod(header.shape) for header in headers}) > 1:
        sizes = ", ".join(
            f"{in_line(name, 20)} {math.prod(header.shape)}"
            for name, header in zip(members, headers, strict=True)
        )
        raise UsageError(
            f"{where}: columns of different lengths ({sizes}); the file is damaged, fetch it again"
        )
    arrays = []
    for name in members:
        with archive.open(name) as stream:
            header = _read_header(stream, where)
            arrays.append(
                _array(_read_up_to(stream, header.num_bytes + 1), header, f"{where}, {in_line(name)}")
            )
    return arrays


def _read_header(stream: Any, where: str) -> _Header:
    start = stream.read(8)
    version = tuple(start[6:8])
    if start[:6] != npy_format.MAGIC_PREFIX or version not in _HEADERS:
        raise UsageError(
            f"{where}: no .npy array of version 1 or 2: found {start!r}; save it with numpy.save"
        )
    size, parse = _HEADERS[version]
    length = stream.read(size)
    if int.from_bytes(length, "little") > _MOST_HEADER:
        raise UsageError(
            f"{where}: damaged: a .npy array with a header of more than {_MOST_HEADER} bytes; fetch it again"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            text = stream.read(int.from_bytes(length, "little"))
            header = _Header(*parse(io.BytesIO(length + text)))
    except _HEADER_ERRORS as error:
        reason = in_line(error)
        raise UsageError(
            f"{where}: damaged header of a .npy array ({reason}); fetch the file again"
        ) from error
    if header.dtype.hasobject:
        raise UsageError(
            f"{where}: holds pickled Python objects, which are not loaded; save it as plain numbers"
        )
    if header.num_bytes < 1 or min(header.shape, default=1) < 1:
        raise UsageError(f"{where}: no events in it; fetch the file again, or leave it out")
    return header


def _array(data: bytes | bytearray, header: _Header, where: str) -> NDArray:
    if len(data) != header.num_bytes:
        state = "truncated" if len(data) < header.num_bytes else "trailing bytes"
        raise UsageError(
            f"{where}: {state}: found {min(len(data), header.num_bytes + 1)} bytes of data, expected "
            f"{header.num_bytes}; fetch the file again"
        )
    flat = np.frombuffer(data, header.dtype)
    return flat.reshape(header.shape, order="F") if header.fortran else flat.reshape(header.shape)


def _read_up_to(stream: Any, limit: int) -> bytearray:
    data = bytearray()
    while len(data) < limit and (piece := stream.read(min(_CHUNK, limit - len(data)))):
        data += piece
    return data
