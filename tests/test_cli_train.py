import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from matplotlib.image import imread

import snnpd
from snnpd.cli import main
from snnpd.cli import recipes as shelf
from snnpd.cli.options import parse_train
from snnpd.cli.report import print_table
from snnpd.datasets.table import DATASETS
from snnpd.training.metrics import read_metrics

TINY = ["--model.options", "{dim: 16, depth: 1, num_heads: 2}", "--accelerator", "cpu"]
SMALL = ["train", *TINY, "--time_steps", "2", "--data.options", "{augment: false}", "--batch_size", "32"]
RUN = Path("runs/digits-bsa-seed0")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # Those who start processes here find snnpd where this process found it.
    monkeypatch.setenv("PYTHONPATH", str(Path(snnpd.__file__).parents[1]))


def test_a_run_from_beginning_to_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = {
        "digits-bsa": {"test_accuracy": [0.98], "twin": "twin"},
        "twin": {"test_accuracy": [0.96, 0.97]},
    }
    Path("results.json").write_text(json.dumps(shipped))
    monkeypatch.setattr(shelf, "RESULTS", Path("results.json").absolute())
    assert main([*SMALL, "--epochs", "2"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("spikingformer_tiny (attention bsa, neuron default; ")
    assert "T = 2, 1 × cpu, 32-true; LIF: cpu" in told
    # The twin is of the recipe's size, this network is not.
    assert "twin" not in told

    summary = json.loads((RUN / "summary.json").read_text())
    recipe = parse_train(["--recipe", "digits-bsa"]).config
    print_table(summary | {"model": asdict(recipe.model)}, RUN)
    assert "96.50%  (twin, shipped mean of 2 seeds)" in capsys.readouterr().out
    assert summary["test_correct"] / 360 == summary["test_accuracy"] > 0.15
    assert f"{summary['test_accuracy']:.2%}" in told
    assert summary["test_total"] == 360
    assert summary["chosen_epoch"] in (1, 2)
    assert 0 < summary["firing_rate"] < 1
    assert "blocks.0.before" in summary["firing_rates"]
    assert {"torch", "spikingjelly", "snntorch"} <= set(summary["versions"])
    environment = json.loads((RUN / "environment.json").read_text())
    assert environment["recipe"] == "digits-bsa"
    assert environment["command"] == [*SMALL, "--epochs", "2"]
    assert [row["epoch"] for row in read_metrics(RUN / "metrics.jsonl")] == [1, 2]
    for picture in ("curves", "raster", "attention"):
        pixels = imread(RUN / f"plots/{picture}.png")
        assert pixels.shape[1] > 1000
        assert pixels[..., :3].std() > 0.05

    assert main(["evaluate", str(RUN)]) == 0
    assert f"({summary['test_correct']} of 360)" in capsys.readouterr().out
    assert main(["train", "--resume", str(RUN)]) == 0
    assert "is finished already" in capsys.readouterr().out
    (RUN / "summary.json").write_text(json.dumps(summary | {"test_correct": summary["test_correct"] + 1}))
    assert main(["evaluate", str(RUN)]) == 1
    assert "another device, version or data" in capsys.readouterr().out


def test_a_loss_that_is_no_number_is_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*SMALL, "--epochs", "2", "--lr", "1e38", "--warmup_epochs", "0"]) == 2
    told = capfd.readouterr().err.strip()
    assert told.startswith("snnpd: error: the ")
    assert "is not finite at epoch 1, step " in told
    assert "no epoch is kept yet" in told
    assert "\n" not in told


@pytest.mark.parametrize(
    ("data", "more"),
    [("toy_series", ["--encoding", "delta"]), ("toy_series", []), ("toy_frames", ["--time_steps", "5"])],
)
def test_series_and_frames(data: str, more: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATASETS, data, f"tests.training.toys:{data}")
    assert main(["train", *TINY, "--epochs", "1", "--data", data, "--name", "mine", *more]) == 0
    summary = json.loads(Path("runs/mine/summary.json").read_text())
    assert summary["test_total"] == 20
    assert {path.stem for path in Path("runs/mine/plots").iterdir()} == {"curves", "raster", "attention"}
    assert main(["evaluate", "runs/mine"]) == 0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--data.options.time_steps", "3"], "time_steps is 4, but the data have 3 frames"),
        (["--encoding", "rate"], "event frames, which are spikes already"),
    ],
)
def test_frames_that_clash(
    more: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(DATASETS, "toy_frames", "tests.training.toys:toy_frames")
    assert main(["train", *TINY, "--data", "toy_frames", *more]) == 2
    assert message in capsys.readouterr().err
    assert not Path("runs").exists()


def test_a_twin_has_no_neurons_to_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATASETS, "toy_series", "tests.training.toys:toy_series")
    twin = ["--model", "vit_tiny_twin", "--attention", "attention_bn_sh", "--time_steps", "1"]
    assert main(["train", *TINY, "--data", "toy_series", "--epochs", "1", *twin]) == 0
    (run,) = Path("runs").iterdir()
    assert json.loads((run / "summary.json").read_text())["firing_rate"] is None
    assert {path.stem for path in (run / "plots").iterdir()} == {"curves", "attention"}


def test_files_that_cannot_be_written_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    Path("runs").write_text("a file, no folder")
    assert main([*SMALL, "--epochs", "1"]) == 2
    assert capsys.readouterr().err.startswith("snnpd: error: ")


@pytest.mark.slow
def test_two_processes_on_the_cpu() -> None:
    """What the command line does with `--devices 2 --strategy ddp`, and that one process evaluates it alike."""
    words = [*SMALL, "--epochs", "2", "--devices", "2", "--strategy", "ddp", "--ema_decay", "0.9"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "snnpd", *words], capture_output=True, text=True, timeout=300, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("test accuracy") == 1
    assert "2 × cpu" in done.stdout
    summary = json.loads((RUN / "summary.json").read_text())
    assert summary["test_total"] == 360
    assert len(read_metrics(RUN / "metrics.jsonl")) == 2
    assert main(["evaluate", str(RUN)]) == 0
    failed = subprocess.run(
        [sys.executable, "-m", "snnpd", *words, "--attention", "bas"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert failed.returncode == 2
    assert failed.stderr.count("snnpd: error:") == 1
    assert "Traceback" not in failed.stderr
