"""Trained networks on integers: how often they predict what the float network does, by the widths of their words.

Run: python benchmarks/executor.py runs/digits-bsa-0 [runs/...] [--samples 8]

For each run a table over widths of weights and of potentials: test predictions equal to the float network's, and
accuracy, of the dense network in fixed point; and whether the event-driven executor gives its logits to the last bit,
on some samples. Rows go to results/executor.jsonl.
"""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from record import append, stopwatch
from torch import Tensor, nn

from snnpd.cli.compose import compose
from snnpd.cli.options import CONFIG_FILE, read_config
from snnpd.energy import Ledger, Word, count_batch
from snnpd.energy.executor import Executor
from snnpd.energy.fixed_point import FixedNetwork, to_fixed_point
from snnpd.errors import UsageError
from snnpd.training import load_chosen, make_fabric

WEIGHT_BITS = (4, 6, 8, 12, 16, 24)
POTENTIAL_BITS = (8, 12, 16, 20, 24)
# Training batches that the range of inputs and potentials is read from.
RANGE_BATCHES = 8


@dataclass(frozen=True)
class Trained:
    """A trained network, inputs of its training part, the batches of its test part and what it says to them.

    Shapes: inputs `[T, B, ...]`, labels and predictions `[B]`.
    """

    model: nn.Module
    sample: Tensor
    inputs: Sequence[Tensor]
    labels: Tensor
    predictions: Tensor


@torch.no_grad()
def load(folder: Path) -> Trained:
    """The network of a run with the weights that it ended with."""
    config = read_config(folder / CONFIG_FILE)
    fabric = make_fabric(replace(config.runtime, devices=1, strategy="auto", accelerator="cpu"))
    parts = compose(config, fabric)
    load_chosen(parts.model, folder)
    batches = list(parts.test)
    if any(batch.mask is not None for batch in batches):
        raise UsageError(
            f"{folder}: series with masks have no form on integers; give a run on images or frames"
        )
    seen = [parts.encode(batch.x) for batch, _ in zip(parts.train, range(RANGE_BATCHES), strict=False)]
    inputs = [parts.encode(batch.x) for batch in batches]
    labels = torch.cat([batch.y for batch in batches])
    model = parts.model.eval()
    return Trained(model, torch.cat(seen, 1), inputs, labels, predict(model, inputs))


@torch.no_grad()
def predict(model: nn.Module, inputs: Sequence[Tensor]) -> Tensor:
    """The class of the largest sum of logits over time."""
    return torch.cat([model(x).sum(0).argmax(-1) for x in inputs])


def measure(trained: Trained, weight_bits: int, potential_bits: int, num_samples: int) -> dict[str, Any]:
    """One row of the table."""
    bits = {"weight_bits": weight_bits, "potential_bits": potential_bits}
    fixed = to_fixed_point(trained.model, trained.sample, **bits)
    predictions = predict(fixed, trained.inputs)
    return (
        bits
        | {
            "equal": int((predictions == trained.predictions).sum()),
            "correct": int((predictions == trained.labels).sum()),
            "float_correct": int((trained.predictions == trained.labels).sum()),
            "total": len(predictions),
        }
        | execute(fixed, torch.cat(list(trained.inputs), 1)[:, :num_samples])
    )


def execute(fixed: FixedNetwork, x: Tensor) -> dict[str, Any]:
    """What the executor does with some samples, and how many of them get the dense network's logits."""
    executor = Executor(fixed)
    executor.run(x[:, :1])  # compiles
    executions: list[Any] = []
    seconds = stopwatch(lambda: executions.append(executor.run(x)))()
    execution = executions[0]
    same = (execution.logits == fixed(x).long()).all(-1).all(0)
    counted = count_batch(fixed, x, word=Word(fixed.saturate.potential.bits, is_float=False))
    done: dict[str, int] = {}
    for account, count in execution.ledger:
        done[account.operation.kind] = done.get(account.operation.kind, 0) + int(count.done.sum())
    return {
        "executed": x.shape[1],
        "executed_same_logits": int(same.sum()),
        "accounts": len(execution.ledger.accounts),
        "accounts_agreed": agreed(execution.ledger, counted),
        "operations_per_sample": {kind: round(number / x.shape[1]) for kind, number in done.items()},
        "ms_per_sample": round(1000 * seconds / x.shape[1], 2),
    }


def agreed(executed: Ledger, counted: Ledger) -> int:
    """Accounts in which executor and tally did and skipped the same, at every step of every sample."""
    if set(executed.accounts) != set(counted.accounts):
        return 0
    pairs = ((count, counted.accounts[account]) for account, count in executed)
    return sum(torch.equal(a.done, b.done) and torch.equal(a.skipped, b.skipped) for a, b in pairs)


def show(name: str, rows: Sequence[dict[str, Any]]) -> None:
    """Predictions equal to the float network's and, behind the stroke, accuracy; in percent."""
    total, float_correct = rows[0]["total"], rows[0]["float_correct"]
    print(f"\n{name}: {total} test samples, float network {float_correct / total:.2%} right")
    print(
        "weights \\ potentials"
        + "".join(f"{bits:>18}" for bits in dict.fromkeys(row["potential_bits"] for row in rows))
    )
    for weight_bits in dict.fromkeys(row["weight_bits"] for row in rows):
        cells = (row for row in rows if row["weight_bits"] == weight_bits)
        shares = (f"{row['equal'] / total:.2%} / {row['correct'] / total:.2%}" for row in cells)
        print(f"{weight_bits:>20}" + "".join(f"{share:>18}" for share in shares))
    same, executed = (sum(row[key] for row in rows) for key in ("executed_same_logits", "executed"))
    print(f"the executor gave the dense network's logits in {same} of {executed} runs of a sample")
    accounts, agreeing = (sum(row[key] for row in rows) for key in ("accounts", "accounts_agreed"))
    print(f"the tally agreed with it, to the operation, in {agreeing} of {accounts} accounts")


def main() -> None:
    """Measures and shows every run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, help="folders of runs on images or event frames")
    parser.add_argument("--samples", type=int, default=8, help="samples that the executor runs at each width")
    parser.add_argument("--weight-bits", type=int, nargs="+", default=WEIGHT_BITS)
    parser.add_argument("--potential-bits", type=int, nargs="+", default=POTENTIAL_BITS)
    options = parser.parse_args()
    for folder in options.runs:
        trained, rows = load(folder), []
        for weight_bits in options.weight_bits:
            for potential_bits in options.potential_bits:
                rows.append(measure(trained, weight_bits, potential_bits, options.samples))
                append("executor", {"op": "fixed_point", "run": folder.name} | rows[-1])
        show(folder.name, rows)


if __name__ == "__main__":
    main()
