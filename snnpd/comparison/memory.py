"""How much memory something takes at its peak."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

_MIB = 1 << 20
_SELF = Path("/proc/self")


class Peak:
    """What was found; None where the system does not tell."""

    mib: float | None = None


@contextmanager
def peak_memory(device: torch.device) -> Iterator[Peak]:
    """The growth of the memory in use over the block, at its peak: the device's on a GPU, the process's elsewhere.

    On the CPU, memory that was freed is given back to the system first, so that it does not hide what is taken anew.
    """
    peak = Peak()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        yield peak
        peak.mib = (torch.cuda.max_memory_allocated(device) - before) / _MIB
        return
    start = _reset()
    yield peak
    peak.mib = None if start is None else (_read("VmHWM") - start) / _MIB


def _reset() -> int | None:
    """Makes the peak what is resident now, in bytes; None where there is no such system."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
        (_SELF / "clear_refs").write_text("5")
        return _read("VmRSS")
    except (OSError, AttributeError):
        return None


def _read(name: str) -> int:
    lines = (_SELF / "status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))
