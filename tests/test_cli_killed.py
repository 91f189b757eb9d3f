"""Real processes, really killed, and what a resumed training makes of what they left."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import snnpd
from snnpd.cli import main
from snnpd.datasets.table import DATASETS
from snnpd.training import Checkpoints
from snnpd.training.metrics import read_metrics
from tests.training import victims
from tests.training.toys import same_weights, toy_config, toy_fit
from tests.training.victims import NUM_EPOCHS, WORDS

LIBRARY, RUN = Path("library"), Path("runs/cli")


def last_epoch(run: Path) -> int:
    last = Checkpoints(run / "checkpoints").last
    return last.epoch if last else 0


def test_killed_and_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(DATASETS, "toy_series", "tests.training.toys:toy_series")
    paths = [str(Path(snnpd.__file__).parents[1]), str(Path(victims.__file__).parents[2])]
    process = subprocess.Popen(
        [sys.executable, victims.__file__, "."],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
    )
    assert process.stdout is not None
    kill_it, stop_it = map(int, process.stdout.readline().split())
    for pid, run, signum in ((kill_it, LIBRARY, signal.SIGKILL), (stop_it, RUN, signal.SIGTERM)):
        while len(read_metrics(run / "metrics.jsonl")) < 4 and process.poll() is None:
            time.sleep(0.02)
        os.kill(pid, signum)
    out, error = process.communicate(timeout=60)
    assert out.splitlines() == [str(-signal.SIGKILL), str(128 + signal.SIGTERM)]
    assert 3 <= last_epoch(LIBRARY) < NUM_EPOCHS
    epoch = last_epoch(RUN)
    assert 3 <= epoch < NUM_EPOCHS
    kept = f"the checkpoint of epoch {epoch} is kept; go on with: snnpd train --resume {RUN}"
    assert error.strip().splitlines()[-1] == f"snnpd: stopped by SIGTERM; {kept}"

    config = toy_config(epochs=NUM_EPOCHS)
    resumed, _ = toy_fit(LIBRARY, config, resume=True)
    whole, _ = toy_fit(Path("whole"), config)
    assert same_weights(whole, resumed)

    capsys.readouterr()
    assert main(["train", "--resume", str(RUN), "--lr", "0.5", "--seed", "3"]) == 2
    assert "with other settings: seed: 0 → 3; optim.lr: 0.002 → 0.5" in capsys.readouterr().err
    monkeypatch.setattr("snnpd.cli.train.draw_pictures", lambda *arguments: None)
    assert main(["train", "--resume", "--name", "cli", "--num_workers", "0"]) == 0  # its name is enough
    assert f"going on behind epoch {epoch}" in capsys.readouterr().out
    assert main(WORDS) == 0
    runs = (RUN, Path("runs/cli-2"))
    weights = [
        torch.load(run / f"checkpoints/epoch-{NUM_EPOCHS:04}.pt", weights_only=True)["model"] for run in runs
    ]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[1])
    summaries = [json.loads((run / "summary.json").read_text()) | {"seconds": 0} for run in runs]
    assert summaries[0] == summaries[1]
