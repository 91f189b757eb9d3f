"""The folder of a cache: claims on files that are being built, and renames that make them visible."""

import fcntl
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snnpd.atomic import write_atomic
from snnpd.datasets.cache.room import is_at, make_room
from snnpd.datasets.cache.shard import CannotStore, DamagedShard, Shard, storing, write_shard

# A process that has not written a sample for so long is taken for stopped: nobody goes on waiting for it.
_STUCK_S = 30.0


@dataclass(frozen=True)
class ShardFile:
    """Where one shard lies (`.shard`), and where it grows until it is whole (`.part`)."""

    path: Path

    @property
    def part(self) -> Path:
        """The file that is written beside and renamed; its builder holds a lock on it."""
        return self.path.with_suffix(".part")

    def open(self) -> Shard | None:
        """The shard, None if it is not there; counts as a use of it.

        Raises:
            DamagedShard: it is there and does not hold what was written.
            OSError: it cannot be read.
        """
        try:
            fd = os.open(self.path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            shard = Shard(fd, self.path.stem)
            _touch(fd)
            return shard
        finally:
            os.close(fd)

    @contextmanager
    def claim(self) -> Iterator[int | None]:
        """The open `.part`, empty and ours alone; None while another process has it.

        The lock ends with its process, however that ends. Left without `publish`, the file is removed.

        Raises:
            CannotStore: no such file can be made or locked.
        """
        with storing("lock a file"):
            fd = self._lock_part()
        try:
            yield fd
        finally:
            if fd is not None:
                with suppress(OSError):
                    if is_at(fd, self.part):
                        self.part.unlink()
                os.close(fd)

    def is_stuck(self) -> bool:
        """Whether the process that builds this shard has written nothing for half a minute."""
        try:
            return time.time() - self.part.stat().st_mtime > _STUCK_S
        except OSError:
            return False

    def _lock_part(self) -> int | None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            fd = os.open(self.part, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Between open and lock its last owner may have renamed or removed it.
                if is_at(fd, self.part):
                    return fd
            except BlockingIOError:
                os.close(fd)
                return None
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)


@dataclass(frozen=True)
class ShardStore:
    """Shards under `folder/shards`, together at most `limit_bytes`; the least recently opened ones make room."""

    folder: Path
    limit_bytes: int

    def file(self, name: str, key: str) -> ShardFile:
        """The file of the shard with `key` of the data set `name`."""
        return ShardFile(self.folder / "shards" / name / f"{key}.shard")

    def publish(
        self, fd: int, file: ShardFile, samples: Iterable[Mapping[str, Any]], keep: frozenset[str]
    ) -> Shard:
        """Writes a shard into the claimed `fd`, makes it visible at once and whole, and opens it.

        Raises:
            CannotStore: the disk is full, or the shard does not fit into the limit beside the shards of `keep`
                and those that processes use.
        """
        # Asked before the work as well: where the last shard did not fit, the next one will not either.
        with storing("make room"), self.locked():
            make_room(self.folder, self.limit_bytes, 0, keep)
        size = write_shard(fd, file.path.stem, samples)
        with storing("put a file in its place"):
            with self.locked():
                make_room(self.folder, self.limit_bytes, size, keep, file.part)
                # Where somebody emptied the folder, another process may be at work under this name by now.
                if not is_at(fd, file.part):
                    raise CannotStore("somebody removed its files")
                os.replace(file.part, file.path)
            _sync_folder(file.path.parent)
        try:
            return Shard(fd, file.path.stem)
        except DamagedShard as error:
            raise CannotStore(f"cannot read back what was written: {error}") from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """A moment alone in the folder, for what takes milliseconds."""
        self.folder.mkdir(parents=True, exist_ok=True)
        fd = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def write_atomic(self, path: Path, content: bytes) -> None:
        """Writes a small file beside and renames it; one left by a killed process is written over."""
        with self.locked():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, content)


def say(line: str) -> None:
    """One whole line on stderr in one write, so that lines of several workers do not mix."""
    sys.stderr.write(f"snnpd: cache: {line}\n")
    sys.stderr.flush()


def _touch(fd: int) -> None:
    # A cache that others may only read still serves them.
    with suppress(OSError):
        os.utime(fd)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
