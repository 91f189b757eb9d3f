"""`snnpd doctor`."""

import os
from collections.abc import Sequence
from importlib.util import find_spec

import torch
from rich.console import Console
from rich.table import Table

from snnpd import cuda_code, jit
from snnpd.cli.report import commit, versions
from snnpd.errors import UsageError
from snnpd.neurons import create_neuron, explain, list_neurons

EXTRAS = {"cupy": "cuda12 or cuda13", "tonic": "events", "aeon": "series"}


def main(argv: Sequence[str]) -> int:
    """Prints versions, devices, extras, and which implementation runs each neuron."""
    if argv:
        raise UsageError(f"snnpd doctor takes no options, got {argv[0]!r}")
    console = Console()
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, number in versions().items():
        table.add_row(name, number)
    table.add_row("commit", commit() or "not a checkout")
    table.add_row("CPU", f"{os.cpu_count()} cores, torch uses {torch.get_num_threads()} threads")
    table.add_row(
        "GPU", ", ".join(_gpus()) or f"none that torch (CUDA {torch.version.cuda or 'not built in'}) sees"
    )
    for module, extra in EXTRAS.items():
        table.add_row(module, "installed" if find_spec(module) else f"not installed; extra {extra}")
    table.add_row("CUDA kernels", cuda_code.why_not() or "ready")
    table.add_row("CPU kernels", jit.why_not() or "ready")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for name in list_neurons():
        neuron = create_neuron(name).to(device)
        table.add_row(f"neuron {name}", explain(neuron, torch.zeros(4, 1, 8, device=device)))
    console.print(table, highlight=False)
    return 0


def _gpus() -> list[str]:
    return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
