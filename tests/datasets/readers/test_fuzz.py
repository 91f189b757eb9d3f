"""Damaged files of every format for a while: whatever comes out is a right recording or a UsageError."""

import json
import multiprocessing
import os
from pathlib import Path

import pytest

from tests.datasets.readers.damage import feed, kinds

pytest.importorskip("h5py")
SECONDS = float(os.environ.get("SNNPD_FUZZ_SECONDS", "600"))


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize(
    ("seconds", "seed"),
    [(3.0, 0), pytest.param(SECONDS, os.getpid(), marks=pytest.mark.slow, id="any")],
)
def test_damaged_files_are_read_right_or_refused(tmp_path: Path, seconds: float, seed: int) -> None:
    """In a process of its own, as a crash or memory without bound would take this one along."""
    names = list(kinds())
    process = multiprocessing.get_context("fork").Process(target=feed, args=(names, seconds, seed, tmp_path))
    process.start()
    process.join(seconds + 300)
    stuck = process.is_alive()
    process.kill()
    process.join()
    left = [str(path) for path in tmp_path.glob("case-*")]
    assert not stuck
    assert process.exitcode == 0, f"seed {seed}: see what was printed, and the file {left}"
    tally = json.loads((tmp_path / "tally.json").read_text())
    print(tally)
    assert set(tally) == set(names)
    assert sum(outcomes.get("refused", 0) for outcomes in tally.values()) > 100
