"""`snnpd compare` from end to end on a few samples, killed and gone on with, and its errors in one line."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import snnpd
from snnpd.cli import main
from snnpd.cli.compare_cells import CellOrder
from snnpd.cli.compare_options import make_parser, parse_compare
from snnpd.cli.compare_plan import list_comparisons, make_plan
from snnpd.cli.compare_sizes import TOLERANCE, match_sizes
from snnpd.comparison.store import Store

# Small enough for seconds.
TOY = """
recipe: digits-bsa
settings:
  model.options.dim: 16
  model.options.depth: 1
  data.max_train: 64
  data.max_test: 24
  optim.epochs: 1
  optim.batch_size: 32
  optim.warmup_epochs: 0
methods: [quantised, bsa, converted]
time_steps: [2]
seeds: [0, 1]
samples: 4
"""
FILES = {"page.html", "table.md", "table.csv", "pairs.csv", "table.tex", "summary.json", "environment.json"}


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("toy") / "toy.yaml"
    path.write_text(TOY)
    return path


@pytest.fixture(scope="module")
def finished(toy: Path) -> Path:
    """A comparison that was killed after its third cell, and gone on with."""
    folder = toy.parent / "killed"
    words = [sys.executable, "-m", "snnpd", "compare", str(toy), "--jobs", "1", "--out", str(folder)]
    first = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    assert first.stderr is not None
    while "3/8 cells" not in (line := first.stderr.readline()):
        assert first.poll() is None or line, "it ended before it was killed"
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    first.stderr.close()
    again = subprocess.run(words, capture_output=True, text=True, check=True)
    lines = [line for line in again.stderr.splitlines() if "cells" in line]
    assert lines[0].startswith("4/8 cells"), again.stderr
    assert lines[-1].startswith("8/8 cells"), again.stderr
    assert "Limits: 2 seeds" in " ".join(again.stdout.split())
    return folder


def accuracies(folder: Path) -> dict[str, Any]:
    summary = json.loads((folder / "summary.json").read_text())
    return {
        row["key"]: {
            name: row["measures"][name]["values"] for name in ("accuracy", "nll", "energy_pj.horowitz45")
        }
        for row in summary["rows"]
    }


def test_a_killed_comparison_ends_with_the_table_of_one_that_was_not(toy: Path, finished: Path) -> None:
    whole = toy.parent / "whole"
    assert main(["compare", str(toy), "--jobs", "1", "--out", str(whole)]) == 0
    assert accuracies(whole) == accuracies(finished)
    assert len(accuracies(whole)) == 4
    assert all(len(row["accuracy"]) == 2 for row in accuracies(whole).values())


def test_every_file_is_there_and_a_finished_comparison_trains_nothing(
    finished: Path, toy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert {path.name for path in finished.iterdir()} >= FILES
    summary = json.loads((finished / "summary.json").read_text())
    rows = {row["key"]: row for row in summary["rows"]}
    assert rows["quantised/T2"]["measures"]["energy_pj.horowitz45"]["mean"] < (
        rows["softmax_relu/T1"]["measures"]["energy_pj.horowitz45"]["mean"] / 3
    )
    assert rows["bsa/lif/T2"]["measures"]["row_sum_min"]["mean"] > 0.5
    assert rows["bsa/lif/T2"]["curves"]["steps"]["levels"] == [1, 2]
    assert rows["converted/T2"]["measures"]["train_seconds"]["mean"] == 0
    assert set(summary["maps"]["rows"]) >= {"softmax_relu/T1", "bsa/lif/T2"}
    assert any("are within 1%" in sentence for sentence in summary["budget"])
    before = (finished / "table.csv").read_bytes()
    assert main(["compare", str(toy), "--out", str(finished), "--report-only"]) == 0
    assert "cells" not in capsys.readouterr().err
    assert (finished / "table.csv").read_bytes() == before


def test_a_cell_that_fails_is_marked_and_the_rest_goes_on(toy: Path, finished: Path) -> None:
    folder = toy.parent / "failing"
    shutil.copytree(finished, folder)
    store = Store(folder / "results.sqlite")
    for key, _ in list(store.cells()):
        if key.row == "softmax_relu/T1" or (key.seed == 1 and key.row != "bsa/lif/T2"):
            store.connection.execute(
                "DELETE FROM outcomes WHERE kind = ? AND row = ? AND seed = ?", (key.kind, key.row, key.seed)
            )
    store.close()
    # What it would go on from is gone: the twin's checkpoint of one seed is damaged.
    (path,) = folder.glob("cells/softmax_relu-T1-seed1-untuned/checkpoints/*1.pt")
    for other in path.parent.glob("*.pt"):
        other.write_bytes(b"no checkpoint")
    (path.parent.parent / "trained.json").write_text(
        '{"val_accuracy": 0.5, "val_loss": 1.0, "train_seconds": 1.0}'
    )
    assert main(["compare", str(toy), "--jobs", "1", "--out", str(folder)]) == 0
    rows = {row["key"]: row for row in json.loads((folder / "summary.json").read_text())["rows"]}
    source = rows["softmax_relu/T1"]
    assert (source["status"], source["seeds"]) == ("partial", [0])
    assert "is damaged" in source["reasons"][0]
    assert rows["converted/T2"]["reasons"] == ["seed 1: made from softmax_relu/T1, which failed"]
    assert rows["quantised/T2"]["status"] == rows["bsa/lif/T2"]["status"] == "done"
    assert "failed" in (folder / "table.md").read_text().lower()


def test_other_settings_are_refused_where_outcomes_are(
    toy: Path, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["compare", str(toy), "--out", str(finished), "--set", "optim.lr=0.5"]
    assert main(words) == 2
    assert "under other settings than asked for; choose another --out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["core-digts"], "unknown comparison or recipe 'core-digts'; did you mean 'core-digits'"),
        (["core-digits", "--methods", "bas"], "unknown method 'bas'; did you mean 'bsa'"),
        (
            ["core-digits", "--models", "vit_tiny_twin"],
            "unknown spiking network with an ANN twin 'vit_tiny_twin'",
        ),
        (["core-digits", "--set", "epochs"], "'epochs' sets nothing; write NAME=VALUE"),
        (["core-digits", "--set", "epohs=3"], "unknown option '--epohs'"),
        (["core-digits", "--tune", "optim.lr=[]"], "tuning of optim.lr has no value"),
        (["core-digits", "--jobs", "0"], "--jobs 0; give a whole number from 1 upwards"),
        (["core-digits", "--devices", "cpu,cuda:0"], "give cpu, or cuda:0,cuda:1"),
        (["core-digits", "--seeds", "0,one"], "seeds are '0,one'; give whole numbers"),
        (["core-digits", "--time-steps", "0"], "time_steps are '0'; give whole numbers from 1 upwards"),
        (["core-japanese-vowels", "--set", "val_fraction=0"], "tunes optim.lr, but data.val_fraction is 0"),
    ],
)
def test_bad_words_are_told_in_a_line(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *words, "--out", str(tmp_path / "x")]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert not (tmp_path / "x").exists()


def test_keys_of_a_file_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("recipe: digits-bsa\nseed: [1]\n")
    with pytest.raises(snnpd.errors.UsageError, match=r"unknown key 'seed'; did you mean 'seeds'"):
        make_plan(str(path), {})
    path.write_text("methods: core\n")
    with pytest.raises(snnpd.errors.UsageError, match="names no recipe"):
        make_plan(str(path), {})


@pytest.mark.parametrize("name", list_comparisons())
def test_shipped_comparisons_have_rows_of_one_size(name: str) -> None:
    if name == "ablation-fashion-mnist":
        pytest.skip("its files are no part of the project")
    plan = make_plan(name, {})
    assert plan.grid.seeds == (0, 1, 2)
    sizes = match_sizes(plan)
    assert set(sizes.counts) == {row.key for row in plan.grid.rows}
    assert all(abs(count - sizes.reference) <= TOLERANCE * sizes.reference for count in sizes.counts.values())
    assert sizes.ratios, "the controls have no queries and keys, so something is to be matched"


def test_a_training_recipe_is_a_comparison_with_the_core_methods() -> None:
    plan = make_plan("digits-bsa", {"methods": "softmax,bsa", "time_steps": "2,4"})
    assert [row.key for row in plan.grid.rows] == ["softmax/T1", "bsa/lif/T2", "bsa/lif/T4"]
    config = plan.config(plan.grid.rows[2], 7, {"optim.lr": 0.5})
    assert (config.seed, config.time_steps, config.optim.lr) == (7, 4, 0.5)
    assert (config.model.name, config.model.attention, config.model.neuron) == (
        "spikingformer_tiny",
        "bsa",
        "lif",
    )


def test_a_fingerprint_is_that_of_what_can_change_a_figure(tmp_path: Path) -> None:
    plan = make_plan("digits-bsa", {"methods": "bsa"})
    (row,) = plan.grid.rows

    def order(seed: int = 0, folder: str = "a", **setting: Any) -> CellOrder:
        named = {f"optim.{name}": value for name, value in setting.items()}
        return CellOrder("cell", row, named, plan.config(row, seed, named), tmp_path / folder, 8)

    same, others = order(folder="b"), [order(1), order(lr=0.5)]
    assert order().fingerprint == same.fingerprint
    assert order().fingerprint not in {other.fingerprint for other in others}


def test_the_options_are_frozen() -> None:
    known = {option for option in make_parser()._option_string_actions if option.startswith("--")}
    names = "methods models neurons time_steps time-steps seeds set tune samples out jobs devices"
    names += " retry_failed retry-failed report_only report-only help"
    assert known == {f"--{name}" for name in names.split()}
    assert parse_compare(["core-digits", "--devices", "cuda:0,cuda:1"]).devices == ("cuda:0", "cuda:1")
