"""Folders of IDX files, whole and damaged."""

import gzip
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import snnpd.datasets.images.idx as idx_module
from snnpd.datasets.images.idx import (
    FASHION_FILES,
    KMNIST_FILES,
    MNIST_FILES,
    fashion_mnist,
    idx_folder,
    kmnist,
    mnist,
)
from snnpd.datasets.images.idx_files import read_idx
from snnpd.datasets.images.public import PublicFile
from snnpd.datasets.splits import Splits
from snnpd.errors import UsageError
from tests.datasets.contract import DatasetContract
from tests.datasets.files import idx_bytes, write_idx_folder

FACTORIES = {"idx": idx_folder, "mnist": mnist, "fashion_mnist": fashion_mnist, "kmnist": kmnist}


class TestIdx(DatasetContract):
    @pytest.fixture(autouse=True, params=[*FACTORIES])
    def _choose(self, request: pytest.FixtureRequest, tmp_path: Path) -> None:
        self.factory = FACTORIES[request.param]
        self.root = str(write_idx_folder(tmp_path, zipped=request.param == "mnist"))

    def make(self, **options: Any) -> Splits:
        return self.factory(root=self.root, **options)


@pytest.mark.parametrize("zipped", [False, True])
def test_pixels_and_labels_are_those_of_the_file(tmp_path: Path, zipped: bool) -> None:
    array = np.random.default_rng(1).integers(0, 256, size=(7, 5, 4), dtype=np.uint8)
    path = tmp_path / "images"
    path.write_bytes(gzip.compress(idx_bytes(array)) if zipped else idx_bytes(array))
    assert np.array_equal(read_idx(path, ndim=3), array)


def test_pixels_run_from_zero_to_one_before_standardisation(tmp_path: Path) -> None:
    test = idx_folder(root=str(write_idx_folder(tmp_path))).test
    pixels = test.standard.undo(test[3][0])
    np.testing.assert_allclose(
        pixels[0], read_idx(tmp_path / "t10k-images-idx3-ubyte", 3)[3] / 255, atol=1e-6
    )


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_usual_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    factory = FACTORIES[name]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(idx_module, "FASHION_FOLDERS", ("data/fashion-mnist",))
    with pytest.raises(UsageError, match=rf"{name}: found no files in data/.* give root=FOLDER"):
        factory()
    folder = tmp_path / "data" / name.replace("_", "-")
    folder.mkdir(parents=True)
    write_idx_folder(folder)
    assert len(factory().test) == 20


REAL = Path("/usr/share/datasets/fashion-mnist")


@pytest.mark.skipif(not REAL.is_dir(), reason="Debian's dataset-fashion-mnist is not installed")
def test_the_real_files() -> None:
    splits = fashion_mnist(root=str(REAL), val_fraction=0)
    for part, num in ((splits.train, 60_000), (splits.test, 10_000)):
        assert part.data.shape == (num, 1, 28, 28)
        assert np.bincount(part.labels).tolist() == [num // 10] * 10
    # The statistics that the field quotes for it.
    assert splits.train.standard.mean.item() == pytest.approx(0.2860, abs=1e-4)
    assert splits.train.standard.std.item() == pytest.approx(0.3530, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "files"),
    [("MNIST", MNIST_FILES), ("FashionMNIST", FASHION_FILES), ("KMNIST", KMNIST_FILES)],
)
def test_check_sums_are_those_of_torchvision(name: str, files: tuple[PublicFile, ...]) -> None:
    theirs = getattr(pytest.importorskip("torchvision.datasets"), name).resources
    assert [(file.name, file.md5) for file in files] == theirs


def image_header(*sizes: int) -> bytes:
    return struct.pack(">I3I", 0x803, *sizes)


GOOD = idx_bytes(np.ones((6, 4, 4)))
DAMAGE: list[tuple[bytes, str]] = [
    (b"", "empty: found 0 bytes, expected a header of 16"),
    (GOOD[:9], "truncated: found 9 bytes, expected a header of 16"),
    (GOOD[:-10], r"truncated: found 86 bytes after the header, expected 96 \(6 × 4 × 4\)"),
    (GOOD + b"\0", r"trailing bytes: found more than the 96 bytes"),
    (b"\0\0\x0d\x03" + GOOD[4:], "magic number: found 0x00000d03, expected 0x00000803"),
    (idx_bytes(np.ones(20)), "found 0x00000801, expected 0x00000803 .* images and labels are not swapped"),
    (
        image_header(2**16, 2**8, 2**8) + bytes(100),
        "truncated: found 100 bytes after the header, expected 4294967296",
    ),
    (image_header(0, 28, 28), "no data: found sizes 0 × 28 × 28"),
    (gzip.compress(GOOD)[:-12], "damaged gzip file"),
    (gzip.compress(GOOD)[:-8] + bytes(8), "cannot be read .CRC check failed"),
    (gzip.compress(GOOD[:-1]), "truncated: found 95 bytes"),
    # Unpacks to 64 MiB, of which 96 bytes were announced.
    (gzip.compress(image_header(6, 4, 4) + bytes(2**26)), "trailing bytes"),
]


@pytest.mark.parametrize(("content", "message"), DAMAGE, ids=[message[:40] for _, message in DAMAGE])
def test_damaged_files_cost_one_line_and_little_memory(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(UsageError, match=message) as caught:
        read_idx(path, ndim=3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 2**20
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def replace_labels(part: str, labels: list[int]) -> Callable[[Path], object]:
    return lambda folder: (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx_bytes(np.array(labels)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (replace_labels("train", [0] * 99), "train-labels-idx1-ubyte: found 99 labels, expected 100"),
        (
            replace_labels("t10k", [0] * 19 + [10]),
            "t10k-labels.*: label out of range: sample 19 has 10, allowed are 0 to 9",
        ),
        (replace_labels("train", [*range(9)] * 11 + [8]), "empty class: no sample of class 9"),
        (
            lambda folder: (folder / "t10k-images-idx3-ubyte").unlink(),
            "found no t10k-images-idx3-ubyte or .*t10k-images-idx3-ubyte.gz .1,648,877 bytes, md5 9fb629c41895",
        ),
        (
            lambda folder: (folder / "t10k-images-idx3-ubyte").write_bytes(idx_bytes(np.ones((20, 9, 9)))),
            r"train samples are \(1, 12, 12\), test samples \(1, 9, 9\)",
        ),
    ],
)
def test_files_that_do_not_fit(tmp_path: Path, change: Callable[[Path], object], message: str) -> None:
    change(write_idx_folder(tmp_path))
    with pytest.raises(UsageError, match=message):
        mnist(root=str(tmp_path))


def test_number_of_classes_is_counted_or_given(tmp_path: Path) -> None:
    write_idx_folder(tmp_path, num_classes=4)
    assert idx_folder(root=str(tmp_path)).num_classes == 4
    with pytest.raises(UsageError, match="sample 3 has 3, allowed are 0 to 2"):
        idx_folder(root=str(tmp_path), num_classes=3)
    with pytest.raises(UsageError, match="idx: no root"):
        idx_folder()
