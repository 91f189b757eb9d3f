"""What a run tells about itself: environment, headline, summary, table."""

import platform
import subprocess
import sys
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from rich.console import Console
from rich.table import Table

import snnpd
from snnpd.cli.compose import Parts
from snnpd.cli.recipes import twin_figure
from snnpd.neurons import explain
from snnpd.neurons.base import Neuron
from snnpd.training import Config, Fitted, Score
from snnpd.training.progress import duration

SUMMARY = "summary.json"
PACKAGES = ("torch", "spikingjelly", "snntorch", "lightning-fabric", "numpy", "scikit-learn", "aeon", "tonic")


def versions() -> dict[str, str]:
    """The versions of snnpd and of the libraries that are installed of those that a result depends on."""
    found = {"python": platform.python_version(), "snnpd": snnpd.__version__}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def environment() -> dict[str, Any]:
    """Machine, versions, and the commit if snnpd runs from a checkout."""
    return {
        "platform": platform.platform(),
        "executable": sys.executable,
        "threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "commit": commit(),
        "versions": versions(),
    }


def commit() -> str | None:
    """The commit of the checkout that snnpd was imported from, `-dirty` behind it if files differ from it."""
    root = Path(snnpd.__file__).parents[1]
    if not (root / ".git").exists():
        return None
    try:
        command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def headline(config: Config, parts: Parts, fabric: Fabric) -> str:
    """One line: what trains, on what, where."""
    choice = [f"attention {config.model.attention or 'default'}"]
    neurons = [module for module in parts.model.modules() if isinstance(module, Neuron)]
    if neurons:
        choice.append(f"neuron {config.model.neuron or 'default'}")
    loaders = (parts.train, parts.val, parts.test)
    sizes = " / ".join(f"{len(loader.dataset) if loader else 0:,}" for loader in loaders)  # type: ignore[arg-type]
    line = (
        f"{config.model.name} ({', '.join(choice)}; {parts.num_parameters:,} parameters) on {parts.splits.name} "
        f"({sizes} to train, choose, test), T = {config.time_steps}, "
        f"{fabric.world_size} × {fabric.device.type}, {config.runtime.precision}"
    )
    if neurons:
        line += f"; {explain(neurons[0], torch.zeros(config.time_steps, 1, 1, device=fabric.device))}"
    return line


def summarise(config: Config, recipe: str, parts: Parts, fitted: Fitted, test: Score) -> dict[str, Any]:
    """What `summary.json` holds."""
    rates = test.firing_rates
    return {
        "recipe": recipe,
        "model": asdict(config.model),
        "data": config.data.name,
        "seed": config.seed,
        "time_steps": config.time_steps,
        "test_accuracy": test.accuracy,
        "test_correct": test.correct,
        "test_total": test.total,
        "test_loss": test.loss,
        "val_accuracy": fitted.val_accuracy,
        "val_loss": fitted.val_loss,
        "chosen_epoch": fitted.epoch,
        "epochs": config.optim.epochs,
        "parameters": parts.num_parameters,
        "firing_rate": sum(rates.values()) / len(rates) if rates else None,
        "firing_rates": rates,
        "seconds": round(fitted.seconds, 1),
        "versions": versions(),
    }


def print_table(summary: dict[str, Any], folder: Path) -> None:
    """The result of a run, and beside it the shipped figure of its twin."""
    table = Table(
        title=f"{summary['recipe']}, seed {summary['seed']}", show_header=False, title_justify="left"
    )
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    counts = f"{summary['test_correct']} of {summary['test_total']}"
    table.add_row("test accuracy", f"{summary['test_accuracy']:.2%}  ({counts})")
    if twin := twin_figure(summary):
        name, accuracy, num_seeds = twin
        table.add_row("its ANN twin", f"{accuracy:.2%}  ({name}, shipped mean of {num_seeds} seeds)")
    if summary["val_accuracy"] is not None:
        table.add_row("validation accuracy", f"{summary['val_accuracy']:.2%}")
    table.add_row("chosen epoch", f"{summary['chosen_epoch']} of {summary['epochs']}")
    table.add_row("parameters", f"{summary['parameters']:,}")
    if summary["firing_rate"] is not None:
        table.add_row("mean firing rate", f"{summary['firing_rate']:.3f}")
    table.add_row("training time", duration(summary["seconds"]))
    table.add_row("folder", str(folder))
    Console().print(table)
