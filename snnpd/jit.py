"""Code compiled for the CPU: whether it can be had, its numeric primitives, and how it uses threads."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import import_module
from typing import Any

import torch

# Work for fewer elements than this is over before another thread has woken up.
ELEMENTS_A_THREAD = 32_768


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


def in_threads(function: Callable[..., None], count: int, work: int, *arguments: Any, align: int = 1) -> None:
    """Calls `function(*arguments, start, stop)` over `range(count)`, cut into one part for each of torch's threads.

    The function must release the interpreter's lock (numba's `nogil`) and parts must not write to the same places;
    what it computes for an index may not depend on the cut. `work` is the number of elements that the whole call
    touches; `align` is what the cuts are multiples of.
    """
    threads = min(torch.get_num_threads(), max(1, work // ELEMENTS_A_THREAD))
    part = -(-count // (threads * align)) * align
    starts = range(0, count, part) if part else range(0)
    rest = [_pool(os.getpid()).submit(function, *arguments, at, min(at + part, count)) for at in starts[1:]]
    function(*arguments, 0, min(part, count))
    for future in rest:
        future.result()


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    # One a process: threads do not survive a fork, and a pool inherited through one would wait for ever.
    return ThreadPoolExecutor(max(1, os.cpu_count() or 1), thread_name_prefix="snnpd")
