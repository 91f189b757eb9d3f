"""`snnpd report`, and the report at the end of a training."""

import json
from pathlib import Path

import pytest

from snnpd.cli import main


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch that ended with a report."""
    folder = tmp_path_factory.mktemp("runs")
    words = ["train", "--recipe", "digits-bsa", "--epochs", "1", "--model.options.depth", "1", "--report"]
    assert main([*words, "--out_dir", str(folder), "--name", "short"]) == 0
    return folder / "short"


def test_a_training_ends_with_its_report(run: Path) -> None:
    tree = json.loads((run / "energy.json").read_text())
    summary = json.loads((run / "summary.json").read_text())
    assert tree["num_samples"] == summary["test_total"]
    assert tree["time_steps"] == summary["time_steps"]
    rates = {
        layer["name"]: layer["firing_rate"] for layer in tree["layers"] if layer["firing_rate"] is not None
    }
    assert rates == pytest.approx(summary["firing_rates"])
    assert "<html" in (run / "energy.html").read_text()


def test_a_report_of_the_run_says_the_same(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = json.loads((run / "energy.json").read_text())
    (run / "energy.html").unlink()
    assert main(["report", str(run), "--costs", "community,step"]) == 0
    after = json.loads((run / "energy.json").read_text())
    assert after["totals"]["operations"] == before["totals"]["operations"]
    assert list(after["totals"]["energy_pj"]) == ["community", "step"]
    assert not (run / "energy.html").exists()
    shown = capsys.readouterr().out
    assert "blocks.0.attention" in shown
    assert "as ANN, 4-bit" in shown
    assert max(map(len, shown.splitlines()[:-1])) <= 80


def test_a_network_by_name_says_that_it_is_not_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["report", "vit_tiny_twin", "--samples", "8", "--time_steps", "1", "--bits", "8"]
    assert main([*words, "--out", str(tmp_path / "new"), "--html"]) == 0
    told = capsys.readouterr()
    assert "vit_tiny_twin is not trained" in told.err
    assert "without a price, elements of one inference: gelu" in told.out
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "energy.csv",
        "energy.html",
        "energy.json",
    ]
    tree = json.loads((tmp_path / "new" / "energy.json").read_text())
    assert tree["word"] == {"bits": 8, "is_float": False}
    assert tree["num_samples"] == 8


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--attention", "ssa"], "--attention is for networks by name; "),
        (["--out", "elsewhere"], "--out is for networks by name; the report of a run goes into its folder"),
        (["--costs", "stepp"], "unknown cost model 'stepp'"),
        (["--data", "japanese_vowels"], "do not fit"),
    ],
)
def test_what_a_run_cannot_be_asked(
    run: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(run), *words]) == 2
    told = capsys.readouterr().err.strip()
    assert message in told
    assert "\n" not in told
