"""`snnpd compare`: a grid of trainings under one budget, and what their figures show."""

import json
import multiprocessing
import os
import time
from collections.abc import Sequence, Sized
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

import snnpd
from snnpd.atomic import write_atomic
from snnpd.cli.compare_cells import CellOrder
from snnpd.cli.compare_options import Job, devices_of, parse_compare
from snnpd.cli.compare_plan import make_plan
from snnpd.cli.compare_sizes import Sizes, budget_of, match_sizes
from snnpd.cli.report import environment
from snnpd.cli.stopping import Stopped
from snnpd.comparison.engine import Describe, Engine, Say
from snnpd.comparison.grid import Row, Setting
from snnpd.comparison.page import render
from snnpd.comparison.store import Store
from snnpd.comparison.summary import Told, summarise
from snnpd.comparison.tables import pairs_csv, to_csv, to_latex, to_markdown, to_text
from snnpd.comparison.workers import Workers
from snnpd.errors import UsageError
from snnpd.training import Config
from snnpd.training.files import write_json

STORE = "results.sqlite"


def main(argv: Sequence[str]) -> int:
    """Runs what is missing of a comparison, then writes and prints its tables and its page."""
    job = parse_compare(argv)
    console = Console(stderr=True, emoji=False)
    summary = carry_out(job, lambda line: console.print(line, soft_wrap=True, highlight=False, markup=False))
    console = Console(emoji=False)
    console.print(to_text(summary, console.width))
    for sentence in summary["reading"]:
        console.print(sentence, highlight=False, markup=False)
    print(f"written: {job.folder}/page.html, table.md, table.csv, pairs.csv, table.tex, summary.json")
    return 0


def compare(
    name: str,
    folder: str | Path | None = None,
    *,
    jobs: int | None = None,
    devices: Sequence[str] = (),
    retry_failed: bool = False,
    **over: Any,
) -> dict[str, Any]:
    """Runs a comparison and gives its summary: see `snnpd compare --help`.

    Args:
        name: a comparison or a training recipe, by name or as a file.
        folder: where it is kept, and gone on with; None: `comparisons/NAME`.
        jobs: processes; None: one a device, or one a core.
        devices: `cpu`, `cuda:0` and so on; one process each.
        retry_failed: try again what failed.
        over: `methods`, `neurons`, `time_steps`, `seeds`, `tuning`, `samples`, `settings`, over what the file says.

    Raises:
        UsageError: unknown names, or a folder with the outcomes of other settings.
    """
    if multiprocessing.parent_process() is not None:
        raise UsageError(
            "snnpd.compare starts processes, and each runs the script again from its top; put the call under "
            'if __name__ == "__main__":'
        )
    plan = make_plan(name, over)
    where = Path(folder) if folder is not None else Path("comparisons") / plan.name
    job = Job(plan, where, devices_of(jobs, devices), retry_failed, command=f"snnpd.compare({name!r})")
    return carry_out(job, lambda line: None)


def carry_out(job: Job, say: Say) -> dict[str, Any]:
    """Everything that is missing, then the files; gives the summary."""
    job.folder.mkdir(parents=True, exist_ok=True)
    store = Store(job.folder / STORE)
    try:
        sizes = match_sizes(job.plan)
        engine = Engine(job.plan.grid, store, _describer(job, sizes), _timed(say, store, len(job.devices)))
        engine.check()
        if job.retry:
            engine.retry()
        if not (job.only_report or engine.is_done):
            _run(job, engine, store)
        made = store.fact("made") or {"command": job.command, "environment": place()}
        summary = summarise(job.plan.grid, store, _told(job, sizes, made["command"]))
        write_files(summary, job.folder)
        write_json(job.folder / "environment.json", made["environment"])
    finally:
        store.close()
    return summary


def place() -> dict[str, Any]:
    """Machine and versions, without the paths of who ran it: these files are for others, too."""
    return {name: value for name, value in environment().items() if name != "executable"}


def _run(job: Job, engine: Engine, store: Store) -> None:
    environments = [_environment(device, job.threads) for device in job.devices]
    store.put_fact("made", {"command": job.command, "environment": place()})
    try:
        with Workers(environments) as workers:
            engine.run(workers)
    except Stopped as stop:
        raise Stopped(stop.signum, "; what is done is kept; the same command goes on") from None


def _timed(say: Say, store: Store, jobs: int) -> Say:
    """Keeps with every outcome, of which there is a line, how long all runs took until then: a kill loses no more."""
    before = store.fact("seconds") or {"total": 0.0}
    began = time.monotonic()

    def told(line: str) -> None:
        total = before["total"] + time.monotonic() - began
        store.put_fact("seconds", {"total": round(total, 1), "jobs": jobs})
        say(line)

    return told


def _environment(device: str, threads: int) -> dict[str, str]:
    """What a process is told before it imports anything: its threads, and the one GPU that it sees."""
    told = {
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "NUMBA_NUM_THREADS": str(threads),
    }
    return told | {"CUDA_VISIBLE_DEVICES": _visible(device)}


def _visible(device: str) -> str:
    """What makes a GPU the only one that a process sees; numbers count those that are visible here."""
    if not device.startswith("cuda"):
        return ""
    number = int(device.partition(":")[2])
    if number >= torch.cuda.device_count():
        raise UsageError(
            f"--devices {device}: torch sees {torch.cuda.device_count()} GPUs here; count from cuda:0"
        )
    here = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return here[number] if here else str(number)


def _describer(job: Job, sizes: Sizes) -> Describe:
    """What the engine asks for: a piece of work as an order."""

    def config_of(row: Row, seed: int, setting: Setting) -> Config:
        config = job.plan.config(row, seed, setting, sizes.ratios.get(row.key))
        kind: Any = "cuda" if job.devices[0].startswith("cuda") else "cpu"
        runtime = replace(config.runtime, accelerator=kind, devices=1, threads=job.threads)
        return replace(config, runtime=runtime)

    def describe(kind: str, row: Row, seed: int, setting: Setting, of_source: Setting) -> CellOrder:
        made_from = job.plan.grid.source_of(row)
        return CellOrder(
            kind,
            row,
            setting,
            config_of(row, seed, setting),
            job.folder,
            job.plan.samples,
            None if made_from is None else describe("cell", made_from, seed, of_source, {}),
            with_maps=seed == job.plan.grid.tuning_seed,
        )

    return describe


def _told(job: Job, sizes: Sizes, command: str) -> Told:
    """What the summary says of the whole."""
    plan, splits = job.plan, job.plan.splits
    parts = {"num_train": splits.train, "num_val": splits.val, "num_test": splits.test}
    sizes_of = {name: len(part) if isinstance(part, Sized) else 0 for name, part in parts.items()}
    data = {"name": splits.name, **sizes_of, "num_classes": splits.num_classes}
    return Told(plan.name, command, snnpd.__version__, data, budget_of(plan, sizes, data))


def write_files(summary: dict[str, Any], folder: Path) -> list[Path]:
    """The tables, the page and the summary, each whole or not at all."""
    texts = {
        "page.html": render(summary),
        "table.md": to_markdown(summary),
        "table.csv": to_csv(summary),
        "pairs.csv": pairs_csv(summary),
        "table.tex": to_latex(summary),
        "summary.json": json.dumps(summary, allow_nan=False, ensure_ascii=False) + "\n",
    }
    for name, text in texts.items():
        write_atomic(folder / name, text.encode())
    return [folder / name for name in texts]
