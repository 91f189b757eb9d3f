"""What every benchmark row says besides its figures, and where rows go."""

import json
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

RESULTS = Path(__file__).parent / "results"


def quantiles(seconds: list[float]) -> dict[str, float]:
    """p20, p50 and p80 in milliseconds."""
    cuts = statistics.quantiles(seconds, n=10, method="inclusive")
    return {f"p{p}_ms": round(1000 * cuts[p // 10 - 1], 3) for p in (20, 50, 80)}


def stopwatch(function: Callable[[], object], device: str = "cpu") -> Callable[[], float]:
    """Runs the function to its end, on the device too, and gives the seconds it took."""

    def run() -> float:
        if device == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        function()
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    return run


def resident_kib(field: str) -> int:
    """A figure of this process from /proc (Linux); unlike ru_maxrss, it does not inherit the parent's peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1])


def append(name: str, row: dict[str, Any]) -> None:
    """Adds a row, with device, versions, commit and date, to `results/NAME.jsonl`."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True
    ).stdout.strip()
    is_cuda = torch.cuda.is_available()
    where = {
        "device": torch.cuda.get_device_name()
        if is_cuda
        else f"cpu {platform.machine()}, {torch.get_num_threads()} threads",
        "torch": torch.__version__,
        "spikingjelly": version("spikingjelly"),
        "commit": commit,
        "date": datetime.now(UTC).date().isoformat(),
    }
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / f"{name}.jsonl").open("a") as file:
        file.write(json.dumps(row | where) + "\n")
    print(json.dumps(row), flush=True)
