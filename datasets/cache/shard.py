"""One file of cached samples: named arrays one after the other, and a manifest that says where each one lies."""

import fcntl
import json
import math
import mmap
import os
import re
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from snnpd.errors import UsageError

# Magic (its digits are the version of the format), then where the manifest begins, its length, its check sum.
_HEADER = struct.Struct("<8sQQI")
_MAGIC = b"SNNPDC01"
_ALIGN = 64
_PLAIN_DTYPE = re.compile(r"[<|][biuf][1248]")

Arrays = dict[str, np.ndarray]


class DamagedShard(Exception):
    """A shard that does not hold what was written; `inode` tells it from the file that takes its place."""

    def __init__(self, what: str, inode: int):
        super().__init__(what)
        self.inode = inode


class CannotStore(Exception):
    """Why a shard cannot be written: a full disk, a folder without write permission, a limit that is reached."""


@contextmanager
def storing(doing: str) -> Iterator[None]:
    """Makes what the disk refuses within it a `CannotStore`."""
    try:
        yield
    except OSError as error:
        raise CannotStore(f"cannot {doing}: {error.strerror or error}") from error


def as_stored(arrays: Mapping[str, Any]) -> Arrays:
    """The arrays of one sample as reading them back gives them: contiguous, little-endian, read-only.

    Raises:
        UsageError: a dtype that a shard cannot hold.
    """
    stored = {}
    for name, array in arrays.items():
        array = np.asarray(array, order="C")
        array = array.astype(array.dtype.newbyteorder("<"), copy=False).view()
        _dtype_code(array.dtype, name)
        array.flags.writeable = False
        stored[name] = array
    return stored


def write_shard(fd: int, key: str, samples: Iterable[Mapping[str, Any]]) -> int:
    """Writes a shard into an open file, one sample in memory at a time; gives its length in bytes.

    Raises:
        UsageError: samples of different array names or dtypes, or a dtype that a shard cannot hold.
        CannotStore: the disk is full, or the like.
    """
    with storing("write"):
        os.ftruncate(fd, 0)
        os.lseek(fd, 0, os.SEEK_SET)
    end = _append(fd, bytes(_ALIGN))
    dtypes: dict[str, Any] | None = None
    table: list[list[Any]] = []
    for arrays in map(as_stored, samples):
        found = {name: _dtype_code(array.dtype, name) for name, array in arrays.items()}
        if dtypes is not None and found != dtypes:
            raise UsageError(
                f"sample {len(table)} of a shard has arrays {found}, the first has {dtypes}; give every sample "
                "the same names and dtypes"
            )
        dtypes = found
        content = b"".join(_padded(array.tobytes()) for array in arrays.values())
        table.append([end, zlib.crc32(content), *(array.shape for array in arrays.values())])
        end += _append(fd, content)
    manifest = json.dumps({"key": key, "arrays": dtypes, "samples": table}, separators=(",", ":")).encode()
    _append(fd, manifest)
    header = _HEADER.pack(_MAGIC, end, len(manifest), zlib.crc32(manifest))
    with storing("write"):
        os.pwrite(fd, header, 0)
        os.fsync(fd)
    return end + len(manifest)


class Shard:
    """A shard, memory-mapped: `read(row)` gives views of the file; each sample is checked when first read.

    It holds a shared lock on the file while it lives, which tells other processes that the file is in use.

    Raises:
        DamagedShard: a header or manifest that does not fit the file.
    """

    def __init__(self, fd: int, key: str):
        status = os.fstat(fd)
        self.inode = status.st_ino
        if status.st_size < _ALIGN:
            raise DamagedShard(f"{status.st_size} bytes are too few", self.inode)
        # The lock lives as long as the duplicate of `fd` that the map keeps; reading works without it too.
        with suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        self._map = mmap.mmap(fd, status.st_size, access=mmap.ACCESS_READ)
        self._dtypes, self._samples = self._manifest(key)
        self._checked = bytearray(len(self._samples))

    def __len__(self) -> int:
        return len(self._samples)

    def read(self, row: int) -> Arrays:
        """The arrays of one sample, read-only.

        Raises:
            DamagedShard: the bytes are not those that were written.
        """
        try:
            arrays, span, crc = self._views(row)
        except (ValueError, TypeError, OverflowError, IndexError) as error:
            raise DamagedShard(f"the place of sample {row} in the manifest", self.inode) from error
        if not self._checked[row]:
            if zlib.crc32(memoryview(self._map)[span]) != crc:
                raise DamagedShard(f"the check sum of sample {row}", self.inode)
            self._checked[row] = 1
        return arrays

    def _views(self, row: int) -> tuple[Arrays, slice, Any]:
        start, crc, *shapes = self._samples[row]
        if not isinstance(start, int) or start < _ALIGN:
            raise ValueError("a sample begins in the header")
        arrays, end = {}, start
        for (name, dtype), shape in zip(self._dtypes, shapes, strict=True):
            if min(shape, default=0) < 0:
                raise ValueError("a negative length")
            # Refuses what does not lie in the map.
            arrays[name] = np.ndarray(shape, dtype, self._map, end)
            end += _rounded(math.prod(shape) * dtype.itemsize)
        return arrays, slice(start, end), crc

    def _manifest(self, key: str) -> tuple[list[tuple[str, np.dtype]], list[Any]]:
        magic, start, length, crc = _HEADER.unpack_from(self._map)
        if magic != _MAGIC:
            raise DamagedShard("the magic number", self.inode)
        if start < _ALIGN or start + length != len(self._map):
            raise DamagedShard(f"the length {len(self._map)}, its header says {start + length}", self.inode)
        text = self._map[start:]
        if zlib.crc32(text) != crc:
            raise DamagedShard("the check sum of the manifest", self.inode)
        try:
            manifest = json.loads(text)
            dtypes = [(name, _dtype(code)) for name, code in manifest["arrays"].items()]
            if manifest["key"] != key or not isinstance(manifest["samples"], list):
                raise ValueError("another key")
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise DamagedShard("the manifest", self.inode) from error
        return dtypes, manifest["samples"]


def _dtype_code(dtype: np.dtype, name: str) -> Any:
    """A dtype as JSON: `"<f4"`, or `[[field, "<i2"], …]` for packed records of plain fields."""
    fields = dtype.descr if dtype.names else [("", dtype.str)]
    if any(len(field) != 2 or not _PLAIN_DTYPE.fullmatch(str(field[1])) for field in fields):
        raise UsageError(
            f"array {name!r} has dtype {dtype}; a cache holds numbers of 1 to 8 bytes and packed records of them"
        )
    return [list(field) for field in fields] if dtype.names else dtype.str


def _dtype(code: Any) -> np.dtype:
    fields = [("", code)] if isinstance(code, str) else [(str(name), kind) for name, kind in code]
    if not fields or not all(_PLAIN_DTYPE.fullmatch(kind) for _, kind in fields):
        raise ValueError(f"dtype {code!r}")
    return np.dtype(code if isinstance(code, str) else fields)


def _rounded(size: int) -> int:
    return -(-size // _ALIGN) * _ALIGN


def _padded(content: bytes) -> bytes:
    return content.ljust(_rounded(len(content)), b"\0")


def _append(fd: int, content: bytes) -> int:
    rest = memoryview(content)
    with storing("write"):
        while rest:
            rest = rest[os.write(fd, rest) :]
    return len(content)
