"""What a cache knows its sources by: the content of their files, read once and remembered."""

import hashlib
import json
import os
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnpd.datasets.cache.store import ShardStore
from snnpd.datasets.progress import track_slow
from snnpd.errors import UsageError

# File systems count time in steps of up to 2 s: a file as young as that may change and keep its time stamp.
_YOUNG_NS = 2_000_000_000


@dataclass(frozen=True)
class SourceItem:
    """Where a sample comes from: a file, and which part of it (`"17"`, `"0.5-2.5 s"`) if it holds several."""

    path: Path
    item: str = ""


@dataclass(frozen=True)
class SourceFiles:
    """The file of each source, and the size, time of change and inode that it had before it was read."""

    paths: Sequence[Path]
    stamps: NDArray[np.int64]

    def check_unchanged(self, rows: range) -> None:
        """Passes if the files of these sources are those whose digests were taken.

        Raises:
            UsageError: one changed; what was made from it belongs to no digest.
        """
        for path, row in {self.paths[row]: row for row in rows}.items():
            if _stamp(str(path)) != self.stamps[row].tolist():
                raise UsageError(f"{path}: changed while it was cached; start again when nobody writes to it")


def read_sources(
    sources: Sequence[Path | SourceItem], store: ShardStore, name: str
) -> tuple[list[str], SourceFiles]:
    """A digest of the content of each source's file, with its item; and what tells that the files stay the same.

    Files are read once; later they count as unchanged while size, time of change and inode stay. The digests
    that are remembered lie under `sources` in the store, one JSON file for each folder of sources.

    Raises:
        UsageError: a file that is missing or cannot be read.
    """
    items = [source if isinstance(source, SourceItem) else SourceItem(source) for source in sources]
    paths = {item.path: os.path.split(os.path.abspath(item.path)) for item in items}
    folders: dict[str, list[str]] = defaultdict(list)
    for folder, file in set(paths.values()):
        folders[folder].append(file)
    known = _read_files(folders, store, name)
    found = [known[paths[item.path]] for item in items]
    # Readers go by the suffix too; the rest of the name may change, as when a data set is moved.
    digests = [
        f"{digest} {os.path.splitext(item.path)[1]} {item.item}"
        for item, (*_, digest) in zip(items, found, strict=True)
    ]
    stamps = np.array([stamp for *stamp, _ in found], dtype=np.int64).reshape(-1, 3)
    return digests, SourceFiles([item.path for item in items], stamps)


def _read_files(
    folders: dict[str, list[str]], store: ShardStore, name: str
) -> dict[tuple[str, str], list[Any]]:
    """The stamp and the digest, as memos have them, of every file."""
    memos = {folder: _load_memo(folder, store) for folder in folders}
    found: dict[tuple[str, str], list[Any]] = {}
    unknown = []
    for folder, files in folders.items():
        for file in files:
            known = memos[folder].get(file)
            if isinstance(known, list) and known[:-1] == _stamp(os.path.join(folder, file)):
                found[folder, file] = known
            else:
                unknown.append((folder, file))
    changed = set()
    try:
        for folder, file in track_slow(sorted(unknown), f"reading the files of {name}"):
            path = os.path.join(folder, file)
            before = _stamp(path)
            found[folder, file] = [*before, _digest(path)]
            if before == _stamp(path) and abs(time.time_ns() - before[1]) > _YOUNG_NS:
                memos[folder][file] = found[folder, file]
                changed.add(folder)
    finally:
        for folder in changed:
            _save_memo(folder, memos[folder], store)
    return found


def _stamp(path: str) -> list[int]:
    try:
        status = os.stat(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); put the file back") from error
    # Some file systems number files with all 64 bits; here the sign is not needed.
    return [status.st_size, status.st_mtime_ns, status.st_ino & (1 << 63) - 1]


def _digest(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=20)).hexdigest()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); put the file back") from error


def _memo_path(folder: str, store: ShardStore) -> Path:
    return store.folder / "sources" / f"{digest_of(folder)}.json"


def _load_memo(folder: str, store: ShardStore) -> dict[str, Any]:
    """What was remembered of the files of a folder; nothing where that is missing or damaged."""
    try:
        memo = json.loads(_memo_path(folder, store).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return memo if isinstance(memo, dict) else {}


def _save_memo(folder: str, memo: dict[str, Any], store: ShardStore) -> None:
    # Remembering saves time, no more; what cannot be written is said where the samples cannot be.
    with suppress(OSError):
        present = set(os.listdir(folder))
        kept = {file: known for file, known in memo.items() if file in present}
        store.write_atomic(_memo_path(folder, store), json.dumps(kept).encode())


def digest_of(*parts: str) -> str:
    """A digest of texts, in order."""
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=20).hexdigest()
