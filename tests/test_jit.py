"""Work in parts: every part once, on torch's threads or on ours, with what went wrong told."""

import multiprocessing
import os
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from snnpd import jit

COUNT = 1000
WORK = 4 * jit.ELEMENTS_A_THREAD


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=["torch's", "ours"])
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "ours":
        monkeypatch.setattr(jit, "_torch_team", lambda process: None)
    elif jit._torch_team(os.getpid()) is None:
        pytest.skip("torch's OpenMP has no entry for other programs here")
    return request.param


def test_every_part_comes_once_and_begins_where_asked(threads: str) -> None:
    cuts, seen = [], np.zeros(COUNT, dtype=int)

    def mark(amount: int, start: int, stop: int) -> None:
        cuts.append(start)
        seen[start:stop] += amount

    jit.in_threads(mark, COUNT, WORK, 3, align=64)
    assert (seen == 3).all()
    assert len(cuts) > 2
    assert not any(cut % 64 for cut in cuts)


def test_two_threads_work_at_once(threads: str) -> None:
    workers = set()

    def wait(start: int, stop: int) -> None:
        workers.add(threading.get_ident())
        time.sleep(0.05)

    jit.in_threads(wait, COUNT, WORK)
    assert len(workers) == 2


def test_little_work_stays_on_the_calling_thread(threads: str) -> None:
    workers = []
    jit.in_threads(lambda start, stop: workers.append((threading.get_ident(), start, stop)), COUNT, 10)
    assert workers == [(threading.get_ident(), 0, COUNT)]


def test_what_goes_wrong_in_a_part_is_raised(threads: str) -> None:
    def fail(start: int, stop: int) -> None:
        if start:
            raise KeyboardInterrupt(f"in part {start}")

    with pytest.raises(KeyboardInterrupt, match="in part"):
        jit.in_threads(fail, COUNT, WORK)


def _fill() -> bool:
    torch.set_num_threads(2)
    seen = np.zeros(COUNT)
    jit.in_threads(lambda start, stop: seen[start:stop].fill(1.0), COUNT, WORK)
    return bool(seen.all())


# Python 3.12 and later warn of any fork once torch has started its threads.
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_does_not_wait_for_threads_that_it_has_not() -> None:
    assert _fill()
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply_async(_fill).get(timeout=30)
