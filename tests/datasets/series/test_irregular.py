"""Irregular series from tables."""

import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from snnpd.datasets.series.irregular import irregular_folder
from snnpd.datasets.series.long_tables import read_table
from snnpd.datasets.splits import Splits
from snnpd.errors import UsageError
from tests.datasets.contract import DatasetContract
from tests.datasets.series.timed_tables import HEADER, timed_rows, write_timed


class TestIrregular(DatasetContract):
    AUGMENTED: ClassVar = {"jitter": 0.3}
    PLAIN: ClassVar = {"jitter": 0.0}

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.root = str(write_timed(tmp_path))

    def make(self, **options: Any) -> Splits:
        return irregular_folder(root=self.root, **options)


def arrays(rows: list[str]) -> dict[str, np.ndarray]:
    cells = [row.split(",") for row in rows]
    sample, label, time, *values = (np.array(column) for column in zip(*cells, strict=True))
    return {
        "sample": sample.astype(int),
        "label": label,
        "time": time.astype(float),
        "values": np.stack([column.astype(float) for column in values], axis=1),
    }


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_both_formats_say_the_same(tmp_path: Path, save: Callable) -> None:
    (tmp_path / "npz").mkdir()
    one = irregular_folder(root=str(write_timed(tmp_path)))
    for part, num in (("train", 60), ("test", 20)):
        save(tmp_path / "npz" / part, **arrays(timed_rows(num, seed=num)))
    other = irregular_folder(root=str(tmp_path / "npz"))
    assert one.class_names == other.class_names == ("even", "odd")
    for mine, theirs in ((one.train, other.train), (one.val, other.val), (one.test, other.test)):
        assert len(mine) == len(theirs) > 5
        for a, b in zip(mine, theirs, strict=True):
            assert torch.equal(a.x, b.x)
            assert torch.equal(a.times, b.times)
            assert a.y == b.y


def test_rows_of_samples_may_be_mixed(tmp_path: Path) -> None:
    rows = ["time,x,sample,label", "2,10,b,low", "1,20,a,high", "3,30,b,low", "1.5,40,a,high"]
    for part in ("train", "test"):
        (tmp_path / f"{part}.csv").write_text("\n".join(rows))
    test = irregular_folder(root=str(tmp_path), val_fraction=0).test
    assert [sample.times.tolist() for sample in test] == [[2, 3], [1, 1.5]]
    assert [one[:, 0].tolist() for one in test.series] == [[10, 30], [20, 40]]
    assert test.labels.tolist() == [1, 0]


def test_dates_empty_cells_and_stamps_from_the_start(tmp_path: Path) -> None:
    rows = [
        "sample,label,time,a,b",
        "0,low,2024-05-01,1,",
        "0,low,2024-05-02 12:00,?,2",
        "1,high,2024-05-01,nan,3",
    ]
    for part in ("train", "test"):
        (tmp_path / f"{part}.csv").write_text("\n".join(rows))
    test = irregular_folder(root=str(tmp_path), val_fraction=0, missing="indicate", from_start=True).test
    assert test[0].times.tolist() == [0, 36 * 3600]
    assert test[0].x[:, 2:].tolist() == [[1, 0], [0, 1]]
    with pytest.raises(UsageError, match="irregular, train: case 1 has missing values"):
        irregular_folder(root=str(tmp_path), val_fraction=0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the first line is 'nothing', expected sample,label,time"),
        (f"{HEADER}\n", "no row"),
        ("sample,time,a\n0,1,2\n", "the first line is 'sample,time,a', expected"),
        ("sample,label,time\n0,low,1\n", "at least one channel"),
        ("sample,label,time,a,a\n0,low,1,2,3\n", "each once"),
        (f"{HEADER}\n0,low,1,2,3\n0,low,2,3\n", "line 3 has 4 fields, the first line 5"),
        (f"{HEADER}\n0,low,1,2,x\n", "line 2 has 'x' where a number belongs"),
        (f"{HEADER}\n0,low,soon,2,3\n", "line 2 has the time stamp 'soon', which is no number and no date"),
        (f"{HEADER}\n0,low,,2,3\n", "line 2 has the time stamp ''"),
        (f"{HEADER}\n0,,1,2,3\n", "line 2 has no label"),
        (f"{HEADER}\n,low,1,2,3\n", "line 2 has no sample"),
        (f"{HEADER}\n0,low,1,2,3\n0,high,2,2,3\n", "sample 0 has the labels high and low"),
        (f"{HEADER}\n0,low,2,2,3\n0,low,1,2,3\n", "sample 0 has time stamps that go back: token 1 has 1.0"),
        ("PK\x03\x04\x00", "expected sample,label,time"),
    ],
)
def test_tables_that_are_wrong(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "train.csv").write_text(content)
    with pytest.raises(UsageError, match=message) as caught:
        irregular_folder(root=str(tmp_path))
    assert str(caught.value).startswith(f"{tmp_path / 'train.csv'}: ")
    assert "\n" not in str(caught.value)


GOOD = arrays(timed_rows(6))
DAMAGE: list[tuple[dict[str, np.ndarray], str]] = [
    ({"time": GOOD["time"][:-1]}, "time is float64 of shape"),
    ({"values": GOOD["time"]}, "values is float64 of shape"),
    ({"values": GOOD["values"][:, :0]}, "values has no channel"),
    ({"label": GOOD["label"].astype(object)}, "label holds Python objects, which are not read"),
    ({"time": np.where(GOOD["time"] > 100, np.nan, GOOD["time"])}, "is not finite"),
    ({"sample": GOOD["sample"] + 0j}, "sample is complex128"),
    ({name: array[:0] for name, array in GOOD.items()}, "no row"),
]


@pytest.mark.parametrize(("change", "message"), DAMAGE)
def test_arrays_that_are_wrong(tmp_path: Path, change: dict[str, np.ndarray], message: str) -> None:
    np.savez(tmp_path / "train.npz", **(GOOD | change))
    with pytest.raises(UsageError, match=message) as caught:
        irregular_folder(root=str(tmp_path))
    assert "\n" not in str(caught.value)


def claim_of_4_gb() -> bytes:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (536870912,), }"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(64)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (claim_of_4_gb(), "4294967296 bytes, but they are not there"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "truncated or damaged .npz file"),
        (b"", "truncated or damaged .npz file"),
        (b"\x93NUMPY\x01\x00\x06\x00[[[[[[", "truncated or damaged .npz file"),
    ],
)
def test_members_that_are_wrong(tmp_path: Path, content: bytes, message: str) -> None:
    with zipfile.ZipFile(tmp_path / "train.npz", "w") as archive:
        archive.writestr("sample.npy", content)
    tracemalloc.start()
    with pytest.raises(UsageError, match=message):
        irregular_folder(root=str(tmp_path))
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


@pytest.mark.parametrize(
    "text", [np.array([b"caf\xff", b"b"]), np.array([2**31 - 1, 65], np.uint32).view("<U1")]
)
def test_bytes_that_are_no_text(tmp_path: Path, text: np.ndarray) -> None:
    np.savez(tmp_path / "train.npz", sample=[0, 1], label=text, time=[0.0, 1.0], values=[[1.0], [2.0]])
    with pytest.raises(UsageError, match=r"truncated or damaged \.npz file"):
        irregular_folder(root=str(tmp_path))


def test_names_with_accents_from_spreadsheets_and_arrays(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text(f"\ufeff{HEADER}\n0,thé,1,2,3\n1,café,1,3,4\n", encoding="utf-8")
    label = np.array(["thé".encode(), "café".encode()])
    np.savez(tmp_path / "test.npz", sample=[0, 1], label=label, time=[0, 1], values=np.eye(2))
    with pytest.raises(UsageError, match="the channels of train are a, b, of test channel 0, channel 1"):
        irregular_folder(root=str(tmp_path), val_fraction=0)
    (tmp_path / "train.csv").rename(tmp_path / "test.csv")
    (tmp_path / "test.npz").rename(tmp_path / "train.npz")
    assert read_table(tmp_path / "test.csv").series.names == ["thé", "café"]
    assert read_table(tmp_path / "train.npz").series.names == ["thé", "café"]


@pytest.mark.parametrize("fraction", [0.0, 0.01, 0.5, 0.99])
def test_truncated_npz(tmp_path: Path, fraction: float) -> None:
    np.savez(tmp_path / "train.npz", **GOOD)
    content = (tmp_path / "train.npz").read_bytes()
    (tmp_path / "train.npz").write_bytes(content[: int(fraction * len(content))])
    with pytest.raises(UsageError, match=r"truncated or damaged \.npz file"):
        irregular_folder(root=str(tmp_path))


def test_parts_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="irregular: give root=FOLDER"):
        irregular_folder()
    write_timed(tmp_path)
    (tmp_path / "test.csv").write_text(f"{HEADER}c\n0,even,1,2,3\n")
    with pytest.raises(UsageError, match="the channels of train are a, b, of test a, bc"):
        irregular_folder(root=str(tmp_path))
    (tmp_path / "test.csv").unlink()
    with pytest.raises(UsageError, match=r"found no test\.csv or test\.npz"):
        irregular_folder(root=str(tmp_path))
    np.savez(tmp_path / "test.npz", sample=GOOD["sample"])
    with pytest.raises(UsageError, match="expected the arrays sample, label, time, values"):
        irregular_folder(root=str(tmp_path))
