"""Irregular series from a folder through a whole training."""

import json
from pathlib import Path

import pytest

from snnpd.cli import main
from snnpd.datasets.table import DATASETS
from tests.datasets.series.timed_tables import write_timed

SIZES = "dim: 16, depth: 1, num_heads: 2"
TIMED = f"{{{SIZES}, position: bochner, position_options: {{num_periods: 7, shortest_period: 2, longest_period: 128}}}}"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(DATASETS, "irregular", "snnpd.datasets.series.irregular:irregular_folder")


def train(*more: str, model: str = TIMED) -> int:
    words = [
        "--data",
        "irregular",
        "--data.root",
        ".",
        "--accelerator",
        "cpu",
        "--time_steps",
        "2",
        "--epochs",
        "4",
    ]
    words += ["--batch_size", "16", "--lr", "0.02", "--name", "mine", "--model.options", model]
    return main(["train", *words, *more])


def test_a_class_that_lies_in_the_time_stamps_alone() -> None:
    write_timed(Path(), num_train=160, num_test=100)
    assert train() == 0
    summary = json.loads(Path("runs/mine/summary.json").read_text())
    assert summary["test_total"] == 100
    assert summary["test_accuracy"] > 0.9
    assert {path.stem for path in Path("runs/mine/plots").iterdir()} == {"curves", "raster", "attention"}
    assert main(["evaluate", "runs/mine"]) == 0


def test_a_network_without_a_time_encoding_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    write_timed(Path())
    assert train(model=f"{{{SIZES}}}") == 2
    assert "times are given, but a convolution tells this network its positions" in capsys.readouterr().err
    assert not Path("runs").exists()
