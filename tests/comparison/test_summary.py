"""From the store to the summary: means, intervals, pairs and their correction, what is missing."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snnpd.comparison.grid import Grid
from snnpd.comparison.page import render
from snnpd.comparison.statistics import compare_pairs, holm, interval
from snnpd.comparison.store import Key, Outcome, Store
from snnpd.comparison.summary import SCHEMA, Told, summarise
from snnpd.comparison.tables import pairs_csv, to_csv, to_latex, to_markdown

GRID = Grid(
    (("spikingformer_tiny", "vit_tiny_twin"),), ("softmax", "bsa", "bipolar_bn", "ssa"), seeds=(0, 1, 2)
)
TOLD = Told(
    "toy",
    "snnpd compare toy",
    "0",
    {"name": "digits", "num_train": 9, "num_val": 1, "num_test": 40, "num_classes": 10},
    ["One budget for all."],
)
MODELS = ("horowitz45", "community", "lemaire", "step")


def figures(accuracy: float, seed: int, **more: Any) -> dict[str, Any]:
    energy = {
        "energy_pj": dict.fromkeys(MODELS, 100.0 + seed),
        "operations": {"ac": 10.0 + seed},
        "unpriced": ["gelu"],
        "layers": [{"name": "head", "energy_pj": dict.fromkeys(MODELS, 1.0 + seed)}],
    }
    noise = {"unit": "u", "levels": [0.0, 0.5], "accuracy": [accuracy, accuracy / 2]}
    return {
        "setting": {"optim.lr": 0.002},
        "accuracy": accuracy,
        "train_seconds": 1.0,
        "energy": energy,
        "noise": noise,
        **more,
    }


def correct(share: float, seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).permutation(40) < round(40 * share)).astype(np.float32)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """softmax 90 %, BSA 40 %; Bipolar-BN without its last seed; SSA failed."""
    store = Store(tmp_path / "results.sqlite")
    for seed in GRID.seeds:
        for row, share in (("softmax/T1", 0.9), ("bsa/lif/T4", 0.4), ("bipolar_bn/lif/T4", 0.4)):
            samples = {"accuracy": correct(share, seed), "head_distance": np.linspace(0, 1, 16) + share}
            if (row, seed) != ("bipolar_bn/lif/T4", 2):
                told = figures(float(samples["accuracy"].mean()), seed, head_distance=0.5 + share)
                store.put(Key("cell", row, seed, ""), Outcome("done", "f", told, None, samples))
        store.put(Key("cell", "ssa/lif/T4", seed, ""), Outcome("failed", "f", {}, "TrainingError: no"))
    return store


def row_of(summary: dict[str, Any], key: str) -> dict[str, Any]:
    return next(row for row in summary["rows"] if row["key"] == key)


def test_rows_have_their_means_spread_and_interval(store: Store) -> None:
    summary = summarise(GRID, store, TOLD)
    row = row_of(summary, "softmax/T1")
    assert (row["status"], row["seeds"], row["setting"]) == ("done", [0, 1, 2], {"optim.lr": 0.002})
    assert row["measures"]["accuracy"]["mean"] == pytest.approx(0.9)
    energy = row["measures"]["energy_pj.lemaire"]
    assert (energy["values"], energy["mean"], energy["std"]) == ([100.0, 101.0, 102.0], 101.0, 1.0)
    assert row["measures"]["operations.ac"]["mean"] == 11.0
    assert row["layers"] == [{"name": "head", "energy_pj": dict.fromkeys(MODELS, 2.0)}]
    assert row["curves"]["noise"]["accuracy"] == pytest.approx([0.9, 0.45])
    found = interval(np.stack([correct(0.9, seed) for seed in GRID.seeds]), limits=(0.0, 1.0))
    assert row["accuracy_interval"] == [found.low, found.high]
    assert "firing_rate" not in row["measures"]


def test_what_is_missing_or_failed_is_said(store: Store) -> None:
    summary = summarise(GRID, store, TOLD)
    partial, failed = (row_of(summary, key) for key in ("bipolar_bn/lif/T4", "ssa/lif/T4"))
    assert (partial["status"], partial["seeds"]) == ("partial", [0, 1])
    assert (failed["status"], failed["measures"], failed["layers"]) == ("failed", {}, [])
    assert failed["reasons"][1] == "seed 1: TrainingError: no"
    assert "ssa/lif/T4" not in {pair[side] for pair in summary["pairs"] for side in ("first", "second")}


def test_pairs_are_those_of_the_questions_on_common_seeds(store: Store) -> None:
    summary = summarise(GRID, store, TOLD)
    asked = [(p["question"], p["measure"], p["first"], p["second"]) for p in summary["pairs"]]
    assert asked == [
        ("twin", "accuracy", "bsa/lif/T4", "softmax/T1"),
        ("twin", "accuracy", "bipolar_bn/lif/T4", "softmax/T1"),
        ("bn_sh", "accuracy", "bipolar_bn/lif/T4", "bsa/lif/T4"),
        ("bn_sh", "head_distance", "bipolar_bn/lif/T4", "bsa/lif/T4"),
    ]
    assert list(summary["questions"]) == ["twin", "bn_sh"]
    twins = summary["pairs"][:2]
    tables = [np.stack([correct(share, seed) for seed in GRID.seeds]) for share in (0.4, 0.9)]
    paired = compare_pairs(*tables)
    assert (twins[0]["difference"], twins[0]["interval"]) == (paired.difference, [paired.low, paired.high])
    assert [pair["p_holm"] for pair in twins] == holm([max(pair["p"], pair["p_seeds"]) for pair in twins])
    assert twins[0]["verdict"] == "lower"
    assert summary["pairs"][2]["difference"] == 0
    assert summary["pairs"][2]["verdict"] == "no difference shown"
    assert [pair["seeds"] for pair in summary["pairs"]] == [3, 2, 2, 2]


def test_on_one_common_seed_nothing_is_shown(store: Store) -> None:
    summary = summarise(replace(GRID, seeds=(0,)), store, TOLD)
    (pair,) = [pair for pair in summary["pairs"] if pair["first"] == "bsa/lif/T4"]
    assert pair["difference"] == pytest.approx(-0.5)
    assert (pair["interval"][1] < 0, pair["seeds"], pair["verdict"]) == (True, 1, "no difference shown")


def test_trials_that_failed_are_said(store: Store) -> None:
    store.put(Key("trial", "bsa/lif/T4", 0, "lr=0.05"), Outcome("failed", "f", {}, "no memory"))
    summary = summarise(GRID, store, TOLD)
    assert row_of(summary, "bsa/lif/T4")["failed_trials"] == ["lr=0.05"]
    assert row_of(summary, "softmax/T1")["failed_trials"] == []
    (told,) = [sentence for sentence in summary["reading"] if sentence.startswith("Tuned over fewer")]
    assert told.endswith("BSA (without lr=0.05).")


def test_a_training_begins_with_that_of_its_source(store: Store) -> None:
    grid = replace(GRID, methods=(*GRID.methods, "bsa_inherited"))
    outcome = store.get(Key("cell", "bsa/lif/T4", 0, ""))
    assert outcome is not None
    samples = {"accuracy": correct(0.4, 0)}
    store.put(Key("cell", "bsa_inherited/lif/T4", 0, ""), replace(outcome, samples=samples))
    summary = summarise(grid, store, TOLD)
    assert row_of(summary, "bsa_inherited/lif/T4")["measures"]["train_seconds"]["mean"] == 2.0
    assert row_of(summary, "softmax/T1")["measures"]["train_seconds"]["mean"] == 1.0


def test_the_summary_is_plain_and_whole(store: Store) -> None:
    summary = summarise(GRID, store, TOLD)
    assert summary["schema"] == SCHEMA
    assert summary["reference"] == "softmax/T1"
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert any("SSA" in sentence and "Failed" in sentence for sentence in summary["reading"])
    for write in (to_csv, to_markdown, to_latex, pairs_csv):
        assert "softmax" in write(summary)


def test_a_grid_that_has_not_begun(tmp_path: Path) -> None:
    summary = summarise(GRID, Store(tmp_path / "none.sqlite"), TOLD)
    assert {row["status"] for row in summary["rows"]} == {"missing"}
    assert (summary["pairs"], summary["reference"], summary["maps"]) == ([], None, {})
    assert "softmax" in to_markdown(summary)
    assert "taken" not in render(summary)
