"""Forward time and peak memory of one attention layer, at one number of tokens after another; run in its own process.

Times are those that the processor spent on this process, which runs one thread: what others do on the machine is
seen through shared caches and memory alone.
"""

import ctypes
import math
import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from record import quantiles
from spikingjelly.activation_based.functional import reset_net
from torch import Tensor, nn

from snnpd.attention import Attention, ExpansionAttention, create_attention
from snnpd.attention.table import SPIKING
from snnpd.errors import UsageError
from snnpd.expansion.forms import Sizes, choose_form
from snnpd.neurons.monitor import firing_rates

SIZES = tuple(64 << doublings for doublings in range(9))
DIM, NUM_HEADS = 512, 8
INPUT_RATE = 0.2
CALIBRATION_TOKENS = 256
# Calls per size: as many as fit into the seconds, within these numbers; calls longer than LONG_SECONDS get the least.
CALLS, CALL_SECONDS, LONG_SECONDS = (3, 11), 0.5, 2.5
STATUS, CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")
# Numbers of glibc's mallopt.
TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX = -1, -3, -4


@dataclass(frozen=True)
class Subject:
    """A layer by name and options, with the label that its rows carry."""

    label: str
    attention: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Limits:
    """What one layer may take: processor seconds over all sizes, MiB in one forward pass."""

    seconds: float
    memory_mib: float


def measure(subject: Subject, limits: Limits, sink: Connection) -> None:
    """Sends a row for each size, smallest first; where a size is skipped, a row that says why, and ends."""
    torch.set_num_threads(1)
    started = time.process_time()
    rows: list[dict[str, Any]] = []
    layer = make_layer(subject)
    rate = calibrate(layer, subject)
    for num_tokens in SIZES:
        row: dict[str, Any] = {"implementation": subject.label, "shape": [1, 1, num_tokens, DIM]}
        left = limits.seconds - (time.process_time() - started)
        why_not = reason_to_skip(rows, left, limits.memory_mib)
        if not why_not:
            try:
                row |= cost(layer, tokens(subject, num_tokens))
            except UsageError as refusal:
                why_not = str(refusal)
        if why_not:
            sink.send(row | {"skipped": why_not})
            break
        row |= {"form": form_of(layer, num_tokens), "firing_rate": rate}
        rows.append(row)
        sink.send(row)
    sink.close()


def make_layer(subject: Subject) -> Attention:
    """The layer, with the same weights each time."""
    torch.manual_seed(0)
    return create_attention(subject.attention, DIM, NUM_HEADS, **subject.options)


def tokens(subject: Subject, num_tokens: int) -> Tensor:
    """Random spikes for a spiking layer, normally distributed numbers for an ANN layer."""
    torch.manual_seed(num_tokens)
    if subject.attention in SPIKING:
        return (torch.rand(1, 1, num_tokens, DIM) < INPUT_RATE).float()
    return torch.randn(1, 1, num_tokens, DIM)


@torch.no_grad()
def calibrate(layer: Attention, subject: Subject) -> float | None:
    """Sets the statistics of batch-norms, so that neurons fire; gives the mean firing rate, None without neurons."""
    for module in layer.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.momentum = None
    x = tokens(subject, CALIBRATION_TOKENS)
    layer.train()(x)
    reset_net(layer)
    with firing_rates(layer) as rates:
        layer.eval()(x)
    return round(statistics.mean(rates.values()), 3) if rates else None


def form_of(layer: Attention, num_tokens: int) -> str:
    """How the layer is evaluated at this number of tokens, in the words of its `form` option; "" where it has none."""
    if not isinstance(layer, ExpansionAttention) or layer.form != "auto":
        return getattr(layer, "form", "")
    width, forms = DIM // NUM_HEADS, set()
    for group in layer.head_groups:
        factors = (getattr(step, "factor", 1) for step in group.expansion.transforms)
        num_points = -(-num_tokens // reduce(int.__mul__, factors, 1))
        forms.add(choose_form(group.expansion, Sizes(num_tokens, num_points, width, width)))
    return ", ".join(sorted(forms))


@torch.no_grad()
def cost(layer: Attention, x: Tensor) -> dict[str, Any]:
    """Quantiles of the time of a forward pass, and its peak memory."""

    def call() -> None:
        reset_net(layer)
        layer(x)

    first, peak = peak_memory(call)
    if first <= LONG_SECONDS:
        call()
    seconds = [first] if first > LONG_SECONDS else []
    least, most = (2, 2) if seconds else CALLS
    while len(seconds) < least or (len(seconds) < most and sum(seconds) < CALL_SECONDS):
        seconds.append(timed(call))
    return {"peak_memory_mib": peak, **quantiles(seconds), "calls": len(seconds)}


def timed(call: Callable[[], None]) -> float:
    """Processor seconds that a call takes."""
    start = time.process_time()
    call()
    return time.process_time() - start


def peak_memory(call: Callable[[], None]) -> tuple[float, float | None]:
    """Seconds of a call, and MiB by which it raised the resident set; None where the system cannot tell."""
    if not (CLEAR_REFS.exists() and os.access(CLEAR_REFS, os.W_OK)):
        return timed(call), None
    keep_freed_memory(False)
    CLEAR_REFS.write_text("5")
    before = resident_kib("VmRSS")
    seconds = timed(call)
    peak = resident_kib("VmHWM") - before
    keep_freed_memory(True)
    return seconds, round(peak / 1024, 2)


def can_keep_freed_memory() -> bool:
    """Whether the C library is glibc, whose allocator can be told."""
    library = ctypes.CDLL(None)
    return hasattr(library, "mallopt") and hasattr(library, "malloc_trim")


def keep_freed_memory(keep: bool) -> None:
    """Whether the C library keeps what is freed, for speed, or gives it back at once, for peaks that are true.

    As it comes, it keeps blocks under 32 MiB alone: times would jump where tensors grow beyond that.
    """
    if not can_keep_freed_memory():
        return
    library = ctypes.CDLL(None)
    library.mallopt(MMAP_MAX, 0 if keep else 1 << 16)
    library.mallopt(MMAP_THRESHOLD, 1 << 16)
    library.mallopt(TRIM_THRESHOLD, (1 << 31) - 1 if keep else 1 << 16)
    if not keep:
        library.malloc_trim(0)


def resident_kib(name: str) -> int:
    """A figure of this process from /proc (Linux)."""
    return int(next(line for line in STATUS.read_text().splitlines() if line.startswith(name)).split()[1])


def reason_to_skip(rows: list[dict[str, Any]], seconds_left: float, memory_mib: float) -> str:
    """Why the next size is left out, foretold from the last two; "" where it fits.

    Time and memory are taken to grow by the last ratio, at most fourfold, which is quadratic.
    """
    if not rows:
        return ""
    call = foretold([row["p50_ms"] for row in rows]) / 1000
    least = 2 if call > LONG_SECONDS else CALLS[0] + 2
    if least * call > seconds_left:
        return f"{least} calls of {call:.1f} s each would take more than the seconds left"
    if rows[-1]["peak_memory_mib"] is None:
        return ""
    memory = foretold([row["peak_memory_mib"] for row in rows])
    return f"{memory / 1024:.1f} GiB would be more than it may take" if memory > memory_mib else ""


def foretold(figures: list[float]) -> float:
    """The next of a series that grows at its last rate, twofold to fourfold."""
    if len(figures) < 2 or figures[-2] <= 0:
        return 4 * figures[-1]
    ratio = figures[-1] / figures[-2]
    return figures[-1] * (4.0 if math.isnan(ratio) else min(max(ratio, 2.0), 4.0))
