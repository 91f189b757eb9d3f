"""The options of `snnpd compare`."""

import os
import re
import shlex
from argparse import ArgumentError
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentParser

from snnpd.cli.compare_plan import Plan, make_plan
from snnpd.cli.compare_tree import list_comparisons
from snnpd.cli.words import whole_name
from snnpd.comparison.methods import METHOD_SETS
from snnpd.errors import UsageError


@dataclass(frozen=True)
class Job:
    """A comparison, its folder, and how it is shared out."""

    plan: Plan
    folder: Path
    devices: tuple[str, ...]
    retry: bool = False
    only_report: bool = False
    command: str = ""

    @property
    def threads(self) -> int:
        """CPU threads of each process."""
        return max(1, (os.cpu_count() or 1) // len(self.devices))


def parse_compare(argv: Sequence[str]) -> Job:
    """What the command line asks for.

    Raises:
        UsageError: an unknown name, option or value.
    """
    try:
        given = make_parser().parse_args(list(argv))
    except ArgumentError as error:
        raise UsageError(f"{error}; say `snnpd compare NAME`, {', '.join(list_comparisons())} say") from error
    settings = dict(_setting(word) for word in given.set or [])
    over = {name: getattr(given, name) for name in ("methods", "models", "neurons", "time_steps", "seeds")}
    over |= {"samples": given.samples, "settings": settings}
    if given.tune:
        over["tuning"] = {
            name: value if isinstance(value, list) else [value] for name, value in map(_setting, given.tune)
        }
    plan = make_plan(given.name, over)
    folder = Path(given.out) if given.out else Path("comparisons") / plan.name
    devices = devices_of(given.jobs, [part for part in (given.devices or "").split(",") if part])
    command = f"snnpd compare {shlex.join(argv)}"
    return Job(plan, folder, devices, bool(given.retry_failed), bool(given.report_only), command)


def _setting(word: str) -> tuple[str, Any]:
    name, equals, value = word.partition("=")
    if not equals:
        raise UsageError(f"{word!r} sets nothing; write NAME=VALUE, optim.epochs=3 say")
    try:
        return whole_name(name), yaml.safe_load(value)
    except yaml.YAMLError:
        raise UsageError(f"{word!r}: the value is no YAML; close brackets and quotes") from None


def devices_of(jobs: int | None, devices: Sequence[str]) -> tuple[str, ...]:
    """One device a process.

    Raises:
        UsageError: no process, or devices of two kinds.
    """
    if jobs is not None and jobs < 1:
        raise UsageError(f"--jobs {jobs}; give a whole number from 1 upwards")
    given = list(devices) or ["cpu"]
    wrong = [name for name in given if name != "cpu" and not re.fullmatch(r"cuda:\d+", name)]
    if wrong or len({name[:3] for name in given}) > 1:
        raise UsageError(f"--devices {','.join(given)}; give cpu, or cuda:0,cuda:1 and so on")
    num = jobs or (len(given) if given != ["cpu"] else os.cpu_count() or 1)
    return tuple(given[i % len(given)] for i in range(num))


def make_parser() -> ArgumentParser:
    """The parser of `snnpd compare`."""
    parser = ArgumentParser(
        prog="snnpd compare",
        description="Trains a grid of spiking networks, their ANN twins and controls under one budget, tests each "
        "once, and says what the figures show. Stopped or killed, the same command goes on.",
        exit_on_error=False,
    )
    parser.add_argument(
        "name",
        metavar="NAME",
        type=str,
        help=f"A comparison ({', '.join(list_comparisons())}), a training recipe, or a YAML file of either.",
    )
    sets = ", ".join(METHOD_SETS)
    words = {
        "methods": f"Methods, or sets of them ({sets}), with commas between. (default: the file's; core)",
        "models": "Spiking networks by name; each brings its ANN twin. (default: the recipe's)",
        "neurons": "Neurons of the spiking rows. (default: the recipe's)",
        "time_steps": "Time steps T of the spiking rows. (default: the recipe's)",
        "seeds": "Seeds; at least three for a spread. (default: 0,1,2)",
    }
    for name, text in words.items():
        parser.add_argument(f"--{name}", f"--{name.replace('_', '-')}", type=str, help=text)
    parser.add_argument("--set", action="append", help="A setting of all rows, NAME=VALUE: optim.epochs=3.")
    parser.add_argument("--tune", action="append", help="Values to try in every row: optim.lr=[0.001,0.003].")
    parser.add_argument(
        "--samples", type=int, help="Test samples whose operations are counted. (default: 64)"
    )
    parser.add_argument("--out", type=str, help="Its folder. (default: comparisons/NAME)")
    parser.add_argument("--jobs", type=int, help="Processes. (default: one a device, on the CPU one a core)")
    parser.add_argument("--devices", type=str, help="cpu, or cuda:0,cuda:1 and so on. (default: cpu)")
    parser.add_argument(
        "--retry_failed", "--retry-failed", action="store_true", help="Try failed cells again."
    )
    parser.add_argument(
        "--report_only",
        "--report-only",
        action="store_true",
        help="Train nothing; tables and page of what is there.",
    )
    return parser
