"""The cache in one process: built once, found again, thrown out, damaged, refused by the disk."""

import errno
import fcntl
import os
import pickle
import re
import shutil
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import snnpd.datasets.cache.samples as cache_samples
from snnpd.datasets.cache.arrays import ArrayCache
from snnpd.datasets.cache.samples import CachedSamples
from snnpd.errors import UsageError
from tests.datasets.cache import builds as cache_builds
from tests.datasets.cache.builds import (
    CountedBuild,
    check_samples,
    half_written,
    sample,
    shard_files,
    write_sources,
)

NUM = 20
PER_SHARD = 6
NUM_SHARDS = 4


@dataclass(frozen=True)
class Frames:
    num_slices: int


@dataclass
class Bench:
    """A cache folder, its sources and the log of builds."""

    folder: Path
    sources: list[Path]
    build: CountedBuild

    def open(self, transform: object = "frames", limit_bytes: int = 10**9, **changes: Any) -> CachedSamples:
        options = {
            "name": "set",
            "sources": self.sources,
            "build": self.build,
            "per_shard": PER_SHARD,
        } | changes
        return ArrayCache(self.folder, limit_bytes).open(transform=transform, code=[cache_builds], **options)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "cache", write_sources(tmp_path / "a", NUM), CountedBuild(tmp_path / "log"))


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()


def test_each_sample_is_built_once_for_all_times(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        samples = bench.open()
        assert len(samples) == NUM
        check_samples(samples, np.random.default_rng(0).permutation(NUM))
        samples.prepare()
    assert bench.build.counts() == dict.fromkeys(range(NUM), 1)
    assert len(shard_files(bench.folder)) == NUM_SHARDS
    assert not half_written(bench.folder)
    assert len(list(samples)) == NUM
    assert lines(capsys) == []


@pytest.mark.parametrize("index", [-1, NUM, NUM + 100])
def test_an_index_outside_is_an_index_error(bench: Bench, index: int) -> None:
    with pytest.raises(IndexError, match=f"sample {index} of set; it has 0 to 19"):
        bench.open()[index]


def change_source(bench: Bench) -> dict[str, Any]:
    bench.sources[7].write_bytes(b"another recording")
    return {}


@pytest.mark.parametrize(
    ("change", "rebuilt"),
    [
        (lambda bench: {}, 0),
        (lambda bench: {"transform": Frames(8)}, 0),
        (lambda bench: {"transform": Frames(9)}, NUM),
        (change_source, PER_SHARD),
        (lambda bench: {"sources": bench.sources[:-1]}, NUM % PER_SHARD - 1),
        (lambda bench: {"sources": bench.sources[PER_SHARD:]}, 0),
        (lambda bench: {"name": "other"}, NUM),
    ],
    ids=["nothing", "equal transform", "transform", "one source", "fewer", "first shard left out", "name"],
)
def test_what_changed_is_built_again(
    bench: Bench, change: Callable[[Bench], dict[str, Any]], rebuilt: int
) -> None:
    bench.open(Frames(8)).prepare()
    options = {"transform": Frames(8)} | change(bench)
    bench.open(**options).prepare()
    assert bench.build.total() == NUM + rebuilt


def test_changed_code_builds_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.open().prepare()
    monkeypatch.setattr("snnpd.datasets.cache.arrays.code_digest", lambda modules: "another text")
    bench.open().prepare()
    assert bench.build.total() == 2 * NUM


class Lazy:
    """Its repr is an address."""


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"transform": Lazy()}, "no repr that tells its options"),
        ({"transform": f"{Lazy()} and more"}, "no repr that tells its options"),
        ({"name": "../set"}, "cache name '../set'"),
        ({"name": ""}, "cache name ''"),
        ({"sources": []}, "no samples to cache"),
        ({"per_shard": 0}, "per_shard is 0"),
    ],
)
def test_bad_requests_are_refused_in_one_line(bench: Bench, options: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        bench.open(**options)
    assert "\n" not in str(caught.value)


def flip(content: bytearray) -> None:
    content[64 + 5] ^= 1


def flip_manifest(content: bytearray) -> None:
    content[-5] ^= 1


def truncate(content: bytearray) -> None:
    del content[-1000:]


def claim_gigabytes(content: bytearray) -> None:
    content[16:24] = (4 << 30).to_bytes(8, "little")


DAMAGES = [
    flip,
    flip_manifest,
    truncate,
    claim_gigabytes,
    bytearray.clear,
    lambda content: content.extend(b"more"),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_shard_is_reported_and_built_again(
    bench: Bench, capsys: pytest.CaptureFixture[str], damage: Callable[[bytearray], None]
) -> None:
    bench.open().prepare()
    victim = shard_files(bench.folder)[2]
    content = bytearray(victim.read_bytes())
    damage(content)
    victim.write_bytes(content)
    check_samples(bench.open(), range(NUM))
    (line,) = lines(capsys)
    assert re.fullmatch(rf"snnpd: cache: {victim} is damaged \(.+\); building it again", line)
    check_samples(bench.open(), range(NUM))
    assert lines(capsys) == []
    assert NUM < bench.build.total() <= NUM + PER_SHARD


def test_a_shard_without_its_file_is_built_again(bench: Bench) -> None:
    bench.open().prepare()
    shard_files(bench.folder)[0].unlink()
    check_samples(bench.open(), range(NUM))
    assert NUM < bench.build.total() <= NUM + PER_SHARD


def test_a_shard_of_another_length_is_not_taken(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    samples = bench.open()
    samples.prepare()
    other = bench.open(sources=bench.sources[:3])
    other.prepare()
    lines(capsys)
    (long, short) = (one._file(0).path for one in (samples, other))
    # A shard that claims to be the other: same key, fewer samples than there should be.
    long.write_bytes(short.read_bytes())
    check_samples(bench.open(), range(NUM))
    assert len(lines(capsys)) == 1


def full(*_: object, **__: object) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("call", ["write", "pwrite", "fsync", "ftruncate", "replace"])
def test_a_full_disk_costs_the_cache_and_nothing_else(
    bench: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    samples = bench.open(build=FrozenBuild())
    monkeypatch.setattr(os, call, full)
    samples.prepare()
    check_samples(samples, range(NUM))
    check_samples(pickle.loads(pickle.dumps(samples)), range(NUM))
    monkeypatch.undo()
    (line,) = lines(capsys)
    assert line.startswith("snnpd: cache: set is decoded each time")
    assert os.strerror(errno.ENOSPC) in line
    assert not shard_files(bench.folder)
    assert not half_written(bench.folder)
    bench.open().prepare()
    assert len(shard_files(bench.folder)) == NUM_SHARDS


class FrozenBuild:
    """Builds without a log, which a full disk would not take."""

    def __call__(self, index: int) -> dict[str, np.ndarray]:
        return sample(index)


def test_a_disk_that_fills_up_keeps_what_it_has(
    bench: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.open(sources=bench.sources[: 2 * PER_SHARD]).prepare()
    monkeypatch.setattr(os, "fsync", full)
    samples = bench.open()
    check_samples(samples, [*range(NUM), *range(NUM)])
    assert len(lines(capsys)) == 1
    counts = bench.build.counts()
    assert all(counts[index] == 1 for index in range(2 * PER_SHARD))
    assert len(shard_files(bench.folder)) == 2


def test_a_folder_that_cannot_be_made_costs_the_cache_only(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.folder.touch()
    samples = bench.open()
    samples.prepare()
    check_samples(samples, range(NUM))
    assert len(lines(capsys)) == 1
    assert bench.build.total() == NUM


def test_a_source_that_changes_while_it_is_read_is_not_stored(bench: Bench) -> None:
    def build(index: int) -> dict[str, np.ndarray]:
        if index == 8:
            bench.sources[7].write_bytes(b"another recording")
        return bench.build(index)

    with pytest.raises(UsageError, match=r"7\.bin: changed while it was cached; start again"):
        bench.open(build=build).prepare()
    assert len(shard_files(bench.folder)) == 1
    assert not half_written(bench.folder)
    bench.open().prepare()
    assert len(shard_files(bench.folder)) == NUM_SHARDS
    # Where the first content comes back, nothing of the second one is found under its key.
    bench.build.log.unlink()
    bench.sources[7].write_bytes(b"recording 7")
    bench.open().prepare()
    assert bench.build.counts() == dict.fromkeys(range(PER_SHARD, 2 * PER_SHARD), 1)


def test_a_folder_that_is_emptied_meanwhile_costs_the_cache_only(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    def build(index: int) -> dict[str, np.ndarray]:
        if index == 8:
            shutil.rmtree(bench.folder)
            # As another process that builds the same shard would begin.
            part = bench.open()._file(1).part
            part.parent.mkdir(parents=True)
            part.write_bytes(b"half")
        return sample(index)

    samples = bench.open(build=build)
    samples.prepare()
    check_samples(samples, range(PER_SHARD))
    (line,) = lines(capsys)
    assert line.endswith("somebody removed its files")
    assert not shard_files(bench.folder)


def test_an_error_of_a_source_is_passed_on_and_leaves_nothing(bench: Bench) -> None:
    def build(index: int) -> dict[str, np.ndarray]:
        if index == 8:
            raise OSError(errno.ENOSPC, "as if")
        return sample(index)

    samples = bench.open(build=build)
    with pytest.raises(OSError, match="as if"):
        samples.prepare()
    assert len(shard_files(bench.folder)) == 1
    assert not half_written(bench.folder)
    check_samples(samples, range(PER_SHARD))


def test_a_claim_is_not_on_what_another_process_just_published(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody has it open: its builder ended in the same moment.
    bench.open().prepare()
    file, flock = bench.open()._file(0), fcntl.flock
    whole = file.path.read_bytes()
    file.path.rename(file.part)

    def publish_first(fd: int, operation: int) -> None:
        if not file.path.exists():
            file.part.rename(file.path)
        flock(fd, operation)

    monkeypatch.setattr(fcntl, "flock", publish_first)
    with file.claim() as fd:
        assert fd is not None
        os.write(fd, b"half a shard")
        assert file.path.read_bytes() == whole
    assert file.path.read_bytes() == whole
    assert not half_written(bench.folder)


def test_a_claim_that_was_published_leaves_the_next_one_alone(bench: Bench) -> None:
    file = bench.open()._file(0)
    with file.claim():
        file.part.rename(file.path)
        file.part.write_bytes(b"of another process")
    assert file.part.read_bytes() == b"of another process"


def test_the_longest_unused_makes_room(bench: Bench) -> None:
    names = ["a", "b", "c"]
    for name in names:
        bench.open(name=name).prepare()
    sizes = {path: path.stat().st_size for path in shard_files(bench.folder)}
    for age, name in enumerate(["c", "a", "b"]):
        for path in (bench.folder / "shards" / name).iterdir():
            os.utime(path, (1e9 - age, 1e9 - age))
    # Opening counts as a use: of the two eldest, "b" is now the youngest.
    check_samples(bench.open(name="b"), range(NUM))
    limit = sum(sizes.values())
    kept = bench.open(name="d", limit_bytes=limit)
    kept.prepare()
    left = {path.parent.name for path in shard_files(bench.folder)}
    assert left == {"b", "c", "d"}
    assert sum(path.stat().st_size for path in shard_files(bench.folder)) <= limit


def test_a_set_larger_than_the_limit_keeps_a_part(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.open(name="old").prepare()
    largest = max(path.stat().st_size for path in shard_files(bench.folder))
    samples = bench.open(limit_bytes=2 * largest + 100)
    samples.prepare()
    built = bench.build.total()
    check_samples(samples, range(2 * PER_SHARD))
    assert bench.build.total() == built
    check_samples(samples, range(NUM))
    assert bench.build.total() == built + NUM - 2 * PER_SHARD
    assert [path.parent.name for path in shard_files(bench.folder)] == ["set"] * 2
    (line,) = lines(capsys)
    assert "the limit of" in line
    # Nor is a shard built in vain that is known not to fit.
    bench.open(limit_bytes=2 * largest + 100).prepare()
    assert bench.build.total() == built + NUM - 2 * PER_SHARD


def test_what_cannot_fit_throws_nothing_out(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.open(name="old", sources=bench.sources[:PER_SHARD]).prepare()
    old = shard_files(bench.folder)
    limit = 2 * sum(path.stat().st_size for path in old)
    samples = bench.open(name="new", per_shard=NUM, limit_bytes=limit)
    samples.prepare()
    check_samples(samples, range(NUM))
    assert shard_files(bench.folder) == old
    assert "is too low; raise SNNPD_CACHE_GB" in lines(capsys)[0]


def test_what_is_open_is_not_thrown_out(bench: Bench) -> None:
    used = bench.open(name="used")
    used.prepare()
    limit = sum(path.stat().st_size for path in shard_files(bench.folder)) + 100
    bench.open(name="new", limit_bytes=limit).prepare()
    assert {path.parent.name for path in shard_files(bench.folder)} == {"used"}
    view = used[NUM - 1]["frames"]
    del used
    bench.open(name="new", limit_bytes=limit).prepare()
    # A view is a use as well; the shards that nobody looks at went.
    assert [path.parent.name for path in shard_files(bench.folder)].count("used") == 1
    assert np.array_equal(view, sample(NUM - 1)["frames"])


def test_what_a_killed_process_left_is_the_first_to_go(bench: Bench) -> None:
    bench.open(name="old").prepare()
    left = bench.folder / "shards" / "old" / "0123.part"
    left.write_bytes(bytes(10**6))
    sizes = [path.stat().st_size for path in shard_files(bench.folder)]
    limit = 2 * sum(sizes) + max(sizes)
    bench.open(limit_bytes=limit).prepare()
    assert not left.exists()
    assert len(shard_files(bench.folder)) == 2 * NUM_SHARDS


def test_a_limit_of_zero_is_no_cache(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    samples = bench.open(limit_bytes=0)
    samples.prepare()
    check_samples(samples, range(NUM))
    assert lines(capsys) == []
    assert not shard_files(bench.folder)


def test_pickling_leaves_the_maps_behind(bench: Bench) -> None:
    samples = bench.open(build=FrozenBuild())
    samples.prepare()
    sent = pickle.dumps(samples)
    assert len(sent) < 2000
    check_samples(pickle.loads(sent), range(NUM))


def test_a_bar_counts_every_sample(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, int]] = []

    def track(items: Sequence[int], what: str, *, after_s: float) -> Iterator[int]:
        seen.append((what, len(items)))
        for item in items:
            yield item
            seen.append((what, item))

    samples = bench.open()
    check_samples(samples, [0])
    monkeypatch.setattr(cache_samples, "track_slow", track)
    samples.prepare()
    assert seen[0] == ("caching set", NUM - PER_SHARD)
    assert [step for _, step in seen[1:]] == list(range(NUM - PER_SHARD))


def num_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def own_memory_bytes() -> int:
    """Resident memory without what is mapped from files."""
    _, resident, shared, *_ = map(int, Path("/proc/self/statm").read_text().split())
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")


def test_memory_is_flat_over_epochs(bench: Bench) -> None:
    samples = bench.open(build=CountedBuild(bench.build.log, size=200), per_shard=3)
    samples.prepare()
    after = []
    for _ in range(20):
        check_samples(samples, range(NUM), size=200)
        after.append((own_memory_bytes(), num_descriptors()))
    # All samples together are 1.6 MB: epochs that kept what they read would show.
    assert after[-1][0] - after[3][0] < 500_000
    assert after[-1][1] == after[0][1]


def test_open_files_are_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_samples, "_MAX_OPEN", 3)
    before = num_descriptors()
    samples = bench.open(per_shard=1)
    for _ in range(3):
        check_samples(samples, range(NUM))
    assert num_descriptors() == before + 3
    assert bench.build.total() == NUM


def test_a_sample_is_checked_when_first_read_and_not_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.open().prepare()
    samples, checked, crc32 = bench.open(), [], zlib.crc32
    samples.prepare()
    monkeypatch.setattr(zlib, "crc32", lambda content: checked.append(len(content)) or crc32(content))
    for _ in range(3):
        check_samples(samples, range(NUM))
    assert len(checked) == NUM
