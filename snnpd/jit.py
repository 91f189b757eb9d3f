"""Code compiled for the CPU: whether it can be had, its numeric primitives, and how it uses threads."""

import ctypes
import os
import sys
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import import_module
from pathlib import Path
from threading import Timer
from typing import Any

import torch

# Work for fewer elements than this is over before another thread has woken up.
ELEMENTS_A_THREAD = 65_536
PARTS_A_THREAD = 4
SECONDS_UNTIL_SAID = 2.0


@torch.compiler.assume_constant_result
def why_not() -> str | None:
    """Why nothing can be compiled for the CPU here, in a sentence; None if it can."""
    return _numba_obstacle()


@cache
def _numba_obstacle() -> str | None:
    try:
        import_module("numba")
    except ModuleNotFoundError:
        return "numba is not installed; pip install numba"
    except ImportError as error:
        return f"numba does not import here ({error}); pip install --upgrade numba"
    return None


def saying_so(function: Callable[..., None], *arguments: Any) -> None:
    """Calls a function that may have to be compiled first, and says so if it takes long enough to wonder."""

    def say() -> None:
        print("snnpd: compiling kernels for this processor (once; kept for later runs) ...", file=sys.stderr)

    timer = Timer(SECONDS_UNTIL_SAID, say)
    timer.daemon = True
    timer.start()
    try:
        function(*arguments)
    finally:
        timer.cancel()


def in_threads(function: Callable[..., None], count: int, work: int, *arguments: Any, align: int = 1) -> None:
    """Calls `function(*arguments, start, stop)` over `range(count)`, in parts that as many threads as torch has share.

    The function must release the interpreter's lock (numba's `nogil`) and parts must not write to the same places;
    what it computes for an index may not depend on the cut. `work` is the number of elements that the whole call
    touches; `align` is what the cuts are multiples of.

    Whoever is free takes the next part. The threads are torch's own where they can be had: those spin for milliseconds
    after an operator, on the very cores that threads of ours would wait for.
    """
    threads = min(torch.get_num_threads(), max(1, work // ELEMENTS_A_THREAD))
    if threads == 1:
        function(*arguments, 0, count)
        return
    size = -(-count // (threads * PARTS_A_THREAD * align)) * align
    starts = deque(range(0, count, size))

    def take_parts() -> None:
        while starts:
            try:
                start = starts.popleft()
            except IndexError:  # another thread was faster
                return
            function(*arguments, start, min(start + size, count))

    (_in_pool if _torch_team(os.getpid()) is None else _in_torch_team)(take_parts, threads)


def _in_torch_team(work: Callable[[], None], threads: int) -> None:
    """Calls `work` once on each thread of a team of torch's OpenMP."""
    failures: list[BaseException] = []

    def guarded(_: int | None) -> None:
        # An exception, Control-C too, would be lost on its way through C, and a part of the result with it.
        try:
            work()
        except BaseException as error:
            failures.append(error)

    team = _torch_team(os.getpid())
    assert team is not None
    team(_CALLBACK(guarded), None, threads, 0)
    if failures:
        raise failures[0]


_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_IMPORTED_IN = os.getpid()


@cache
def _torch_team(process: int) -> Any:
    """GNU OpenMP's entry `GOMP_parallel(function, data, num_threads, flags)` as torch is linked with it, or None.

    Other OpenMP libraries mostly have it as well, for programs that GCC compiled.
    """
    # A forked process inherits the book of threads that it does not have, and would wait for them.
    if process != _IMPORTED_IN:
        return None
    try:
        library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))
        entry = library.GOMP_parallel
    except (OSError, AttributeError):
        return None
    entry.argtypes = [_CALLBACK, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
    entry.restype = None
    return entry


def _in_pool(work: Callable[[], None], threads: int) -> None:
    """Calls `work` here and on threads of a pool of our own."""
    others = [_pool(os.getpid()).submit(work) for _ in range(threads - 1)]
    work()
    for other in others:
        # One that has not begun finds nothing left to do: it is not waited for.
        if not other.cancel():
            other.result()


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    # One a process: threads do not survive a fork, and a pool inherited through one would wait for ever.
    return ThreadPoolExecutor(max(1, os.cpu_count() or 1), thread_name_prefix="snnpd")
