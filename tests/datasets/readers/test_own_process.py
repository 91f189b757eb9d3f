"""A process of its own: what it finds comes back whole; a crash, a hang and greed become one line."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

import snnpd.datasets.readers.own_process as own_process
from snnpd.datasets.readers.own_process import Found, in_own_process
from snnpd.errors import UsageError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "a.h5").write_bytes(b"content")
    return tmp_path / "a.h5"


def test_values_and_arrays_come_back(path: Path) -> None:
    arrays = [
        np.arange(6).reshape(2, 3),
        np.empty((0, 2), "f2"),
        np.arange(10**6, dtype=">u4")[::3],
        np.array(True),
    ]
    value, found = in_own_process(lambda: ([os.getpid(), None, "ü\n"], arrays), path)
    assert value[0] != os.getpid()
    assert value[1:] == [None, "ü\n"]
    for ours, theirs in zip(found, arrays, strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


def _crash() -> NoReturn:
    os.kill(os.getpid(), signal.SIGSEGV)
    raise AssertionError


def _hang() -> NoReturn:
    while True:
        pass


def _greed() -> Found:
    return None, [np.ones(1 << 25)]


def _die_halfway() -> NoReturn:
    os._exit(0)


@pytest.mark.parametrize(
    ("read", "message"),
    [(_crash, "crashes the library that reads it .SIGSEGV"), (_hang, "does not end"), (_greed, "far more memory"),
     (_die_halfway, "damaged")],
)  # fmt: skip
def test_what_ends_the_process_is_told_in_one_line(
    path: Path, read: Callable[[], Found], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_process, "_SECONDS", 0.2)
    open_before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(UsageError, match=message) as caught:
        in_own_process(read, path)
    assert str(caught.value).isprintable()
    assert len(os.listdir("/proc/self/fd")) == open_before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_errors_come_back_as_they_are(path: Path) -> None:
    def refuse() -> NoReturn:
        raise UsageError("a.h5: not so")

    def fail() -> NoReturn:
        raise ZeroDivisionError("a mistake of ours")

    with pytest.raises(UsageError, match=r"^a.h5: not so$"):
        in_own_process(refuse, path)
    with pytest.raises(RuntimeError, match="ZeroDivisionError: a mistake of ours"):
        in_own_process(fail, path)
    with pytest.raises(UsageError, match="no such file"):
        in_own_process(refuse, path.with_name("other.h5"))


def test_limits_follow_the_size_of_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_process, "_MEMORY", 16 << 20)

    def need() -> Found:
        # More than an allocator would take from what it has kept.
        return np.ones(1 << 25).sum(), []

    with pytest.raises(UsageError, match="far more memory"):
        in_own_process(need, path)
    path.write_bytes(bytes(8 << 20))
    assert in_own_process(need, path) == (1 << 25, [])


def test_waiting_is_no_computing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_process, "_SECONDS", 0.1)

    def wait() -> Found:
        time.sleep(0.4)
        return "late", []

    assert in_own_process(wait, path) == ("late", [])
