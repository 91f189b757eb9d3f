"""From the store to the summary: one dictionary that tables, sentences and the page are functions of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnpd.comparison.grid import Grid, Row
from snnpd.comparison.methods import QUESTIONS
from snnpd.comparison.reading import read
from snnpd.comparison.statistics import Paired, compare_pairs, holm, interval, verdict
from snnpd.comparison.store import Outcome, Store
from snnpd.energy.costs import COST_MODELS

SCHEMA = "snnpd.comparison/1"
# Of every cell, under the names of the summary.
_PLAIN = (
    "accuracy",
    "val_accuracy",
    "nll",
    "ece",
    "brier",
    "parameters",
    "firing_rate",
    "head_distance",
    "row_sum_min",
    "row_sum_median",
    "row_sum_max",
    "attention_entropy",
    "train_seconds",
    "inference_ms",
    "train_memory_mib",
    "inference_memory_mib",
)
# Both are looked at sample by sample; the second only where the question is about heads.
_PAIRED = {"accuracy": tuple(QUESTIONS), "head_distance": ("bn_sh",)}


@dataclass(frozen=True)
class Told:
    """What the caller says about a comparison as a whole."""

    name: str
    command: str
    version: str
    data: dict[str, Any]
    budget: list[str]


def summarise(grid: Grid, store: Store, told: Told) -> dict[str, Any]:
    """The summary of what the store has of a grid."""
    kept = {(key.row, key.seed): outcome for key, outcome in store.cells()}
    rows = [_row(row, grid, kept, store) for row in grid.rows]
    asked = {question for row in grid.rows for question, _ in grid.beside(row)}
    summary: dict[str, Any] = {
        "schema": SCHEMA,
        "snnpd_version": told.version,
        "name": told.name,
        "command": told.command,
        "data": told.data,
        "budget": told.budget,
        "seeds": list(grid.seeds),
        "tuning": {name: list(values) for name, values in grid.tuning.items()},
        "cost_models": [
            {"name": cost.name, "source": cost.source, "assumptions": list(cost.assumptions)}
            for cost in COST_MODELS.values()
        ],
        "reference": _reference(grid, rows),
        "rows": rows,
        "pairs": _pairs(grid, store, kept),
        "questions": {name: text for name, text in QUESTIONS.items() if name in asked},
        "maps": _maps(grid, kept),
        "seconds": store.fact("seconds") or {},
    }
    summary["reading"] = read(summary)
    return summary


def _reference(grid: Grid, rows: list[dict[str, Any]]) -> str | None:
    done = {row["key"] for row in rows if row["seeds"]}
    return next((row.key for row in grid.rows if row.method == "softmax" and row.key in done), None)


def _row(row: Row, grid: Grid, kept: Mapping[tuple[str, int], Outcome], store: Store) -> dict[str, Any]:
    outcomes = {seed: kept[row.key, seed] for seed in grid.seeds if (row.key, seed) in kept}
    done = {
        seed: _with_source(outcome.figures, row, seed, grid, kept)
        for seed, outcome in outcomes.items()
        if outcome.status == "done"
    }
    told: dict[str, Any] = {
        "key": row.key,
        "label": _label(row, grid),
        "family": row.what.family,
        "model": row.model,
        "attention": row.what.attention,
        "neuron": row.neuron,
        "time_steps": row.time_steps,
        "setting": next(iter(done.values()))["setting"] if done else {},
        "status": _status(outcomes, grid),
        "reasons": [
            f"seed {seed}: {outcome.reason}"
            for seed, outcome in outcomes.items()
            if outcome.status == "failed"
        ],
        "failed_trials": [
            key.setting
            for key, outcome in store.outcomes()
            if (key.kind, key.row, outcome.status) == ("trial", row.key, "failed")
        ],
        "seeds": list(done),
        "measures": _measures(list(done.values())),
        "curves": {
            name: _curve([figures[name] for figures in done.values()])
            for name in ("noise", "steps")
            if done and all(name in figures for figures in done.values())
        },
        "unpriced": sorted({name for figures in done.values() for name in figures["energy"]["unpriced"]}),
        "layers": _layers([figures["energy"] for figures in done.values()]),
    }
    if done:
        found = interval(_table(store, row, list(done), "accuracy"), limits=(0.0, 1.0))
        told["accuracy_interval"] = [found.low, found.high]
    return told


def _with_source(
    figures: dict[str, Any], row: Row, seed: int, grid: Grid, kept: Mapping[tuple[str, int], Outcome]
) -> dict[str, Any]:
    """The figures of a cell; a training begins with that of the network which it is made from."""
    source = grid.source_of(row)
    before = None if source is None else kept.get((source.key, seed))
    if before is None or before.status != "done":
        return figures
    return figures | {"train_seconds": figures["train_seconds"] + before.figures["train_seconds"]}


def _label(row: Row, grid: Grid) -> str:
    """The method, and what else tells its rows apart in this grid."""
    same = [other for other in grid.rows if other.method == row.method]
    parts = [row.what.label]
    if len({other.neuron for other in same}) > 1:
        parts.append(str(row.neuron))
    if len({other.time_steps for other in same}) > 1:
        parts.append(f"T = {row.time_steps}")
    if len({other.model for other in same}) > 1:
        parts.append(row.model)
    return ", ".join(parts)


def _status(outcomes: Mapping[int, Outcome], grid: Grid) -> str:
    words = [outcome.status for outcome in outcomes.values()]
    if not words:
        return "missing"
    if all(word == "failed" for word in words):
        return "failed"
    return "done" if words.count("done") == len(grid.seeds) else "partial"


def _measures(cells: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    columns: dict[str, list[float]] = {}
    for figures in cells:
        flat = {name: figures[name] for name in _PLAIN if figures.get(name) is not None}
        flat |= {f"energy_pj.{name}": value for name, value in figures["energy"]["energy_pj"].items()}
        flat |= {f"operations.{kind}": value for kind, value in figures["energy"]["operations"].items()}
        for name, value in flat.items():
            columns.setdefault(name, []).append(value)
    return {
        name: {
            "values": values,
            "mean": float(np.mean(values)),
            "std": float(np.std(values, ddof=1)) if len(values) > 1 else None,
        }
        for name, values in columns.items()
    }


def _curve(curves: list[dict[str, Any]]) -> dict[str, Any]:
    table = np.array([curve["accuracy"] for curve in curves])
    shown = {"unit": curves[0]["unit"], "levels": curves[0]["levels"], "accuracy": table.mean(0).tolist()}
    return shown if len(table) == 1 else shown | {"std": table.std(0, ddof=1).tolist()}


def _layers(counted: list[dict[str, Any]]) -> list[dict[str, Any]]:
    energies: dict[str, list[dict[str, float]]] = {}
    for one in counted:
        for layer in one["layers"]:
            energies.setdefault(layer["name"], []).append(layer["energy_pj"])
    return [
        {"name": name, "energy_pj": {cost: float(np.mean([e[cost] for e in found])) for cost in found[0]}}
        for name, found in energies.items()
    ]


def _table(store: Store, row: Row, seeds: list[int], measure: str) -> NDArray[np.float64]:
    """A measure of every sample, `[S, n]`."""
    found = [store.samples(row.key, seed, measure) for seed in seeds]
    return np.stack([one for one in found if one is not None])


def _pairs(grid: Grid, store: Store, kept: Mapping[tuple[str, int], Outcome]) -> list[dict[str, Any]]:
    """Every row beside those that its questions name, corrected within a question and a measure."""
    pairs: list[dict[str, Any]] = []
    for measure, questions in _PAIRED.items():
        for question in questions:
            asked = [
                (row, other) for row in grid.rows for name, other in grid.beside(row) if name == question
            ]
            pairs += _family(question, measure, asked, grid, store, kept)
    return pairs


def _family(
    question: str,
    measure: str,
    asked: list[tuple[Row, Row]],
    grid: Grid,
    store: Store,
    kept: Mapping[tuple[str, int], Outcome],
) -> list[dict[str, Any]]:
    found: list[tuple[Row, Row, Paired]] = []
    for row, other in asked:
        seeds = [seed for seed in grid.seeds if _has(store, kept, row, seed, measure)]
        seeds = [seed for seed in seeds if _has(store, kept, other, seed, measure)]
        if seeds:
            tables = (_table(store, one, seeds, measure) for one in (row, other))
            found.append((row, other, compare_pairs(*tables)))
    corrected = holm([paired.p_both for _, _, paired in found])
    return [
        {
            "question": question,
            "measure": measure,
            "first": row.key,
            "second": other.key,
            "difference": paired.difference,
            "interval": [paired.low, paired.high],
            "p": paired.p,
            "p_holm": p_holm,
            "p_seeds": paired.p_seeds,
            "seeds": paired.num_seeds,
            "verdict": verdict(paired, p_holm),
        }
        for (row, other, paired), p_holm in zip(found, corrected, strict=True)
    ]


def _has(store: Store, kept: Mapping[tuple[str, int], Outcome], row: Row, seed: int, measure: str) -> bool:
    outcome = kept.get((row.key, seed))
    if outcome is None or outcome.status != "done":
        return False
    return store.samples(row.key, seed, measure) is not None


def _maps(grid: Grid, kept: Mapping[tuple[str, int], Outcome]) -> dict[str, Any]:
    """The maps of the first seed, and the sample that they are of."""
    shown: dict[str, Any] = {}
    for row in grid.rows:
        outcome = kept.get((row.key, grid.seeds[0]))
        maps = None if outcome is None else outcome.figures.get("maps")
        if maps:
            shown.setdefault("sample", maps["sample"])
            if maps["layers"]:
                shown.setdefault("rows", {})[row.key] = maps["layers"]
    return shown if "rows" in shown else {}
