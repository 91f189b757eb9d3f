"""Sources on disk, and a build that counts how often it ran, over all processes."""

import os
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from snnpd.datasets.cache.samples import CachedSamples


@dataclass(frozen=True)
class CountedBuild:
    """Frames and times that depend on the index, the number of times too; each call adds a line to `log`."""

    log: Path
    pause_s: float = 0.0
    size: int = 8

    def __call__(self, index: int) -> dict[str, np.ndarray]:
        fd = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(fd, f"{index} {os.getpid()}\n".encode())
        os.close(fd)
        time.sleep(self.pause_s)
        return sample(index, self.size)

    def counts(self) -> Counter[int]:
        """How often each index was built."""
        return Counter(index for index, _ in self._calls())

    def builders(self) -> set[int]:
        """The processes that built."""
        return {process for _, process in self._calls()}

    def total(self) -> int:
        """How many builds there were."""
        return len(self._calls())

    def _calls(self) -> list[list[int]]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [[int(number) for number in line.split()] for line in lines]


def sample(index: int, size: int = 8) -> dict[str, np.ndarray]:
    """What `CountedBuild` gives for an index."""
    rng = np.random.default_rng(index)
    frames = rng.integers(0, 256, size=(2, size, size), dtype=np.uint8)
    return {"frames": frames, "times": rng.standard_normal(index % 4)}


def check_samples(samples: CachedSamples, indices: Iterable[int], size: int = 8) -> None:
    """Asserts that the samples are those of `CountedBuild`, and read-only."""
    for index in indices:
        found, expected = samples[index], sample(index, size)
        assert found.keys() == expected.keys()
        for name, array in expected.items():
            assert np.array_equal(found[name], array)
            assert found[name].dtype == array.dtype
            assert not found[name].flags.writeable


def write_sources(folder: Path, count: int) -> list[Path]:
    """Files of different content, old enough to be remembered."""
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{number}.bin" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(f"recording {number}".encode())
        os.utime(path, (1e9, 1e9))
    return paths


def shard_files(folder: Path) -> list[Path]:
    """The shards in a cache."""
    return sorted(folder.glob("shards/*/*.shard"))


def half_written(folder: Path) -> list[Path]:
    """What a cache should not leave behind."""
    return [path for path in folder.rglob("*") if path.suffix in (".part", ".tmp")]
