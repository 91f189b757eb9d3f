"""A cache on disk for samples that are slow to decode: built once, then memory-mapped."""

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from snnpd.datasets.cache.code import code_digest
from snnpd.datasets.cache.samples import Build, CachedSamples
from snnpd.datasets.cache.sources import SourceItem, digest_of, read_sources
from snnpd.datasets.cache.store import ShardStore
from snnpd.datasets.roots import folder_of
from snnpd.errors import UsageError

_FORMAT = "1"
_DEFAULT_GB = 20.0
# So many shards of a data set can be open at once in each worker; a shard is what is built, or lost, as a whole.
_MAX_SHARDS = 128
_MIN_PER_SHARD = 16


class ArrayCache:
    """Caches in one folder, together at most `limit_bytes` long (0: nothing is stored).

    By default the folder is `$SNNPD_CACHE` or the user's cache folder, and the limit `$SNNPD_CACHE_GB` or 20 GB.
    What was opened least recently makes room for the new; what a process has open stays.

    Raises:
        UsageError: `$SNNPD_CACHE_GB` is no number from 0 upwards, or there is no folder to take.
    """

    def __init__(self, folder: Path | None = None, limit_bytes: int | None = None):
        # Workers started elsewhere, and what a script does after chdir, mean the same folder.
        self._store = ShardStore(
            (default_folder() if folder is None else folder).absolute(),
            default_limit_bytes() if limit_bytes is None else limit_bytes,
        )

    def open(
        self,
        name: str,
        sources: Sequence[Path | SourceItem],
        transform: object,
        code: Sequence[ModuleType],
        build: Build,
        *,
        per_shard: int | None = None,
    ) -> CachedSamples:
        """The samples `build(0)`, `build(1)`, …, one for each of `sources`, built where the cache lacks them.

        A shard of samples is found again by the content of its own sources, the `repr` of `transform` (a string
        stands for itself) and the source text of `code`, of the transform's module and of what these import of
        their own packages. A file that changes while its size, time of change and inode stay is not noticed.

        Args:
            build: gives the named arrays of a sample, with the same names and dtypes for all; must pickle if loader
                workers are spawned, and depend on nothing but what the key knows.
            per_shard: samples in a file; by default so many that there are at most 128 files.

        Raises:
            UsageError: no source, one that cannot be read, or a name, transform or code that tells no version.
        """
        if not re.fullmatch(r"\w[\w.-]*", name):
            raise UsageError(f"cache name {name!r}; use letters, digits, '_', '-' and '.'")
        if not sources:
            raise UsageError(f"{name}: no samples to cache; give at least one source")
        if per_shard is None:
            per_shard = max(_MIN_PER_SHARD, -(-len(sources) // _MAX_SHARDS))
        if per_shard < 1:
            raise UsageError(f"{name}: per_shard is {per_shard}; give a whole number from 1 upwards")
        common = digest_of(_FORMAT, name, *_transform_key(transform, code))
        digests, files = read_sources(sources, self._store, name)
        shards = [digests[start : start + per_shard] for start in range(0, len(digests), per_shard)]
        keys = [digest_of(common, *shard) for shard in shards]
        return CachedSamples(self._store, name, keys, files, per_shard, build)


def default_folder() -> Path:
    """`$SNNPD_CACHE`, else `snnpd` in the user's cache folder.

    Raises:
        UsageError: the user has no home folder.
    """
    chosen = os.environ.get("SNNPD_CACHE")
    if chosen:
        return folder_of(chosen)
    try:
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Caches" / "snnpd"
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "snnpd"
    except RuntimeError as error:
        raise UsageError("there is no home folder to cache in; set SNNPD_CACHE to a folder") from error


def default_limit_bytes() -> int:
    """`$SNNPD_CACHE_GB` in bytes, else 20 GB.

    Raises:
        UsageError: it is no number from 0 upwards.
    """
    text = os.environ.get("SNNPD_CACHE_GB", str(_DEFAULT_GB))
    try:
        return int(_checked(float(text)) * 1e9)
    except ValueError as error:
        raise UsageError(
            f"SNNPD_CACHE_GB is {text!r}; give a number of gigabytes from 0 (no cache) upwards"
        ) from error


def _checked(gigabytes: float) -> float:
    if not 0 <= gigabytes < 1e9:
        raise ValueError(gigabytes)
    return gigabytes


def _transform_key(transform: object, code: Sequence[ModuleType]) -> tuple[str, str]:
    modules = list(code)
    text = transform if isinstance(transform, str) else repr(transform)
    if re.search(r" at 0x[0-9a-f]+", text):
        raise UsageError(
            f"the transform {text} has no repr that tells its options; make it a frozen dataclass"
        )
    if not isinstance(transform, str):
        modules.append(sys.modules[type(transform).__module__])
    return text, code_digest(modules)
