"""Unpacks downloaded archives: only files inside the folder, no links, no more bytes than announced and allowed."""

import gzip
import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from snnpd.datasets.readers.file_bytes import in_line, read_start
from snnpd.errors import UsageError

_CHUNK = 1 << 20
# Well beyond the largest public set of events.
MOST_BYTES = 256 << 30
# The lists and names inside an archive are read at once; none is longer.
_MOST_HEADER = 1 << 24
_PLAIN_ZIP = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGE = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, gzip.BadGzipFile, EOFError, ValueError,
    NotImplementedError, RuntimeError, OverflowError, IndexError, KeyError,
)  # fmt: skip


def extract_zip(path: Path, folder: Path, *, max_bytes: int = MOST_BYTES) -> Path:
    """Unpacks a zip file into a new folder, which appears only once everything is there.

    Raises:
        UsageError: missing or damaged archive, a member outside of the folder or a link, more bytes than
            `max_bytes`, the disk or the archive have, or a folder that is there already.
    """
    with _unpacking(path, folder) as target, zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        for member in members:
            if member.flag_bits & 1:
                raise UsageError(f"{path}: {_short(member.filename)} is encrypted; unpack it by hand")
            if member.compress_type not in _PLAIN_ZIP:
                raise UsageError(
                    f"{path}: {_short(member.filename)} is not packed by deflate; unpack it by hand"
                )
            if stat.S_ISLNK(member.external_attr >> 16):
                raise _no_file(path, member.filename)
        # Members that share bytes unpack to more than any honest archive of this size.
        if sum(member.compress_size for member in members) > path.stat().st_size:
            raise UsageError(f"{path}: its members take more bytes than it has; damaged or made to do harm")
        _check_total(sum(member.file_size for member in members), path, target, max_bytes)
        for member in members:
            place = _inside(target, member.filename, path)
            if member.is_dir():
                place.mkdir(parents=True, exist_ok=True)
                continue
            with archive.open(member) as stream:
                _copy(stream, place, member.file_size, path)
    return folder


def extract_tar(path: Path, folder: Path, *, max_bytes: int = MOST_BYTES) -> Path:
    """Unpacks a tar file, plain or packed by gzip, into a new folder, as `extract_zip` does.

    Raises:
        UsageError: as `extract_zip`; also for devices and other members that are neither file nor folder.
    """
    with (
        _unpacking(path, folder) as target,
        _unpacked(path) as stream,
        tarfile.open(fileobj=stream, mode="r:") as archive,
    ):
        total = 0
        for member in archive:
            place = _inside(target, member.name, path)
            if member.isdir():
                place.mkdir(parents=True, exist_ok=True)
                continue
            content = archive.extractfile(member) if member.isreg() and not member.issparse() else None
            if content is None:
                raise _no_file(path, member.name)
            total += member.size
            _check_total(total, path, target, max_bytes, waiting=member.size)
            _copy(content, place, member.size, path)
        # Only at its end does gzip compare the check sum.
        while stream.read(_CHUNK):
            pass
    return folder


def extract_gzip(path: Path, target: Path, *, max_bytes: int = MOST_BYTES) -> Path:
    """Unpacks a single file (`shd_train.h5.gz`, say), which appears only once it is whole.

    Raises:
        UsageError: missing or damaged, more bytes than `max_bytes`, a full disk, or a target that is there already.
    """
    with (
        _unpacking(path, target, "content") as folder,
        gzip.open(path) as stream,
        (folder / "content").open("wb") as out,
    ):
        while piece := stream.read(_CHUNK):
            if out.tell() + len(piece) > max_bytes:
                raise UsageError(f"{path}: unpacks to more than {max_bytes} bytes; give a larger max_bytes")
            out.write(piece)
    return target


@contextmanager
def _unpacking(path: Path, target: Path, content: str = "") -> Iterator[Path]:
    """A new folder beside `target`; at the end it, or `content` in it, becomes `target`. Removed if anything fails."""
    read_start(path, 1)
    if target.exists():
        raise UsageError(f"{target}: is there already; remove it, or unpack {path.name} elsewhere")
    part: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
        # A private folder is what mkdtemp makes; this one is to be like any other.
        part.chmod(0o777 & ~_umask())
        yield part
        (part / content).rename(target)
    except UsageError:
        raise
    except _DAMAGE as error:
        reason = in_line(error, 160)
        raise UsageError(f"{path}: damaged archive ({reason}); fetch it again") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(
            f"{path}: cannot be unpacked to {target} ({reason}); give room and permission"
        ) from error
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _inside(folder: Path, name: str, path: Path) -> Path:
    """Where a member goes, if that is inside of the folder."""
    pure = PurePosixPath(name.replace("\\", "/"))
    if pure.is_absolute() or ".." in pure.parts or ":" in name or "\0" in name:
        raise UsageError(
            f"{path}: member {_short(name)} lies outside of the folder; fetch it from its authors"
        )
    return folder / pure


def _copy(stream: Any, place: Path, size: int, path: Path) -> None:
    if place.exists():
        raise UsageError(f"{path}: {_short(place.name)} is in it twice; fetch it from its authors")
    place.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with place.open("xb") as out:
        while piece := stream.read(_CHUNK):
            written += len(piece)
            if written > size:
                break
            out.write(piece)
    if written != size:
        raise UsageError(
            f"{path}: {_short(place.name)} does not have the {size} bytes announced; fetch it again"
        )


def _check_total(total: int, path: Path, folder: Path, max_bytes: int, waiting: int | None = None) -> None:
    """Refuses what does not fit; `waiting` are the bytes not yet written, if these are not all."""
    if total > max_bytes:
        raise UsageError(
            f"{path}: unpacks to {total} bytes, allowed are {max_bytes}; give a larger max_bytes"
        )
    free = shutil.disk_usage(folder).free
    needed = total if waiting is None else waiting
    if needed > free:
        raise UsageError(
            f"{path}: unpacks to {needed} bytes, the disk of {folder.parent} has {free}; make room"
        )


def _no_file(path: Path, name: str) -> UsageError:
    return UsageError(f"{path}: member {_short(name)} is a link or device; fetch it from its authors")


def _short(name: str) -> str:
    return repr(name if len(name) <= 60 else name[:60] + "…")


@contextmanager
def _unpacked(path: Path) -> Iterator[Any]:
    zipped = read_start(path, 2) == b"\x1f\x8b"
    with gzip.open(path) if zipped else path.open("rb") as stream:
        yield _Careful(stream)


class _Careful:
    """A stream that refuses to read much at once: tar's own headers may claim any length."""

    def __init__(self, stream: Any):
        self.stream = stream

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes."""
        if not 0 <= size <= _MOST_HEADER:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return self.stream.read(size)

    def seek(self, place: int) -> int:
        """Moves to a place from the start."""
        return self.stream.seek(place)

    def tell(self) -> int:
        """The place from the start."""
        return self.stream.tell()
