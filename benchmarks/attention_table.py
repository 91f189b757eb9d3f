"""Every attention by name, trained on digits and JapaneseVowels: one table, docs/attention_table.md.

Run: python benchmarks/attention_table.py [--jobs 2] [--names bsa ssa] [--write-only]

Each run is a process of its own with one thread; finished runs stand in results/attention_table.jsonl and are not
repeated at the same settings, so an interrupted table goes on where it stopped. Validation (a tenth of train)
chooses the epoch on digits, the last epoch counts on JapaneseVowels, test is read once.
"""

import argparse
import io
import json
import multiprocessing
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from lightning_fabric import Fabric
from record import RESULTS, append
from rich.progress import Progress

from snnpd.analysis.heads import head_distance, row_sum_range
from snnpd.attention import HeadView, observe
from snnpd.attention.table import ANALOG, SPIKING
from snnpd.cli.compose import Parts, compose
from snnpd.errors import TrainingError
from snnpd.training import Config, evaluate, fit, make_fabric
from snnpd.training.config import config_from

PAGE = Path(__file__).parents[1] / "docs" / "attention_table.md"
NAME = "attention_table"
SEEDS = (0, 1, 2)
# The settings of the shipped recipes at a smaller budget; the same for every attention, tuned for none.
SHARED: dict[str, Any] = {"lr": 0.004, "label_smoothing": 0.1, "ema_decay": 0.95, "warmup_epochs": 1.0}
DATA: dict[str, dict[str, Any]] = {
    "digits": {"data": {"name": "digits"}, "optim": SHARED | {"epochs": 6, "batch_size": 64}},
    "japanese_vowels": {
        "data": {"name": "japanese_vowels", "val_fraction": 0.0, "options": {"jitter": 0.2}},
        "optim": SHARED | {"epochs": 12, "batch_size": 16},
    },
}
# Penalty on dual infeasibility: off in every row but these.
PENALTY = 0.1
PENALISED = ("softmax", "bsa")
# Width of the networks, and time steps of the spiking ones.
DIM, TIME_STEPS = 32, 2


def row_names() -> list[str]:
    """All attentions, and those that are run with the penalty, too."""
    return [*ANALOG, *SPIKING, *(f"{name} + dual penalty" for name in PENALISED)]


def config_of(row: str, data: str, seed: int) -> Config:
    """The settings of one run."""
    name, _, penalty = row.partition(" + ")
    is_spiking = name in SPIKING
    settings = DATA[data] | {
        "seed": seed,
        "time_steps": TIME_STEPS if is_spiking else 1,
        "model": {
            "name": "spikingformer_tiny" if is_spiking else "vit_tiny_twin",
            "attention": name,
            "options": {"dim": DIM},
        },
        "runtime": {"accelerator": "cpu", "threads": 1},
    }
    if penalty:
        settings["optim"] = settings["optim"] | {"dual_penalty": PENALTY}
    return config_from(settings)


def run_one(task: tuple[str, str, int]) -> dict[str, Any]:
    """Trains, tests once, and looks at the heads; a process of its own, so that its memory is its own."""
    row, data, seed = task
    config = config_of(row, data, seed)
    fabric = make_fabric(config.runtime)
    parts = compose(config, fabric)
    identity = {"row": row, "data": data, "seed": seed, "settings": _settings(row, data)}
    base = _reset_peak()
    began = time.process_time()  # of one thread: what else runs on the machine hardly moves it
    with tempfile.TemporaryDirectory() as name, redirect_stdout(io.StringIO()):
        loaders, folder = (parts.train, parts.val), Path(name)
        try:
            fitted = fit(parts.model, *loaders, config, folder=folder, encode=parts.encode, fabric=fabric)
        except TrainingError as error:  # a row that diverges is a result, too
            return identity | {"failed": str(error).replace(name, "FOLDER")}
    seconds = time.process_time() - began
    peak = _peak()
    score = evaluate(parts.model, parts.test, parts.encode, fabric=fabric, seed=seed, rates=True)
    rates = list(score.firing_rates.values())
    return (
        identity
        | {
            "test_accuracy": score.correct / score.total,
            "chosen_epoch": fitted.epoch,
            "parameters": parts.num_parameters,
            "ms_per_step": round(1000 * seconds / (config.optim.epochs * len(parts.train)), 2),
            "peak_mib": None if base is None or peak is None else round((peak - base) / 1024, 1),
            "firing_rate": mean(rates) if rates else None,
        }
        | look(parts, fabric)
    )


@torch.no_grad()
def look(parts: Parts, fabric: Fabric) -> dict[str, Any]:
    """Head distance and row sums over all attention layers, on the first test batch."""
    batch = fabric.to_device(next(iter(parts.test)))
    with observe(parts.model) as views:
        evaluate(parts.model, [batch], parts.encode, fabric=fabric)
    distances = [head_distance(heads, batch.mask) for heads in _heads(views)]
    known = [d for d in distances if d is not None]
    sums = [row_sum_range(view, batch.mask) for layer in _innermost(views).values() for view in layer]
    ranges = [r for r in sums if r is not None]
    return {
        "head_distance": mean(d.absolute for d in known) if known else None,
        "head_distance_relative": mean(d.relative for d in known) if known else None,
        "row_sums": [min(r[0] for r in ranges), max(r[1] for r in ranges)] if ranges else None,
    }


def _innermost(views: dict[str, list[HeadView]]) -> dict[str, list[HeadView]]:
    """Layers without another attention layer inside, whose views would count twice, among tokens."""
    inner = {n: v for n, v in views.items() if not any(other.startswith(f"{n}.") for other in views)}
    return {n: v for n, v in inner.items() if not n.endswith(".between")}  # its tokens are samples


def _heads(views: dict[str, list[HeadView]]) -> Iterator[torch.Tensor]:
    for layer in _innermost(views).values():
        if layer and len({view.heads.shape[-1] for view in layer}) == 1:
            heads = torch.cat([view.heads for view in layer], dim=2)
            yield heads


def _reset_peak() -> int | None:
    """Resident memory now, in KiB, the high-water mark set back to it; None where the system has none."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return _peak()
    except OSError:
        return None


def _peak() -> int | None:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), None)


def _settings(row: str, data: str) -> str:
    """What a row was run at, without its seed: rows of other settings are not reused."""
    optim = config_of(row, data, 0).optim
    return f"{optim.epochs} epochs, batch {optim.batch_size}, lr {optim.lr:g}, width {DIM}"


def stored() -> list[dict[str, Any]]:
    """The finished runs at the present settings."""
    path = RESULTS / f"{NAME}.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [r for r in rows if r["row"] in row_names() and r["settings"] == _settings(r["row"], r["data"])]


INTRODUCTION = f"""# Every attention, by name

Written by `python benchmarks/attention_table.py` from `benchmarks/results/attention_table.jsonl`.

Networks of width {DIM}, two blocks, four heads; ANN layers in `vit_tiny_twin` with one time step, spiking ones in
`spikingformer_tiny` with {TIME_STEPS}. The budget is small, the same for all and tuned for none: the table shows that
every layer trains by its name and what it costs beside the others, not how good it can get (the README has figures
of full recipes). Rows "+ dual penalty" add `optim.dual_penalty` = {PENALTY}; it is off in all others.

Accuracy on test: mean ± standard deviation over seeds. Time: processor time of a training step (validation included)
on one thread. Memory: growth of the resident set in training. Head distance: mean distance between the
outputs of two heads relative to their size, 1 at right angles, 0 for equal heads. Row sums: least and greatest of
the attention map on a test batch; – where a layer has no map.
"""
COLUMNS = (
    "attention, test accuracy (%), parameters, ms / step, peak MiB, firing rate, head distance, row sums"
)


def page(rows: list[dict[str, Any]]) -> str:
    """The page: one table a data set, made from the stored rows alone."""
    text = [INTRODUCTION]
    for data in DATA:
        text += [f"## {data}", "", *_table([r for r in rows if r["data"] == data]), ""]
    return "\n".join(text)


def _table(rows: list[dict[str, Any]]) -> list[str]:
    found = defaultdict(list)
    for row in rows:
        found[row["row"]].append(row)
    if not found:
        return ["no runs yet"]
    titles = COLUMNS.split(", ")
    return [
        f"{rows[0]['settings']}; seeds {', '.join(map(str, sorted({r['seed'] for r in rows})))}.",
        "",
        f"| {' | '.join(titles)} |",
        "|---" * len(titles) + "|",
        *(_line(name, found[name]) for name in row_names() if name in found),
    ]


def _line(name: str, runs: list[dict[str, Any]]) -> str:
    num_failed = sum("failed" in run for run in runs)
    runs = [run for run in runs if "failed" not in run]
    if not runs:
        return f"| `{name}` | diverged in all {num_failed} runs |" + " – |" * 6
    accuracy = [100 * run["test_accuracy"] for run in runs]
    spread = f" ± {stdev(accuracy):.1f}" if len(accuracy) > 1 else ""
    spread += f" ({num_failed} diverged)" if num_failed else ""
    ranges = [run["row_sums"] for run in runs if run["row_sums"]]
    sums = f"{min(r[0] for r in ranges):.2f} to {max(r[1] for r in ranges):.2f}" if ranges else "–"
    cells = [
        f"`{name}`" if "+" not in name else name,
        f"{mean(accuracy):.1f}{spread}",
        f"{runs[0]['parameters']:,}",
        f"{median(run['ms_per_step'] for run in runs):.1f}",
        _mean(runs, "peak_mib", ".0f"),
        _mean(runs, "firing_rate", ".2f"),
        _mean(runs, "head_distance_relative", ".2f"),
        sums,
    ]
    return f"| {' | '.join(cells)} |"


def _mean(runs: list[dict[str, Any]], key: str, form: str) -> str:
    values = [run[key] for run in runs if run[key] is not None]
    return format(mean(values), form) if values else "–"


def main() -> None:
    """Runs what is missing, then writes the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    parser.add_argument("--names", nargs="*", default=row_names(), help="rows of the table (default: all)")
    parser.add_argument("--write-only", action="store_true", help="write the page from the stored runs")
    options = parser.parse_args()
    done = {(r["row"], r["data"], r["seed"]) for r in stored()}
    # seed by seed, so that an interrupted table is whole up to a seed
    tasks = [(row, data, seed) for seed in SEEDS for data in DATA for row in options.names]
    missing = [] if options.write_only else [task for task in tasks if task not in done]
    context = multiprocessing.get_context("fork")  # the libraries are imported once
    with Progress() as progress, context.Pool(options.jobs, maxtasksperchild=1) as pool:
        bar = progress.add_task("training", total=len(missing))
        for row in pool.imap_unordered(run_one, missing):
            append(NAME, row)
            progress.advance(bar)
    PAGE.write_text(page(stored()), encoding="utf-8")
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    main()
