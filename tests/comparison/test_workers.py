"""Processes that work side by side: results, exceptions, deaths, environments, and no process left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from snnpd.comparison.workers import Died, Workers

WAITS = """
import os, sys, time
from snnpd.comparison.workers import Workers
if __name__ == "__main__":
    with Workers([{}]) as workers:
        workers.begin("pid", os.getpid)
        while not workers.is_idle:
            for _, pid in workers.ended():
                print(pid, flush=True)
        workers.begin("long", time.sleep, 600)
        while not workers.is_idle:
            list(workers.ended())
"""


@pytest.fixture(scope="module")
def pair() -> Iterator[Workers]:
    with Workers([{"OMP_NUM_THREADS": "1", "WHICH": "a"}, {"WHICH": "b"}]) as workers:
        yield workers


def outcomes(workers: Workers) -> dict[object, object]:
    found: dict[object, object] = {}
    while not workers.is_idle:
        found |= dict(workers.ended())
    return found


def test_each_process_has_its_environment_and_both_work_at_once(pair: Workers) -> None:
    for key in ("one", "two"):
        assert pair.has_room
        pair.begin(key, os.getenv, "WHICH")
    assert not pair.has_room
    assert outcomes(pair) == {"one": "a", "two": "b"}
    assert pair.is_idle


def test_an_exception_is_an_outcome_and_the_process_goes_on(pair: Workers) -> None:
    pair.begin("bad", int, "no number")
    assert str(outcomes(pair)["bad"]).startswith("ValueError: invalid literal")
    pair.begin("good", int, "7")
    assert outcomes(pair) == {"good": 7}


def test_a_result_that_does_not_pickle_is_told(pair: Workers) -> None:
    pair.begin("bad", eval, "lambda: 0")
    pair.begin("odd", eval, "(_ for _ in ()).throw(UnicodeDecodeError('utf8', b'x', 0, 1, 'why'))")
    found = outcomes(pair)
    assert "a function, does not pickle" in str(found["bad"])
    assert str(found["odd"]).startswith("UnicodeDecodeError: 'utf8' codec")


def test_a_death_takes_one_piece_of_work_and_another_process_comes(pair: Workers) -> None:
    pair.begin("killed", signal.raise_signal, signal.SIGKILL)
    pair.begin("ended", os._exit, 3)
    found = outcomes(pair)
    assert str(found["killed"]) == "its process ended (killed by signal SIGKILL); out of memory?"
    assert str(found["ended"]) == "its process ended (exit code 3); out of memory?"
    assert all(isinstance(outcome, Died) for outcome in found.values())
    pair.begin("next", int, "1")
    assert outcomes(pair) == {"next": 1}


def test_a_process_that_is_killed_while_idle_is_replaced(pair: Workers) -> None:
    for worker in pair.workers.values():
        worker.process.kill()
        worker.process.join()
    pair.begin("next", int, "1")
    assert outcomes(pair) == {"next": 1}


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_no_process_outlives_the_first(tmp_path: Path, signum: signal.Signals) -> None:
    script = tmp_path / "waits.py"
    script.write_text(WAITS)
    first = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None
    worker = int(first.stdout.readline())
    os.kill(first.pid, signum)
    first.wait()
    first.stdout.close()
    deadline = time.monotonic() + 20
    while is_alive(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(worker)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
