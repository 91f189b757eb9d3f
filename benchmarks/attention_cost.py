"""Time and memory of every attention against the number of tokens: docs/attention_cost.md and its picture.

Run: python benchmarks/attention_cost.py [--seconds 40] [--memory-mib 6144]     (about a quarter of an hour, one core)
     python benchmarks/attention_cost.py --only bsa "bsa, explicit"             (shows those, writes nothing)
     python benchmarks/attention_cost.py --parts fused                          (the fused BSA against PyTorch's alone)
     python benchmarks/attention_cost.py --parts                                (page and picture from recorded rows)

Rows are appended to results/attention_cost.jsonl once their part is whole; the page shows the last run of each part.
One thread throughout.
"""

import argparse
import io
import json
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from attention_cost_fit import Row, by_layer, growth
from attention_cost_measure import (
    CALLS,
    DIM,
    NUM_HEADS,
    SIZES,
    Limits,
    Subject,
    can_keep_freed_memory,
    measure,
)
from attention_cost_page import FORWARD, FUSED, page
from attention_cost_plot import plot
from attention_cost_ratio import CASES, compare
from record import RESULTS, append
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from snnpd.attention import list_attentions

NAME = "attention_cost"
PARTS = {"layers": FORWARD, "fused": FUSED}
DOCS = Path(__file__).parents[1] / "docs"
VARIANTS = (
    Subject("softmax, explicit", "softmax", {"form": "dual"}),
    Subject("softmax, causal", "softmax", {"causal": True}),
    Subject("linear, causal", "linear", {"causal": True}),
    Subject("local, causal", "local", {"causal": True}),
    Subject("ssa, causal", "ssa", {"causal": True}),
    Subject("bsa, explicit", "bsa", {"form": "dual"}),
    Subject("bsa, causal", "bsa", {"causal": True}),
    Subject("bsa, truncated features", "bsa", {"features": "truncated"}),
    Subject("bsa, random features", "bsa", {"features": "random"}),
)


def subjects() -> list[Subject]:
    """Every attention by name with its default options, and the variants."""
    return sorted([*(Subject(name, name) for name in list_attentions()), *VARIANTS], key=lambda s: s.label)


def rows_of(subject: Subject, limits: Limits) -> Iterator[Row]:
    """What a process of its own measures; if that dies, a row that says so."""
    context = multiprocessing.get_context("spawn")
    source, sink = context.Pipe(duplex=False)
    process = context.Process(target=measure, args=(subject, limits, sink))
    process.start()
    sink.close()
    num_rows = 0
    try:
        while True:
            row = source.recv()
            num_rows += 1
            yield row
    except EOFError:
        process.join()
    if process.exitcode:
        shape = [1, 1, SIZES[min(num_rows, len(SIZES) - 1)], DIM]
        why = f"the process died with exit code {process.exitcode}"
        yield {"implementation": subject.label, "shape": shape, "skipped": why}


def run_layers(chosen: Sequence[Subject], limits: Limits, progress: Progress) -> Iterator[Row]:
    """Measures layer after layer, with a bar, and a line for each."""
    task = progress.add_task("", total=len(chosen) * len(SIZES))
    for subject in chosen:
        progress.update(task, description=subject.label)
        rows = []
        for row in rows_of(subject, limits):
            rows.append(row)
            progress.update(task, description=f"{subject.label}, N = {row['shape'][2]:,}", advance=1)
            yield {"op": FORWARD} | row
        progress.advance(task, len(SIZES) - len(rows))
        progress.console.print(line_of(subject.label, rows), highlight=False, soft_wrap=True)


def run_fused(progress: Progress) -> Iterator[Row]:
    """Measures the fused form against PyTorch's attention, with a bar, and a line for each ratio."""
    task = progress.add_task("fused BSA against PyTorch", total=len(CASES))
    for row in compare():
        yield {"op": FUSED} | row
        if "ratio" in row:
            progress.advance(task)
            text = (
                f"fused BSA / PyTorch at firing rate {row['input_rate']:g}, {row['mode']}: {row['ratio']:.2f}"
            )
            progress.console.print(text, highlight=False, soft_wrap=True)


def line_of(label: str, rows: list[Row]) -> str:
    """The exponents of a layer, in a line."""
    measured = by_layer(rows).get(label, [])
    texts = []
    for what, figure in (("time", "p50_ms"), ("memory", "peak_memory_mib")):
        found = growth(measured, figure)
        texts.append(
            f"{what} " + ("–".ljust(20) if found is None else f"N^{found.exponent:.2f} {found.order:<14}")
        )
    why = next(
        (f"  left out from N = {row['shape'][2]:,}: {row['skipped']}" for row in rows if "skipped" in row), ""
    )
    return f"{label:<28} {'  '.join(texts)}{why}"


def last_run(op: str) -> list[Row]:
    """The recorded rows of the last run that measured this."""
    lines = (RESULTS / f"{NAME}.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["op"] == op]
    latest = max((row["run"] for row in rows), default="")
    return [row for row in rows if row["run"] == latest]


def write_page() -> None:
    """Page and picture of the last runs."""
    costs, fused = last_run(FORWARD), last_run(FUSED)
    plot(costs, DOCS / "images" / f"{NAME}.png")
    (DOCS / f"{NAME}.md").write_text(page(costs, fused, f"python benchmarks/{NAME}.py"), encoding="utf-8")


def options_of(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=40, help="processor seconds that a layer may take")
    parser.add_argument("--memory-mib", type=float, default=6144, help="memory that a forward pass may take")
    parser.add_argument("--only", nargs="+", metavar="LABEL", choices=[s.label for s in subjects()])
    parser.add_argument("--parts", nargs="*", choices=[*PARTS], default=[*PARTS])
    return parser.parse_args(arguments)


def main() -> None:
    """Measures, records, writes."""
    options = options_of()
    torch.set_num_threads(1)
    common: Row = {"dtype": "float32", "run": datetime.now(UTC).isoformat(timespec="seconds")}
    common |= {"width": DIM, "heads": NUM_HEADS, "calls_range": f"{CALLS[0] - 1} to {CALLS[1]} calls"}
    common |= {"keeps_freed_memory": can_keep_freed_memory()}
    common |= {"limit_seconds": options.seconds, "limit_memory_mib": options.memory_mib}
    chosen = [subject for subject in subjects() if not options.only or subject.label in options.only]
    bar = (TextColumn("{task.description:<40}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*bar) as progress:
        layers = run_layers(chosen, Limits(options.seconds, options.memory_mib), progress)
        measured = {"layers": layers, "fused": run_fused(progress)}
        for part in ["layers"] if options.only else options.parts:
            rows = list(measured[part])
            for row in rows if not options.only else ():
                # what `append` prints would push the bar away
                with redirect_stdout(io.StringIO()):
                    append(NAME, row | common)
    if not options.only:
        write_page()


if __name__ == "__main__":
    main()
