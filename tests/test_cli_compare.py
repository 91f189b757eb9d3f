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

from snnpd.cli import main
from snnpd.cli.compare_cells import CellOrder
from snnpd.cli.compare_options import make_parser, parse_compare
from snnpd.cli.compare_plan import make_plan
from snnpd.cli.compare_sizes import TOLERANCE, match_sizes
from snnpd.cli.compare_tree import list_comparisons
from snnpd.comparison.store import Store
from snnpd.errors import UsageError

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
    """The folder of a comparison that ran from beginning to end."""
    folder = toy.parent / "finished"
    assert main(["compare", str(toy), "--jobs", "1", "--out", str(folder)]) == 0
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
    folder = toy.parent / "killed"
    words = [sys.executable, "-m", "snnpd", "compare", str(toy), "--jobs", "1", "--out", str(folder)]
    first = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    assert first.stderr is not None
    while "3/8 cells" not in (line := first.stderr.readline()):
        assert first.poll() is None or line, "it ended before it was killed"
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    first.stderr.close()
    subprocess.run([*words, "--report-only"], capture_output=True, check=True)
    taken = json.loads((folder / "summary.json").read_text())["seconds"]["total"]
    assert taken > 0
    again = subprocess.run(words, capture_output=True, text=True, check=True)
    lines = [line for line in again.stderr.splitlines() if "cells" in line]
    assert lines[0].startswith("4/8 cells"), again.stderr
    assert lines[-1].startswith("8/8 cells"), again.stderr
    assert json.loads((folder / "summary.json").read_text())["seconds"]["total"] > taken
    assert "Limits: 2 seeds" in " ".join(again.stdout.split())
    assert accuracies(folder) == accuracies(finished)
    assert len(accuracies(folder)) == 4
    assert all(len(row["accuracy"]) == 2 for row in accuracies(folder).values())


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
    seconds = {key: row["measures"]["train_seconds"]["values"] for key, row in rows.items()}
    assert seconds["converted/T2"] == seconds["softmax_relu/T1"]
    assert set(summary["maps"]["rows"]) >= {"softmax_relu/T1", "bsa/lif/T2"}
    assert any("are within 1%" in sentence for sentence in summary["budget"])
    assert any("gelu" in sentence and "for want of a price" in sentence for sentence in summary["reading"])
    before = (finished / "table.csv").read_bytes()
    assert main(["compare", str(toy), "--out", str(finished), "--report-only"]) == 0
    assert "cells" not in capsys.readouterr().err
    assert (finished / "table.csv").read_bytes() == before


def test_a_cell_that_fails_is_marked_and_the_rest_goes_on(toy: Path, finished: Path) -> None:
    folder = toy.parent / "failing"
    shutil.copytree(finished, folder)
    store = Store(folder / "results.sqlite")
    for key, _ in list(store.cells()):
        if key.seed == 1 and key.row != "bsa/lif/T2":
            words = "DELETE FROM outcomes WHERE kind = ? AND row = ? AND seed = ?"
            store.connection.execute(words, (key.kind, key.row, key.seed))
    store.close()
    # One training is finished, but its checkpoint is damaged.
    (trained,) = folder.glob("cells/softmax_relu-T1-seed1-*")
    for path in trained.glob("checkpoints/*.pt"):
        path.write_bytes(b"no checkpoint")
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
        (["core-digits", "--tune", "optim.lr=[1e-3,high]"], "optim.lr is 'high'; give a number"),
        (["core-digits", "--tune", "model.options.dim=[16,32]"], "settings of the optimiser are tuned"),
        (["core-digits", "--set", "optim.lr=[1"], "the value is no YAML"),
        (["core-digits", "--set", "seed=3"], "sets seed, which the grid sets; name seeds there"),
        (["core-digits", "--set", "encoding=rate"], "comparisons want encoding 'direct'"),
        (["core-digits", "--jobs", "0"], "--jobs 0; give a whole number from 1 upwards"),
        (["core-digits", "--devices", "cpu,cuda:0"], "give cpu, or cuda:0,cuda:1"),
        (["core-digits", "--seeds", "0,one"], "seeds is '0,one'; give whole numbers"),
        (["core-digits", "--time-steps", "0"], "time_steps is '0'; give whole numbers from 1 upwards"),
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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("recipe: digits-bsa\nseed: [1]\n", "unknown key 'seed'; did you mean 'seeds'"),
        ("methods: core\n", "names no recipe"),
        ("recipe: 5\n", "recipe is 5; give the name of a recipe"),
        ("recipe: digits-bsa\nsettings:\n", "settings is None; give settings by name"),
        ("recipe: digits-bsa\ntuning: [1]\n", "tuning is [1]; give settings by name"),
        ("recipe: digits-bsa\ntuning: {optim.lr: 0.1}\n", "tuning of optim.lr is 0.1; give a list"),
        ("recipe: digits-bsa\nmethods:\n", "methods is None; give a list"),
        ("recipe: digits-bsa\nmethods: [1]\n", "unknown method '1'"),
        ("recipe: digits-bsa\nseeds: [0.5]\n", "seeds is [0.5]; give whole numbers"),
        ("recipe: [\n", "is no YAML"),
        (b"\xff\xfe\x00", "is no YAML"),
    ],
)
def test_files_are_checked(text: str | bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError) as caught:
        make_plan(str(path), {})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_tuned_values_are_read_as_the_command_line_reads_them() -> None:
    plan = make_plan("digits-bsa", {"methods": "bsa", "tuning": {"lr": ["1e-3", 0.25]}})
    assert plan.grid.settings == [{"optim.lr": 0.001}, {"optim.lr": 0.25}]


@pytest.mark.parametrize("name", list_comparisons())
def test_shipped_comparisons_have_rows_of_one_size(name: str) -> None:
    if name == "ablation-fashion-mnist":
        pytest.skip("its files are no part of the project")
    plan = make_plan(name, {})
    assert plan.grid.seeds == (0, 1, 2)
    sizes = match_sizes(plan)
    assert set(sizes.counts) == {row.key for row in plan.grid.rows}
    (reference,) = sizes.references.values()
    assert all(abs(count - reference) <= TOLERANCE * reference for count in sizes.counts.values())
    assert sizes.ratios, "the controls have no queries and keys, so something is to be matched"


def test_sizes_do_not_depend_on_what_else_is_compared() -> None:
    few, many = (
        match_sizes(make_plan("core-digits", {"methods": methods})) for methods in ("qk,cat", "core")
    )
    assert few.references == many.references
    assert few.ratios["qk/lif/T4"] == many.ratios["qk/lif/T4"]
    two = make_plan(
        "digits-bsa", {"methods": "uniform,bsa", "models": "spikingformer_tiny,spikingformer_small"}
    )
    sizes = match_sizes(two)
    assert len(set(sizes.references.values())) == 2
    assert all(sizes.is_equal(row) for row in two.grid.rows)


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


def test_fingerprints_and_folders_are_those_of_what_can_change_a_figure(tmp_path: Path) -> None:
    plan = make_plan("digits-bsa", {"methods": "bsa"})
    (row,) = plan.grid.rows

    def order(
        seed: int = 0, root: str = "a", samples: int = 8, kind: str = "cell", **setting: Any
    ) -> CellOrder:
        named = {f"optim.{name}": value for name, value in setting.items()}
        return CellOrder(kind, row, named, plan.config(row, seed, named), tmp_path / root, samples)

    assert order().fingerprint == order(root="b").fingerprint
    assert order().fingerprint not in {o.fingerprint for o in (order(1), order(lr=0.5), order(samples=9))}
    # A trial and the cell that goes on from it share the training; so does one that counts more samples.
    assert order().folder == order(kind="trial").folder == order(samples=9).folder
    assert len({o.folder for o in (order(), order(1), order(lr=0.5))}) == 3


def test_a_script_without_a_guard_is_told(tmp_path: Path) -> None:
    script = tmp_path / "plain.py"
    script.write_text(
        f"import snnpd\nsnnpd.compare({str(toy_file(tmp_path))!r}, {str(tmp_path / 'out')!r}, jobs=1)\n"
    )
    ended = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert ended.returncode == 1
    assert 'put what starts it under if __name__ == "__main__":' in ended.stderr
    store = Store(tmp_path / "out" / "results.sqlite")
    assert list(store.outcomes()) == []
    store.close()


def toy_file(folder: Path) -> Path:
    path = folder / "toy.yaml"
    path.write_text(TOY)
    return path


def test_gpus_that_are_not_there_are_told_before_anything_runs(
    toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", str(toy), "--devices", "cuda:0,cuda:99", "--out", str(tmp_path / "x")]) == 2
    assert "GPUs here; count from cuda:0" in capsys.readouterr().err
    store = Store(tmp_path / "x" / "results.sqlite")
    assert list(store.outcomes()) == []
    store.close()


def test_the_options_are_frozen() -> None:
    known = {option for option in make_parser()._option_string_actions if option.startswith("--")}
    names = "methods models neurons time_steps time-steps seeds set tune samples out jobs devices"
    names += " retry_failed retry-failed report_only report-only help"
    assert known == {f"--{name}" for name in names.split()}
    assert parse_compare(["core-digits", "--devices", "cuda:0,cuda:1"]).devices == ("cuda:0", "cuda:1")
