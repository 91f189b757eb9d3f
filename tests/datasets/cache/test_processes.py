"""The cache between processes: killed, stopped, two at once, workers of a loader, a kernel that refuses to write."""

import ctypes
import multiprocessing
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch.utils.data import DataLoader

import snnpd.datasets.cache.store as cache_store
from snnpd.datasets.cache.arrays import ArrayCache
from snnpd.datasets.cache.samples import CachedSamples
from tests.datasets.cache import builds as cache_builds
from tests.datasets.cache.builds import CountedBuild, check_samples, half_written, shard_files, write_sources

# Forked, because a new interpreter takes seconds to import torch; Python 3.12 warns where threads run.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
NUM = 24


@dataclass
class Bench:
    """A cache folder, its sources and the log of builds."""

    folder: Path
    sources: list[Path]
    build: CountedBuild

    def open(self, **changes: Any) -> CachedSamples:
        options = {"name": "set", "sources": self.sources, "build": self.build, "per_shard": 4} | changes
        return ArrayCache(self.folder, 10**9).open(transform="frames", code=[cache_builds], **options)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(
        tmp_path / "cache", write_sources(tmp_path / "a", NUM), CountedBuild(tmp_path / "log", 0.002)
    )


def forked(call: Callable[..., Any], *arguments: Any) -> BaseProcess:
    process = multiprocessing.get_context("fork").Process(target=call, args=arguments)
    process.start()
    return process


def ended(process: BaseProcess) -> int | None:
    process.join(60)
    return process.exitcode


def wait_until(what: Callable[[], Any]) -> None:
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < 60
        time.sleep(0.002)


def kill_while_building(bench: Bench, delay_s: float) -> None:
    before = bench.build.total()
    process = forked(bench.open().prepare)
    wait_until(lambda: bench.build.total() > before or not process.is_alive())
    time.sleep(delay_s)
    os.kill(process.pid, signal.SIGKILL)
    ended(process)


def test_killed_at_any_moment_leaves_nothing_visible(bench: Bench) -> None:
    rng = random.Random(0)
    caught_writing = 0
    for kill in range(12):
        kill_while_building(bench, delay_s=rng.uniform(0, 0.01))
        caught_writing += bool(half_written(bench.folder))
        for number in range(6):
            shard = bench.open()._file(number).open()
            assert shard is None or len([shard.read(row) for row in range(4)]) == 4
        if len(shard_files(bench.folder)) == 6:
            # Begins anew, on top of what killed processes left.
            shard_files(bench.folder)[kill % 6].unlink()
    assert caught_writing >= 3
    before = bench.build.total()
    missing = 6 - len(shard_files(bench.folder))
    bench.open().prepare()
    assert bench.build.total() == before + 4 * missing
    check_samples(bench.open(), range(NUM))
    assert not half_written(bench.folder)


def prepare_and_check(samples: CachedSamples) -> None:
    samples.prepare()
    check_samples(samples, range(len(samples)), samples._build.size)


def read_at_random(samples: CachedSamples, seed: int) -> None:
    check_samples(samples, np.random.default_rng(seed).permutation(NUM))


@pytest.mark.parametrize("prepares", [True, False])
def test_processes_at_once_build_everything_once(bench: Bench, prepares: bool) -> None:
    jobs = [
        forked(prepare_and_check, bench.open()) if prepares else forked(read_at_random, bench.open(), seed)
        for seed in range(3)
    ]
    assert [ended(job) for job in jobs] == [0, 0, 0]
    assert bench.build.counts() == dict.fromkeys(range(NUM), 1)
    assert not half_written(bench.folder)


def prepare_together(samples: CachedSamples, start: Any) -> None:
    start.wait(60)
    samples.prepare()


def test_two_jobs_share_the_work(bench: Bench) -> None:
    slow = bench.open(build=replace(bench.build, pause_s=0.02))
    start = multiprocessing.get_context("fork").Barrier(2)
    jobs = [forked(prepare_together, slow, start) for _ in range(2)]
    assert [ended(job) for job in jobs] == [0, 0]
    assert bench.build.counts() == dict.fromkeys(range(NUM), 1)
    assert bench.build.builders() == {job.pid for job in jobs}


def test_a_damage_that_many_see_is_mended(bench: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    bench.open().prepare()
    victim = bench.open()._file(2).path
    content = bytearray(victim.read_bytes())
    content[70] ^= 1
    victim.write_bytes(content)
    jobs = [forked(read_at_random, bench.open(), seed) for seed in range(3)]
    assert [ended(job) for job in jobs] == [0, 0, 0]
    reports = capfd.readouterr().err.splitlines()
    assert 1 <= len(reports) <= 3
    assert all(line.startswith(f"snnpd: cache: {victim} is damaged") for line in reports)
    before = bench.build.total()
    check_samples(bench.open(), range(NUM))
    assert bench.build.total() == before


def test_a_stopped_builder_holds_nobody_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    builder = forked(bench.open(build=replace(bench.build, pause_s=0.2)).prepare)
    wait_until(bench.build.total)
    os.kill(builder.pid, signal.SIGSTOP)
    try:
        monkeypatch.setattr(cache_store, "_STUCK_S", 0.3)
        check_samples(bench.open(), range(NUM))
    finally:
        os.kill(builder.pid, signal.SIGCONT)
    assert ended(builder) == 0
    before = bench.build.total()
    check_samples(bench.open(), range(NUM))
    assert bench.build.total() == before


def read_with_small_files(samples: CachedSamples) -> None:
    # The kernel refuses to write more than this, in the middle of a shard.
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
    samples.prepare()
    check_samples(samples, range(NUM))


def test_a_disk_that_refuses_in_the_middle_costs_the_cache_only(
    bench: Bench, capfd: pytest.CaptureFixture[str]
) -> None:
    job = forked(read_with_small_files, bench.open())
    assert ended(job) == 0
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("snnpd: cache: set is decoded each time")
    assert line.endswith("cannot write: File too large")
    assert not shard_files(bench.folder)
    assert not half_written(bench.folder)


LIBC = ctypes.CDLL(None)
_PRIVATE, _NO_WRITES, _AGAIN = 0x44000, 1, 32


def prepare_on_a_small_disk(bench: Bench) -> None:
    """Leaves with 77 where the system lets nobody mount a disk of its own."""
    identity = os.geteuid()
    if LIBC.unshare(0x20000) and LIBC.unshare(0x10020000) == 0:
        Path("/proc/self/uid_map").write_text(f"{identity} {identity} 1")
    if LIBC.mount(None, b"/", None, _PRIVATE, None) or LIBC.mount(
        b"tmpfs", os.fsencode(bench.folder), b"tmpfs", 0, b"size=64k"
    ):
        os._exit(77)
    samples = bench.open()
    prepare_and_check(samples)
    # Each of the six takes 13 KB or more.
    assert 1 <= len(shard_files(bench.folder)) <= 4
    assert not half_written(bench.folder)


def test_a_disk_that_is_full_keeps_what_it_took(bench: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    bench.folder.mkdir()
    bench.build = replace(bench.build, size=40)
    code = ended(forked(prepare_on_a_small_disk, bench))
    if code == 77:
        pytest.skip("needs the right to mount a disk")
    (line,) = capfd.readouterr().err.splitlines()
    assert code == 0
    assert line.endswith("cannot write: No space left on device")


def prepare_without_rights(samples: CachedSamples) -> None:
    # Even root obeys the permissions of files once it gave its capabilities away.
    assert LIBC.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()) == 0
    prepare_and_check(samples)


def test_a_cache_that_may_only_be_read_serves_what_it_has(
    bench: Bench, capfd: pytest.CaptureFixture[str]
) -> None:
    bench.open(sources=bench.sources[:8]).prepare()
    before = bench.build.total()
    for path in [*bench.folder.rglob("*"), bench.folder]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    assert ended(forked(prepare_without_rights, bench.open(sources=bench.sources[:8]))) == 0
    assert bench.build.total() == before
    assert capfd.readouterr().err == ""
    assert ended(forked(prepare_without_rights, bench.open())) == 0
    assert bench.build.total() == before + NUM - 8
    (line,) = capfd.readouterr().err.splitlines()
    assert line.endswith("cannot lock a file: Permission denied")
    for path in [bench.folder, *bench.folder.rglob("*")]:
        path.chmod(0o755)


def hold(samples: CachedSamples, ready: Any, go: Any) -> None:
    view = samples[0]["frames"].copy(), samples[0]["frames"]
    ready.set()
    go.wait(60)
    sys.exit(0 if np.array_equal(*view) else 3)


def test_what_another_process_reads_stays(bench: Bench) -> None:
    context = multiprocessing.get_context("fork")
    ready, go = context.Event(), context.Event()
    bench.open().prepare()
    reader = forked(hold, bench.open(), ready, go)
    assert ready.wait(60)
    limit = sum(path.stat().st_size for path in shard_files(bench.folder))
    other = ArrayCache(bench.folder, limit).open(
        "other", bench.sources, "t", [cache_builds], bench.build, per_shard=4
    )
    other.prepare()
    left = [path for path in shard_files(bench.folder) if path.parent.name == "set"]
    assert left == [bench.open()._file(0).path]
    # Nor does it break what is read when somebody deletes the file all the same.
    left[0].unlink()
    go.set()
    assert ended(reader) == 0


def read_and_push_out(folder: Path, sources: list[Path], name: str, limit_bytes: int) -> None:
    rng = np.random.default_rng()
    for _ in range(8):
        cache = ArrayCache(folder, limit_bytes)
        # Opened anew each time: between two rounds nothing of it is in use.
        samples = cache.open(name, sources, "t", [cache_builds], cache_builds.sample, per_shard=4)
        check_samples(samples, rng.permutation(NUM))


def test_jobs_that_push_each_other_out_read_what_is_right(
    bench: Bench, capfd: pytest.CaptureFixture[str]
) -> None:
    bench.open().prepare()
    limit = sum(path.stat().st_size for path in shard_files(bench.folder))
    jobs = [forked(read_and_push_out, bench.folder, bench.sources, name, limit) for name in "abc"]
    assert [ended(job) for job in jobs] == [0, 0, 0]
    reports = capfd.readouterr().err.splitlines()
    assert all("takes no more: the limit of" in line for line in reports)
    assert sum(path.stat().st_size for path in shard_files(bench.folder)) <= limit
    assert not half_written(bench.folder)


def shape_of(samples: list[dict[str, np.ndarray]]) -> list[int]:
    return [int(sample["frames"].sum()) for sample in samples]


@pytest.mark.parametrize("prepared", [False, True])
def test_loader_workers_read_and_build(bench: Bench, prepared: bool) -> None:
    samples = bench.open()
    if prepared:
        samples.prepare()
    loader: DataLoader = DataLoader(
        samples,
        batch_size=5,
        shuffle=True,
        num_workers=2,
        collate_fn=shape_of,
        multiprocessing_context="fork",
    )
    expected = sorted(int(cache_builds.sample(index)["frames"].sum()) for index in range(NUM))
    for _ in range(2):
        assert sorted(total for batch in loader for total in batch) == expected
    assert bench.build.counts() == dict.fromkeys(range(NUM), 1)
