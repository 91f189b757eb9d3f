"""SVHN in MATLAB files, whole and damaged; scipy writes them and checks what is read."""

import io
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import loadmat, savemat

from snnpd.datasets.images.mat_files import read_mat
from snnpd.datasets.images.svhn import svhn
from snnpd.datasets.splits import Splits
from snnpd.errors import UsageError
from tests.datasets.contract import DatasetContract

TRAIN = "train_32x32.mat"


def arrays(num: int, seed: int) -> dict[str, np.ndarray]:
    """`X [32, 32, 3, B]` and `y [B, 1]` with the digit 0 as 10, as in the official files."""
    images = np.random.default_rng(seed).integers(0, 256, size=(32, 32, 3, num), dtype=np.uint8)
    return {"X": images, "y": (np.arange(num) % 10 + 1).astype(np.uint8)[:, None]}


def mat_bytes(fields: dict[str, Any], compressed: bool = True) -> bytes:
    stream = io.BytesIO()
    savemat(stream, fields, do_compression=compressed)
    return stream.getvalue()


def write_svhn(folder: Path) -> Path:
    for seed, (part, num) in enumerate((("train", 100), ("test", 20), ("extra", 50))):
        (folder / f"{part}_32x32.mat").write_bytes(mat_bytes(arrays(num, seed)))
    return folder


class TestSvhn(DatasetContract):
    @pytest.fixture(autouse=True)
    def _files(self, tmp_path: Path) -> None:
        self.root = str(write_svhn(tmp_path))

    def make(self, **options: Any) -> Splits:
        return svhn(root=self.root, **options)

    def test_pixels_and_labels_are_those_of_the_file(self) -> None:
        train = self.make(val_fraction=0).train
        expected = loadmat(f"{self.root}/{TRAIN}")
        assert np.array_equal(train.data[37].numpy(), expected["X"][..., 37].transpose(2, 0, 1))
        assert train.labels[:12].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2]

    def test_extra_images_follow_those_of_train(self) -> None:
        some, more = self.make(val_fraction=0).train, self.make(val_fraction=0, extra=True).train
        assert len(more) == 150
        assert np.array_equal(more.data[:100], some.data)
        assert np.array_equal(more.data[120].numpy(), arrays(50, 2)["X"][..., 20].transpose(2, 0, 1))


NUMBERS = [
    np.arange(24, dtype=kind).reshape(2, 3, 4)
    for kind in ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8", ">f8", ">i2")
]


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("numbers", [*NUMBERS, np.array([[3]], np.uint8), np.array([[-1.5, 2e300]])], ids=str)
def test_every_type_of_number_is_read_as_scipy_reads_it(
    tmp_path: Path, numbers: np.ndarray, compressed: bool
) -> None:
    others = {
        "text": "words",
        "cells": np.array([1, "a"], object),
        "fields": {"a": 1},
        "complex": np.array([1j]),
    }
    path = tmp_path / "some.mat"
    path.write_bytes(mat_bytes({**others, "one": numbers, "flag": np.array([True])}, compressed))
    found = read_mat(path, ["one"])["one"]
    expected = loadmat(path)["one"]
    assert np.array_equal(found, expected)
    assert found.dtype.newbyteorder("=") == expected.dtype.newbyteorder("=")


def test_big_endian_files_and_small_elements(tmp_path: Path) -> None:
    """As MATLAB on a SPARC wrote a double array [[1, 2, 3]]: its numbers fit into bytes, in the tag itself."""

    def element(kind: int, data: bytes) -> bytes:
        return struct.pack(">2I", kind, len(data)) + data + bytes(-len(data) % 8)

    content = element(6, struct.pack(">2I", 6, 0)) + element(5, struct.pack(">2i", 1, 3))
    content += struct.pack(">2H", 1, 1) + b"y\0\0\0" + struct.pack(">2H", 3, 2) + bytes([1, 2, 3, 0])
    path = tmp_path / "big.mat"
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + b"\x01\x00MI" + element(14, content))
    assert np.array_equal(loadmat(path)["y"], [[1, 2, 3]])
    assert np.array_equal(read_mat(path, ["y"])["y"], [[1, 2, 3]])


GOOD = mat_bytes(arrays(6, 0))
PLAIN = mat_bytes(arrays(6, 0), compressed=False)


def claim(num_bytes: int) -> bytes:
    """An array of that many pixels according to its header, 200 of which are there."""
    matrix = struct.pack("<4I", 6, 8, 9, 0) + struct.pack("<6I", 5, 16, 32, 32, 3, num_bytes // 3072)
    matrix += struct.pack("<2H", 1, 1) + b"X\0\0\0" + struct.pack("<2I", 2, num_bytes)
    return GOOD[:128] + struct.pack("<2I", 14, len(matrix) + num_bytes) + matrix + bytes(200)


def shaped(num_axes: int) -> bytes:
    """One number in as many axes, whose sizes are bytes: more than numpy knows fit into an element."""
    matrix = struct.pack("<4I", 6, 8, 9, 0) + struct.pack("<2I", 1, num_axes) + b"\1" * num_axes
    matrix += (
        bytes(-num_axes % 8) + struct.pack("<2H", 1, 1) + b"X\0\0\0" + struct.pack("<2H", 2, 1) + b"\7\0\0\0"
    )
    return GOOD[:128] + struct.pack("<2I", 14, len(matrix)) + matrix


def bomb() -> bytes:
    """64 MiB of zeros behind an array of six images."""
    size = struct.unpack("<2I", GOOD[128:136])[1]
    inside = zlib.decompress(GOOD[136 : 136 + size])
    packed = zlib.compress(inside + bytes(2**26))
    return GOOD[:128] + struct.pack("<2I", 15, len(packed)) + packed


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "truncated: found 0 bytes, expected a header of 128"),
        (GOOD[:100], "truncated: found 100 bytes, expected a header of 128"),
        (GOOD[:128], "found no array 'X' and no array 'y' in it"),
        (GOOD[:5000], "truncated: found [0-9]+ bytes of an array, expected 18432"),
        (PLAIN[:5000], "truncated: found [0-9]+ bytes of an array, expected 18432"),
        (GOOD[:-10], "truncated: found 2 bytes of an array, expected 6"),
        (GOOD[:9000] + b"\0" + GOOD[9001:], "Error -3 while decompressing|truncated|trailing"),
        (b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(400), r"a MATLAB 7.3 file .HDF5., .* `save -v7`"),
        (b"\x89HDF\r\n\x1a\n" + bytes(400), "a MATLAB 7.3 file"),
        (bytes(400), "no MATLAB file of version 5: found 0x00000000 at byte 124"),
        (mat_bytes({"X": arrays(6, 0)["X"]}), "found no array 'y'"),
        (mat_bytes({"X": "text", "y": np.ones(3)}), "'X' is no array of real numbers"),
        (mat_bytes({"X": np.array([1j]), "y": np.ones(3)}), "'X' is no array of real numbers"),
        (claim(3072 * 1_300_000), "truncated: found 200 bytes of an array, expected 3993600000"),
        (shaped(65), "damaged: found 65 axes of 'X', at most 32 are read"),
        (bomb(), "trailing bytes behind the numbers of 'X'"),
    ],
)  # fmt: skip
def test_damaged_files_cost_one_line_and_little_memory(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / TRAIN
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(UsageError, match=message) as caught:
        read_mat(path, ("X", "y"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 2**20
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_damage_gives_arrays_or_a_usage_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(data.draw(st.sampled_from([GOOD, PLAIN])))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, 300))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "fuzz.mat"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    # Any other error fails the test.
    with suppress(UsageError):
        found = read_mat(path, ("X", "y"))
        assert found["X"].size + found["y"].size <= 2 * len(PLAIN)


def replace(part: str, **fields: Any) -> Callable[[Path], object]:
    return lambda folder: (folder / f"{part}_32x32.mat").write_bytes(mat_bytes(arrays(20, 5) | fields))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (replace("test", X=np.zeros((20, 32, 32, 3), np.uint8)), r"X has shape \(20, 32, 32, 3\) of uint8, expected"),
        (replace("test", X=np.zeros((32, 32, 3, 20))), r"of float64, expected \(32, 32, 3, B\) of uint8"),
        (replace("test", X=np.zeros((32, 32, 3), np.uint8)), r"X has shape \(32, 32, 3\)"),
        (replace("test", y=np.ones((19, 1))), "found 19 labels in y, expected 20, one for each image"),
        (replace("test", y=np.arange(20.0)), "label out of range: sample 0 has 0.0, allowed are 1 to 10"),
        (replace("test", y=np.full(20, 11)), "sample 0 has 11, allowed are 1 to 10 .10 stands for the digit 0."),
        (replace("test", y=np.full(20, 2.5)), r"sample 0 has 2\.5, allowed"),
        (replace("test", y=np.full(20, np.nan)), "sample 0 has nan, allowed"),
        (replace("train", y=np.arange(20) % 9 + 1), "empty class: no sample of class 0"),
        (lambda folder: (folder / TRAIN).unlink(), "182,040,794 bytes, md5 e26dedcc434d2e4c54c9b2d4a06d8373"),
    ],
)  # fmt: skip
def test_files_that_do_not_fit(tmp_path: Path, change: Callable[[Path], object], message: str) -> None:
    change(write_svhn(tmp_path))
    with pytest.raises(UsageError, match=message) as caught:
        svhn(root=str(tmp_path))
    assert "\n" not in str(caught.value)


def test_the_usual_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        UsageError, match=r"svhn: found no train_32x32.mat in data, data/svhn, data/SVHN; fetch"
    ):
        svhn()
    (tmp_path / "data" / "svhn").mkdir(parents=True)
    write_svhn(tmp_path / "data" / "svhn")
    assert len(svhn().test) == 20
