"""Sets in the layouts of the real ones, with classes that can be learned, train from the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from snnpd.cli import main
from snnpd.datasets.table import DATASETS
from tests.datasets.neuromorphic import generate

RECIPE = """
time_steps: {time_steps}
model: {{name: spikingformer_tiny, options: {{dim: 32, depth: 1, num_heads: 2, pools: [true, true]}}}}
data:
  name: {name}
  root: files
  val_fraction: 0
  options: {{cache: cache, {options}}}
optim: {{epochs: {epochs}, batch_size: 16, lr: 0.008, warmup_epochs: 1}}
runtime: {{accelerator: cpu}}
"""


class Case(NamedTuple):
    """A set, what writes its files, how it is trained, and the accuracy that it must pass."""

    name: str
    home: str
    write: Callable[[Path], object]
    options: str
    time_steps: int
    epochs: int
    chance: float
    bound: float


def write_shd(root: Path) -> None:
    generate.write_spike_h5(root / "shd_train.h5", [*range(20)] * 10, seed=0)
    generate.write_spike_h5(root / "shd_test.h5", [*range(20)] * 3, seed=1)


CASES = [
    Case(
        "nmnist",
        "nmnist:nmnist",
        lambda root: generate.write_nmnist(root, num_train=16, num_test=5),
        "partial: true, size: 12",
        time_steps=3,
        epochs=6,
        chance=1 / 10,
        bound=0.5,
    ),
    Case(
        "dvs_gesture",
        "dvs_gesture:dvs_gesture",
        lambda root: generate.write_gesture(root, num_train=14, num_test=5),
        "size: 12",
        time_steps=3,
        epochs=6,
        chance=1 / 11,
        bound=0.5,
    ),
    Case(
        "shd",
        "cochlea:shd",
        write_shd,
        "augment: false, channels: 70, window_ms: 25.0, max_tokens: 20",
        time_steps=2,
        epochs=8,
        chance=1 / 20,
        bound=0.4,
    ),
]


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    case = request.param
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(DATASETS, case.name, f"snnpd.datasets.neuromorphic.{case.home}")
    Path("files").mkdir()
    case.write(Path("files"))
    Path("tiny.yaml").write_text(RECIPE.format(**case._asdict()))
    return case


def reached(*more: str) -> float:
    assert main(["train", "--recipe", "tiny.yaml", "--name", "run", *more]) == 0
    (summary,) = Path("runs").glob("*/summary.json")
    return json.loads(summary.read_text())["test_accuracy"]


def test_what_can_be_learned_is_learned(case: Case) -> None:
    assert reached() > case.bound > 4 * case.chance


@pytest.mark.parametrize("case", CASES[:1], indirect=True, ids=lambda case: case.name)
def test_an_untrained_network_does_not_pass(case: Case) -> None:
    assert reached("--epochs", "1", "--lr", "1e-9") < case.bound / 2
