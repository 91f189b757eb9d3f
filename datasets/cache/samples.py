"""The samples of one part of a data set, read from a cache and built where it lacks them."""

import math
import operator
import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any, SupportsIndex, cast

from snnpd.datasets.cache.shard import Arrays, CannotStore, DamagedShard, Shard, as_stored
from snnpd.datasets.cache.sources import SourceFiles
from snnpd.datasets.cache.store import ShardFile, ShardStore, say
from snnpd.datasets.progress import track_slow

Build = Callable[[int], Mapping[str, Any]]

# Every open shard costs a file descriptor; systems give a process 1024, or 256.
_MAX_OPEN = 160
_POLL_S = 0.02


class CachedSamples:
    """Samples of named arrays, read-only views of memory-mapped files; get one from `ArrayCache.open`.

    `samples[i]` builds the shard of a sample that is missing or damaged, in any process, so that each sample is built
    once; call `prepare()` first to build all of them behind a progress bar. Where nothing can be stored (full
    disk, limit reached), samples are built each time and one line on stderr says so. Pickles to workers.
    """

    def __init__(
        self,
        store: ShardStore,
        name: str,
        keys: Sequence[str],
        files: SourceFiles,
        per_shard: int,
        build: Build,
    ):
        self.name = name
        self._store = store
        self._keys = tuple(keys)
        self._files = files
        self._num_samples = len(files.paths)
        self._per_shard = per_shard
        self._build = build
        self._refused: str | None = None if store.limit_bytes > 0 else ""
        self._said = False
        self._forget()

    def __len__(self) -> int:
        return self._num_samples

    def __getitem__(self, index: SupportsIndex) -> Arrays:
        """The arrays of sample `index`, from 0 upwards."""
        index = operator.index(index)
        if not 0 <= index < self._num_samples:
            raise IndexError(f"sample {index} of {self.name}; it has 0 to {self._num_samples - 1}")
        number, row = divmod(index, self._per_shard)
        # A second time for a shard that turns out to be damaged.
        for _ in range(2):
            shard = self._open.get(number) or self._get_shard(number)
            if shard is None:
                break
            try:
                return shard.read(row)
            except DamagedShard as damage:
                self._condemn(number, damage)
        self._say_refused()
        return as_stored(self._build(index))

    def prepare(self) -> None:
        """Builds all that is missing; several jobs that prepare the same samples share the work.

        Raises:
            UsageError: a source that changes meanwhile; and whatever `build` raises.
        """
        missing = [number for number in range(len(self._keys)) if self._find(number) is None]
        if self._refused is not None:
            return
        total = range(sum(map(self._size, missing)))
        # Of the processes of one machine that train together, one has the terminal.
        after_s = 2.0 if os.environ.get("LOCAL_RANK", "0") == "0" else math.inf
        steps = cast("Generator[int]", track_slow(total, f"caching {self.name}", after_s=after_s))
        try:
            # Those that another job is building come last: it may have finished them by then.
            for patient in (False, True):
                missing = [n for n in missing if self._get_shard(n, steps, patient) is None]
            # The bar shows a step as done when the next one begins.
            _advance(steps)
        finally:
            steps.close()
        self._say_refused()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_open", "_condemned")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    def _forget(self) -> None:
        self._open: dict[int, Shard] = {}
        self._condemned: dict[int, int] = {}

    def _size(self, number: int) -> int:
        return min(self._per_shard, self._num_samples - number * self._per_shard)

    def _file(self, number: int) -> ShardFile:
        return self._store.file(self.name, self._keys[number])

    def _get_shard(
        self, number: int, steps: Iterator[int] | None = None, patient: bool = True
    ) -> Shard | None:
        """A shard from the disk, or built by us, or (if `patient`) awaited; None if it cannot be had."""
        while True:
            shard = self._find(number)
            if shard is not None:
                _advance(steps, self._size(number))
            elif self._refused is None:
                shard = self._make(number, steps)
            if shard is not None or self._refused is not None or not patient or self._file(number).is_stuck():
                return shard
            time.sleep(_POLL_S)

    def _find(self, number: int) -> Shard | None:
        if number in self._open:
            return self._open[number]
        if self._refused is not None and number in self._condemned:
            return None
        try:
            shard = self._file(number).open()
            if shard is not None and len(shard) != self._size(number):
                raise DamagedShard(f"{len(shard)} samples instead of {self._size(number)}", shard.inode)
        except DamagedShard as damage:
            if self._condemned.get(number) != damage.inode:
                self._condemn(number, damage)
            return None
        except OSError as error:
            self._refused = f"cannot read: {error.strerror or error}"
            return None
        if shard is None or shard.inode == self._condemned.get(number):
            return None
        return self._keep(number, shard)

    def _make(self, number: int, steps: Iterator[int] | None) -> Shard | None:
        """Builds a shard; None while another process does, or if it cannot be stored."""
        file = self._file(number)
        first = number * self._per_shard
        try:
            with file.claim() as fd:
                if fd is None:
                    return None
                # Its last builder may have finished it just before we got the claim.
                shard = self._find(number)
                if shard is None:
                    samples = self._built(range(first, first + self._size(number)), steps)
                    shard = self._store.publish(fd, file, samples, frozenset(self._keys))
                return self._keep(number, shard)
        except CannotStore as reason:
            self._refused = str(reason)
            return None

    def _built(self, indices: range, steps: Iterator[int] | None) -> Iterator[Mapping[str, Any]]:
        for index in indices:
            yield self._build(index)
            _advance(steps)
        # Before the shard becomes visible: a key stands for the files whose digests were taken.
        self._files.check_unchanged(indices)

    def _keep(self, number: int, shard: Shard) -> Shard:
        while len(self._open) >= _MAX_OPEN:
            self._open.pop(next(iter(self._open)))
        self._open[number] = shard
        return shard

    def _condemn(self, number: int, damage: DamagedShard) -> None:
        self._open.pop(number, None)
        self._condemned[number] = damage.inode
        say(f"{self._file(number).path} is damaged ({damage}); building it again")

    def _say_refused(self) -> None:
        if self._refused and not self._said:
            self._said = True
            say(f"{self.name} is decoded each time, {self._store.folder} takes no more: {self._refused}")


def _advance(steps: Iterator[int] | None, count: int = 1) -> None:
    for _ in range(count):
        if steps is not None:
            next(steps, None)
