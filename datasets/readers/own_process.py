"""Runs a reader in a process of its own: HDF5's library crashes, hangs or takes any memory on damaged bytes."""

import faulthandler
import fcntl
import json
import os
import resource
import signal
import traceback
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np
from numpy.typing import NDArray

from snnpd.datasets.readers.file_bytes import read_start
from snnpd.errors import UsageError

# What a file may cost to read, beside what is needed for any: bytes of memory and seconds of computing a byte.
_MEMORY, _MEMORY_A_BYTE = 128 << 20, 64
_SECONDS, _SECONDS_A_BYTE = 10.0, 1e-6
_PIPE = 1 << 20

# What a reader found: plain values that JSON can hold, and arrays of numbers.
Found = tuple[Any, Sequence[NDArray]]


def in_own_process(read: Callable[[], Found], path: Path) -> Found:
    """What `read` gives, called in a forked copy of this process with limits that follow the size of the file.

    Raises:
        UsageError: that of `read`, or the copy crashed or went beyond its limits.
        RuntimeError: `read` raised something else; holds its traceback.
    """
    read_start(path, 1)
    receive, send = _wide_pipe()
    with warnings.catch_warnings():
        # Python warns of threads that hold locks; the copy runs nothing but numpy and h5py, which guard theirs.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        _answer(read, path, receive, send)
    os.close(send)
    try:
        with os.fdopen(receive, "rb") as stream:
            answer = _received(stream)
    finally:
        _, status = os.waitpid(child, 0)
    if answer is None:
        raise UsageError(f"{path}: damaged: {_fate(status)}; fetch the file again")
    kind, value, arrays = answer
    if kind == "refused":
        raise UsageError(value)
    if kind == "failed":
        raise RuntimeError(f"reading {path} failed:\n{value}")
    return value, arrays


def _wide_pipe() -> tuple[int, int]:
    receive, send = os.pipe()
    # With what a pipe holds at first, the two would wait for each other for most of the time.
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with suppress(OSError):
            fcntl.fcntl(send, fcntl.F_SETPIPE_SZ, _PIPE)
    return receive, send


def _answer(read: Callable[[], Found], path: Path, receive: int, send: int) -> NoReturn:
    """The life of the copy; nothing that the process would do at its end is done."""
    try:
        os.close(receive)
        _limit(path.stat().st_size)
        with os.fdopen(send, "wb") as stream:
            try:
                value, arrays = read()
                _send(stream, "found", value, arrays)
            except UsageError as error:
                _send(stream, "refused", str(error), [])
            except MemoryError:
                pass
            except Exception:
                _send(stream, "failed", traceback.format_exc(), [])
    finally:
        os._exit(0)


def _limit(num_bytes: int) -> None:
    faulthandler.disable()
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, _SECONDS + _SECONDS_A_BYTE * num_bytes)
    # Linux tells how much address space is in use; elsewhere the limit would hit what is already there.
    taken = Path("/proc/self/statm")
    if taken.exists():
        now = int(taken.read_text().split()[0]) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        most = now + _MEMORY + _MEMORY_A_BYTE * num_bytes
        resource.setrlimit(resource.RLIMIT_AS, (most if hard < 0 else min(most, hard), hard))


def _send(stream: BinaryIO, kind: str, value: Any, arrays: Sequence[NDArray]) -> None:
    forms = [(array.dtype.str, array.shape) for array in arrays]
    stream.write(json.dumps([kind, value, forms]).encode() + b"\n")
    for array in arrays:
        stream.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def _received(stream: BinaryIO) -> tuple[str, Any, list[NDArray]] | None:
    """What the copy sent, None if it ended before all of it was there."""
    line = stream.readline()
    if not line.endswith(b"\n"):
        return None
    kind, value, forms = json.loads(line)
    arrays = []
    for dtype, shape in forms:
        array = np.empty(shape, dtype)
        if stream.readinto(array.reshape(-1).view(np.uint8).data) != array.nbytes:  # type: ignore[attr-defined]
            return None
        arrays.append(array)
    return kind, value, arrays


def _fate(status: int) -> str:
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF:
        return "reading it does not end"
    if os.WIFSIGNALED(status):
        return f"it crashes the library that reads it ({signal.Signals(os.WTERMSIG(status)).name})"
    return "reading it takes far more memory than a sound file of its size"
