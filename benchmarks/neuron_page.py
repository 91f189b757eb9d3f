"""What runs where: a table for the README and docs/kernels.md, from the rows of `benchmarks/neuron_kernels.py`.

Run: python benchmarks/neuron_page.py
"""

import json
from pathlib import Path
from typing import Any

import torch

from snnpd.neurons.dispatch import CPU_DTYPES, CUDA_DTYPES

ROOT = Path(__file__).parents[1]
ROWS = ROOT / "benchmarks" / "results" / "neuron_kernels.jsonl"
MARKS = ("<!-- kernels -->\n", "<!-- /kernels -->")
OPERATIONS = {"neuron binary": "LIF", "neuron ternary": "TernaryLIF", "neuron integer": "IntegerLIF"}
HEAD = (
    "| device | precision | what runs | neuron | ms | reference | SpikingJelly | snnTorch |\n"
    + "|---" * 8
    + "|\n"
)


def latest() -> dict[tuple[str, str, str], dict[str, dict[str, Any]]]:
    """By device, dtype and operation: the newest row of each implementation."""
    found: dict[tuple[str, str, str], dict[str, dict[str, Any]]] = {}
    for line in ROWS.read_text().splitlines():
        row = json.loads(line)
        found.setdefault((row["device"], row["dtype"], row["op"]), {})[row["implementation"]] = row
    return found


def line(device: str, dtype: str, op: str, rows: dict[str, dict[str, Any]]) -> str:
    """One row of the table; what others take is in units of ours."""
    ours = next(row for name, row in rows.items() if name.startswith("snnpd") and name.endswith("lean"))

    def against(start: str) -> str:
        other = next((row for name, row in rows.items() if name.startswith(start)), None)
        return "–" if other is None else f"{other['p50_ms'] / ours['p50_ms']:.2f} ×"

    kernel = "CuPy kernel" if device.startswith("NVIDIA") else "numba kernel"
    times = [against(start) for start in ("snnpd reference", "spikingjelly", "snntorch")]
    return (
        "| " + " | ".join([device, dtype, kernel, OPERATIONS[op], f"{ours['p50_ms']:.1f}", *times]) + " |\n"
    )


def short(dtypes: tuple[torch.dtype, ...]) -> str:
    """The names of dtypes, for a sentence."""
    return ", ".join(str(dtype).removeprefix("torch.") for dtype in dtypes)


def table() -> str:
    """Measured rows, then what else runs, without a figure."""
    found = latest()
    measured = "".join(line(*key, rows) for key, rows in sorted(found.items()))
    rest = ["" if any(device.startswith("NVIDIA") for device, _, _ in found) else "not measured"]
    cuda = (
        f"| CUDA, compute capability 8.0 up | {short(CUDA_DTYPES)} | CuPy kernel | all | {rest[0]} | | | |\n"
    )
    cpu = f"| CPU | {short(CPU_DTYPES)} | numba kernel | all | | | | |\n"
    other = "| anything else | any | the reference, in PyTorch | all | | | | |\n"
    return HEAD + measured + cuda + cpu + other


def main() -> None:
    """Writes the table between the marks of both files."""
    for path in (ROOT / "README.md", ROOT / "docs" / "kernels.md"):
        text = path.read_text()
        start, end = text.index(MARKS[0]) + len(MARKS[0]), text.index(MARKS[1])
        path.write_text(text[:start] + table() + text[end:])
        print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
