"""CIFAR in both formats, and pickles that are something else."""

import os
import pickle
import struct
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snnpd.datasets.images.cifar import cifar10, cifar100
from snnpd.datasets.images.cifar_files import read_binary, read_python
from snnpd.datasets.splits import Splits
from snnpd.errors import UsageError
from tests.datasets.contract import DatasetContract, items, same
from tests.datasets.files import binary_batch, cifar_arrays, python2_batch, python3_batch


def write_cifar10(root: Path, layout: str) -> Path:
    folder = root / ("cifar-10-batches-bin" if layout == "binary" else "cifar-10-batches-py")
    folder.mkdir()
    for seed, name in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]):
        pixels, labels = cifar_arrays(10, 20, seed)
        if layout == "binary":
            (folder / f"{name}.bin").write_bytes(binary_batch(pixels, labels))
        else:
            write = python2_batch if layout == "python2" else python3_batch
            (folder / name).write_bytes(write(pixels, labels, b"labels"))
    return root


def write_cifar100(root: Path, layout: str) -> Path:
    folder = root / ("cifar-100-binary" if layout == "binary" else "cifar-100-python")
    folder.mkdir()
    for seed, (name, num) in enumerate([("train", 300), ("test", 100)]):
        pixels, labels = cifar_arrays(100, num, seed)
        if layout == "binary":
            (folder / f"{name}.bin").write_bytes(binary_batch(pixels, labels % 20, labels))
        else:
            (folder / name).write_bytes(python2_batch(pixels, labels, b"fine_labels"))
    return root


class TestCifar10(DatasetContract):
    @pytest.fixture(autouse=True, params=["binary", "python2"])
    def _files(self, request: pytest.FixtureRequest, tmp_path: Path) -> None:
        self.root = str(write_cifar10(tmp_path, request.param))

    def make(self, **options: Any) -> Splits:
        return cifar10(root=self.root, **options)


class TestCifar100(DatasetContract):
    @pytest.fixture(autouse=True)
    def _files(self, tmp_path: Path) -> None:
        self.root = str(write_cifar100(tmp_path, "binary"))

    def make(self, **options: Any) -> Splits:
        return cifar100(root=self.root, **{"val_fraction": 0.34, **options})


@pytest.mark.parametrize("write", [python2_batch, python3_batch])
def test_python_batches_are_real_pickles_and_read_alike(tmp_path: Path, write: Callable[..., bytes]) -> None:
    pixels, labels = cifar_arrays(10, 7, seed=3)
    content = write(pixels, labels, b"labels")
    unpickled = pickle.loads(content, encoding="bytes")
    path = tmp_path / "data_batch_1"
    path.write_bytes(content)
    images, numbers = read_python(path, b"labels")
    assert np.array_equal(images.reshape(7, 3072), unpickled[b"data"])
    assert np.array_equal(unpickled[b"data"], pixels)
    assert numbers.tolist() == unpickled[b"labels"] == labels.tolist()


def test_binary_batches_keep_channel_order_and_the_fine_label(tmp_path: Path) -> None:
    pixels, labels = cifar_arrays(100, 5, seed=3)
    (tmp_path / "train.bin").write_bytes(binary_batch(pixels, labels + 50, labels))
    images, numbers = read_binary(tmp_path / "train.bin", num_labels=2)
    assert numbers.tolist() == labels.tolist()
    assert np.array_equal(images[2, 1], pixels[2, 1024:2048].reshape(32, 32))


def test_both_formats_give_one_data_set(tmp_path: Path) -> None:
    roots = []
    for layout in ("binary", "python2", "python3"):
        (tmp_path / layout).mkdir()
        roots.append(str(write_cifar10(tmp_path / layout, layout)))
    some, *others = [cifar10(root=root, seed=2) for root in roots]
    for other in others:
        assert same(items(some.train), items(other.train))
        assert same(items(some.test), items(other.test))
    inside = cifar10(root=f"{roots[0]}/cifar-10-batches-bin", seed=2)
    assert same(items(some.test), items(inside.test))


def test_fine_classes_from_the_python_version(tmp_path: Path) -> None:
    splits = cifar100(root=str(write_cifar100(tmp_path, "python")), val_fraction=0)
    assert splits.num_classes == len(set(splits.class_names)) == 100
    assert splits.test.labels.tolist() == list(range(100))


def test_randaugment_goes_on_top(tmp_path: Path) -> None:
    pytest.importorskip("torchvision")
    root = str(write_cifar10(tmp_path, "binary"))
    some, again, without = (cifar10(root=root, randaugment=on).train for on in (True, True, False))
    assert same(items(some, range(8)), items(again, range(8)))
    assert same(some.__getitems__([3, 5]), [again[3], again[5]])
    assert not same(items(some, range(8)), items(without, range(8)))


class Hostile:
    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


def test_a_pickle_that_runs_code_is_refused_by_name(tmp_path: Path) -> None:
    marker, path = tmp_path / "was_here", tmp_path / "data_batch_1"
    path.write_bytes(pickle.dumps({b"data": Hostile(marker)}, protocol=2))
    with pytest.raises(UsageError, match=f"data_batch_1: refused: found the name '{os.name}.mkdir'"):
        read_python(path, b"labels")
    assert not marker.exists()


DATA = b"\x80\x02}(U\x04data"
ARRAY = b"cnumpy\nndarray\n\x8a\x05" + struct.pack("<q", 2**36)[:5]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        # Numpy's own constructor, called with a shape of a terabyte: only noted, never called.
        (DATA + ARRAY + b"\x85RU\x06labels]u.", "b'data' is no array"),
        # What Python's own reader makes room for before it looks at what is there.
        (DATA + b"r" + struct.pack("<I", 2**31) + b"u.", "damaged"),
        (DATA + b"\x96" + struct.pack("<Q", 2**32) + b"u.", "expected 4294967296 bytes .* only 2 remain"),
        (DATA + b"T" + struct.pack("<i", 2**31 - 1) + b"u.", "expected 2147483647 bytes"),
        # What it overflows the stack with: the hash of a tuple in a tuple in a tuple ...
        (b"\x80\x02}()" + b"\x85" * 2_000 + b"K\x01u.", "a dictionary has a key of type tuple"),
        (b"\x80\x02}(" + b"]" * 2_000 + b"a" * 1_999 + b"K\x01u.", "a dictionary has a key of type list"),
        (b"\x80\x02K\x01K\x02\x85R.", "a step calls what is no name"),
        (b"\x80\x02]K\x01b.", "a step sets the state of what is no object"),
        (b"\x80\x02K\x01K\x02a.", "a step puts items into what is no list"),
        (b"\x80\x02](K\x01K\x02u.", "a step puts items into what is no dictionary"),
        (b"\x80\x02}(K\x01u.", "damaged"),
        (b"\x80\x02cnumpy\nndarray\n)\x81.", "the step NEWOBJ has no place in plain data"),
        (b"\x80\x02\x82\x01.", "the step EXT1 has no place"),
        (b"\x80\x02}", "damaged"),
        (b"\x80\x02.", "damaged"),
    ],
)
def test_pickles_that_promise_more_than_they_hold(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "data_batch_1"
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(UsageError, match=message) as caught:
        read_python(path, b"labels")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 2**20
    assert "\n" not in str(caught.value)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_damage_gives_arrays_or_a_usage_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(data.draw(st.sampled_from([GOOD, python3_batch(PIXELS, LABELS, b"labels")])))
    places = st.one_of(st.integers(0, 250), st.integers(len(content) - 60, len(content) - 1))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(places)] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "fuzz_batch"
    path.write_bytes(content)
    # Any other error fails the test.
    with suppress(UsageError):
        images, labels = read_python(path, b"labels")
        assert images.size == 3072 * len(labels) <= len(content)


PIXELS, LABELS = cifar_arrays(10, 6, seed=0)
GOOD = python2_batch(PIXELS, LABELS, b"labels")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "damaged"),
        (GOOD[:-4000], "damaged"),
        (python2_batch(PIXELS, LABELS, b"names"), "damaged: found no dictionary .*b'labels'"),
        (python2_batch(PIXELS, LABELS[:4], b"labels"), "found 6 images and 4 labels"),
        (python2_batch(PIXELS[:, :100], LABELS, b"labels"), "damaged"),
        (python3_batch(PIXELS.astype(np.int16), LABELS, b"labels"), "no C-ordered array of unsigned bytes"),
        (python3_batch(np.asfortranarray(PIXELS), LABELS, b"labels"), "no C-ordered array of unsigned bytes"),
        (pickle.dumps({b"data": PIXELS, b"labels": ["cat"] * 6}, protocol=2), "str among the labels"),
        (pickle.dumps([1, 2], protocol=2), "damaged"),
    ],
)
def test_damaged_python_batches(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "data_batch_1"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message) as caught:
        read_python(path, b"labels")
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def edit(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    def apply(folder: Path) -> None:
        (folder / name).write_bytes(change((folder / name).read_bytes()))

    return apply


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (edit("test_batch.bin", lambda content: b""), "test_batch.bin: empty: found 0 bytes"),
        (
            edit("data_batch_2.bin", lambda content: content[:-1]),
            "data_batch_2.bin: truncated: found 61459 bytes",
        ),
        (
            edit("data_batch_3.bin", lambda content: content[: 3073 * 19]),
            "data_batch_3.bin: truncated: found 19 images, expected 20",
        ),
        (
            edit("data_batch_4.bin", lambda content: b"\x0a" + content[1:]),
            "data_batch_4.bin: label out of range: sample 0 has 10",
        ),
        (
            lambda folder: (folder / "data_batch_5.bin").unlink(),
            "found no data_batch_5.bin; fetch cifar-10-binary",
        ),
        (
            lambda folder: folder.rename(folder.with_name("other")),
            "cifar10: found no folder cifar-10-batches-bin or .*170,052,171 bytes, md5 c32a1d4a.* or cifar-10-python",
        ),
    ],
)
def test_damaged_binary_folders(tmp_path: Path, damage: Callable[[Path], object], message: str) -> None:
    damage(write_cifar10(tmp_path, "binary") / "cifar-10-batches-bin")
    with pytest.raises(UsageError, match=message):
        cifar10(root=str(tmp_path))
