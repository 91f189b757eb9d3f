"""The recipes for the real sets fit the sets and the networks: on files in their layout, one epoch, made small."""

from collections.abc import Callable
from pathlib import Path

import pytest

from snnpd.cli.compose import compose
from snnpd.cli.options import parse_train
from snnpd.datasets.table import DATASETS
from snnpd.training import make_fabric
from tests.datasets.neuromorphic import generate


def write_cochlea(name: str, parts: dict[str, int], keys: list[bytes]) -> Callable[[Path], None]:
    def write(root: Path) -> None:
        for part, num in parts.items():
            generate.write_spike_h5(root / f"{name}_{part}.h5", [*range(len(keys))] * num, keys=keys)

    return write


WORDS = [f"word{number}".encode() for number in range(35)]
ROWS: list[tuple[str, str, Callable[[Path], object], tuple[int, ...], float]] = [
    ("nmnist", "nmnist:nmnist", lambda root: generate.write_nmnist(root, 10, 1), (2, 32, 32), 0.64),
    (
        "cifar10_dvs",
        "cifar10_dvs:cifar10_dvs",
        lambda root: generate.write_cifar10_dvs(root, [*range(10), 999]),
        (2, 128, 128),
        2.56,
    ),
    (
        "dvs_gesture",
        "dvs_gesture:dvs_gesture",
        lambda root: generate.write_gesture(root, 2, 1),
        (2, 128, 128),
        2.56,
    ),
    ("shd", "cochlea:shd", write_cochlea("shd", {"train": 2, "test": 1}, generate.SHD_KEYS), (140, 140), 0.5),
    ("ssc", "cochlea:ssc", write_cochlea("ssc", {"train": 1, "valid": 1, "test": 1}, WORDS), (100, 140), 0.5),
]


@pytest.mark.parametrize(("name", "home", "write", "shape", "millions"), ROWS, ids=[row[0] for row in ROWS])
def test_a_sample_goes_through_the_network(
    name: str,
    home: str,
    write: Callable[[Path], object],
    shape: tuple[int, ...],
    millions: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(DATASETS, name, f"snnpd.datasets.neuromorphic.{home}")
    write(tmp_path)
    words = [
        "--recipe",
        f"{name.replace('_', '-')}-bsa",
        "--data.root",
        str(tmp_path),
        "--accelerator",
        "cpu",
    ]
    words += ["--data.options.cache", "false"]
    if name in ("nmnist", "cifar10_dvs"):
        words += ["--data.options.partial", "true"]
    config = parse_train([*words, "--precision", "32-true", "--val_fraction", "0.1"]).config
    parts = compose(config, make_fabric(config.runtime))
    assert parts.splits.input_shape == shape
    assert parts.num_parameters / 1e6 == pytest.approx(millions, abs=0.1)
    if len(shape) == 3:
        assert parts.splits.train[0][0].shape == (config.time_steps, *shape)
