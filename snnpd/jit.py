"""Code compiled for the CPU: whether it can be had, its numeric primitives, and how it uses threads."""

import os
import sys
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import import_module
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

    Whoever is free takes the next part: torch's own threads spin for milliseconds after they are done, and a part
    that was given beforehand to a thread on such a core would be waited for.
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

    others = [_pool(os.getpid()).submit(take_parts) for _ in range(threads - 1)]
    take_parts()
    for other in others:
        # One that has not begun finds nothing left to do: it is not waited for.
        if not other.cancel():
            other.result()


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    # One a process: threads do not survive a fork, and a pool inherited through one would wait for ever.
    return ThreadPoolExecutor(max(1, os.cpu_count() or 1), thread_name_prefix="snnpd")
