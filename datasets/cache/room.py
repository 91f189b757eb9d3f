"""What a cache throws out to stay within its limit."""

import fcntl
import os
from pathlib import Path

from snnpd.datasets.cache.shard import CannotStore


def make_room(
    folder: Path, limit_bytes: int, size: int, keep: frozenset[str], own: Path | None = None
) -> None:
    """Throws out shards under `folder` that no process has open, the longest unused first, until `size` bytes fit.

    `keep` names shards that stay: a data set that is larger than the limit would push itself out for ever.
    `own` is not counted: it is what becomes the new shard. A `size` of 0 stands for another shard of `keep`.

    Raises:
        CannotStore: it takes more than may be thrown out.
    """
    found = [one for one in _scan(folder) if one[2] != own]
    like_it = (length for _, length, path in found if path.stem in keep and path.suffix == ".shard")
    excess = sum(length for _, length, _ in found) + (size or max(like_it, default=0)) - limit_bytes
    others = [one for one in sorted(found) if one[2].stem not in keep]
    # Known before anything is thrown out: else a set that does not fit would push out all others for nothing.
    if excess > sum(length for _, length, _ in others):
        raise CannotStore(f"the limit of {limit_bytes / 1e9:g} GB is too low; raise SNNPD_CACHE_GB")
    for _, length, path in others:
        if excess <= 0:
            return
        if _throw_out(path):
            excess -= length
    if excess > 0:
        raise CannotStore(f"the limit of {limit_bytes / 1e9:g} GB is reached; raise SNNPD_CACHE_GB")


def is_at(fd: int, path: Path) -> bool:
    """Whether `path` still leads to the open file."""
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except OSError:
        return False


def _scan(folder: Path) -> list[tuple[int, int, Path]]:
    """Time of the last use, length and path of every file; files that go away meanwhile are left out."""
    found = []
    for path in (folder / "shards").glob("*/*"):
        try:
            status = path.stat()
        except OSError:
            continue
        # Where nobody holds it, a half-written file is what a killed process left: the first to go.
        used = 0 if path.suffix == ".part" else status.st_mtime_ns
        found.append((used, status.st_size, path))
    return found


def _throw_out(path: Path) -> bool:
    """Removes a file unless a process builds it or has it open."""
    try:
        fd = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if is_at(fd, path):
            path.unlink()
        return True
    except OSError:
        return False
    finally:
        os.close(fd)
