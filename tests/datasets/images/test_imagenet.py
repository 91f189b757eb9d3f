"""ImageNet's folders, with every list of validation classes that goes around."""

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from snnpd.datasets.images.imagenet import imagenet
from snnpd.datasets.splits import Splits
from snnpd.errors import UsageError
from tests.datasets.contract import DatasetContract, items, same
from tests.datasets.images.pictures import WNIDS, write_picture, written_once

SMALL: dict[str, Any] = {"size": 24}
CLASSES = [number * 5 % 4 for number in range(12)]
NAMES = [f"ILSVRC2012_val_{number:08d}" for number in range(1, 13)]
LISTS = {
    "imagenet_2012_validation_synset_labels.txt": "".join(f"{WNIDS[label]}\n" for label in CLASSES),
    # Kaggle's table is in no order.
    "LOC_val_solution.csv": "ImageId,PredictionString\n"
    + "".join(
        f"{NAMES[n]},{WNIDS[CLASSES[n]]} 85 1 499 272 {WNIDS[0]} 1 2 3 4 \n" for n in range(11, -1, -1)
    ),
    "val.txt": "".join(f"{name}.JPEG {label}\n" for name, label in zip(NAMES, CLASSES, strict=True)),
}


# The development kit's own order: not that of the sorted WordNet numbers.
KIT = {WNIDS[2]: 1, WNIDS[0]: 2, WNIDS[3]: 3, WNIDS[1]: 4}


def kit_table(name: str | list[str], wnid: str = "WNID") -> bytes:
    # Behind the leaves come the inner nodes of the tree, with numbers of their own.
    rows = [
        *((number, one, "leaf", []) for one, number in KIT.items()),
        (1001, "n00001740", "entity", [1.0, 2.0]),
    ]
    fields = [("ILSVRC2012_ID", object), (wnid, object), ("words", object), ("children", object)]
    stream = io.BytesIO()
    content = {name: np.array(rows, fields)[:, None]} if isinstance(name, str) else {"synsets": name}
    savemat(stream, content, do_compression=True)
    return stream.getvalue()


def table_header(num_rows: int) -> bytes:
    """A table of that many rows according to its header, none of which is there."""
    content = struct.pack("<4I", 6, 8, 2, 0) + struct.pack("<2I2i", 5, 8, num_rows, 1)
    content += struct.pack("<2I", 1, 7) + b"synsets\0" + struct.pack("<2HI", 5, 4, 16)
    content += struct.pack("<2I", 1, 32) + b"ILSVRC2012_ID".ljust(16, b"\0") + b"WNID".ljust(16, b"\0")
    return b"MATLAB 5.0".ljust(124) + b"\x00\x01IM" + struct.pack("<2I", 14, len(content)) + content


def write_kit(folder: Path, numbers: list[int] | None = None, table: bytes | None = None) -> Path:
    data = folder / "ILSVRC2012_devkit_t12" / "data"
    data.mkdir(parents=True)
    numbers = numbers or [KIT[WNIDS[label]] for label in CLASSES]
    (data / "ILSVRC2012_validation_ground_truth.txt").write_text("".join(f"{one}\n" for one in numbers))
    (data / "meta.mat").write_bytes(kit_table("synsets") if table is None else table)
    return folder


def write_train(folder: Path) -> Path:
    for label, wnid in enumerate(WNIDS):
        for number in range(15):
            path = folder / "train" / wnid / f"{wnid}_{number}.JPEG"
            write_picture(path, 100 * label + number, height=30 + number, width=40 - 2 * label)
    return folder


def write_flat(folder: Path, inside: str = "") -> Path:
    for number, name in enumerate(NAMES):
        write_picture(folder / inside / "val" / f"{name}.JPEG", 5000 + number, height=36, width=40)
    write_train(folder / inside)
    return folder


def write_listed(folder: Path) -> None:
    (write_flat(folder) / "val.txt").write_text(LISTS["val.txt"])


def write_sorted(folder: Path) -> None:
    write_flat(folder)
    for name, label in zip(NAMES, CLASSES, strict=True):
        (folder / "val" / WNIDS[label]).mkdir(exist_ok=True)
        (folder / "val" / f"{name}.JPEG").rename(folder / "val" / WNIDS[label] / f"{name}.JPEG")


class TestImagenet(DatasetContract):
    @pytest.fixture(autouse=True, params=["folders", "flat"])
    def _files(self, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> None:
        write = write_listed if request.param == "flat" else write_sorted
        self.root = str(written_once(tmp_path_factory, f"imagenet {request.param}", write))

    def make(self, **options: Any) -> Splits:
        return imagenet(root=self.root, **{**SMALL, "standard": "fit", "val_fraction": 0.1, **options})


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("place", ["", "val"])
def test_every_list_gives_the_same_classes(tmp_path: Path, name: str, place: str) -> None:
    (write_flat(tmp_path) / place / name).write_text(LISTS[name])
    test = imagenet(root=str(tmp_path), val_fraction=0.1, **SMALL).test
    assert test.labels.tolist() == [*CLASSES]
    assert [Path(test.images.path(n)).stem for n in range(12)] == NAMES or name == "LOC_val_solution.csv"


def test_the_development_kit_gives_the_same_classes(tmp_path: Path) -> None:
    write_kit(write_flat(tmp_path))
    assert imagenet(root=str(tmp_path), val_fraction=0.1, **SMALL).test.labels.tolist() == [*CLASSES]


@pytest.mark.parametrize(
    ("numbers", "table", "message"),
    [
        ([1] * 11 + [1002], None, "truth.txt: line 12 is '1002', which is no number of a class in meta.mat"),
        ([1] * 11, None, "truth.txt: found 11 classes, expected 12"),
        ([1] * 11 + [1001], None, "unknown class 'n00001740' of ILSVRC2012_val_00000012.JPEG"),
        (None, b"", "meta.mat: truncated: found 0 bytes, .*md5 fa75699e"),
        (None, kit_table("synset"), "meta.mat: found no table 'synsets' in it"),
        (None, kit_table("synsets")[:-9], "meta.mat: truncated"),
        (None, kit_table(["n01"]), "meta.mat: found no table 'synsets' in it"),
        (None, kit_table("synsets", "WORDNET"), "meta.mat: found no field 'WNID' in the table"),
        (None, table_header(2**31 - 1), "meta.mat: damaged: found 2147483647 rows, at most 100000 are read"),
        (None, table_header(90_000), "meta.mat: truncated: found 0 bytes of an array, expected 8"),
    ],
)
def test_development_kits_that_do_not_fit(
    tmp_path: Path, numbers: list[int] | None, table: bytes | None, message: str
) -> None:
    write_kit(write_flat(tmp_path), numbers, table)
    with pytest.raises(UsageError, match=message) as caught:
        imagenet(root=str(tmp_path), **SMALL)
    assert "\n" not in str(caught.value)


def test_as_kaggle_unpacks_it(tmp_path: Path) -> None:
    write_flat(tmp_path, "ILSVRC/Data/CLS-LOC")
    (tmp_path / "LOC_val_solution.csv").write_text(LISTS["LOC_val_solution.csv"])
    mapping = "".join(f"{wnid} name {number}, other name\n" for number, wnid in enumerate(WNIDS))
    (tmp_path / "LOC_synset_mapping.txt").write_text(mapping)
    splits = imagenet(root=str(tmp_path), val_fraction=0.1, **SMALL)
    assert splits.class_names[2] == "name 2, other name"
    assert splits.num_classes == 4
    assert len(splits.test) == 12


def test_training_sees_another_part_each_epoch(tmp_path: Path) -> None:
    (write_flat(tmp_path) / "val.txt").write_text(LISTS["val.txt"])
    train = imagenet(root=str(tmp_path), val_fraction=0.1, min_area=0.1, **SMALL).train
    first = items(train)
    train.set_epoch(1)
    second = items(train)
    assert not any(same([one], [other]) for one, other in zip(first, second, strict=True))


def listing(name: str, change: Callable[[str], str] = str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(change(LISTS[name]))


LINES = "imagenet_2012_validation_synset_labels.txt"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: None, "val: found no class folder and no list of classes; put imagenet_2012"),
        (listing(LINES, lambda text: text[:-11]), "labels.txt: found 11 classes, expected 12, one for each"),
        (listing(LINES, lambda text: text.replace("n01", "n77")), "unknown class 'n77443537' of ILSVRC2012_val_0"),
        (listing("val.txt", lambda text: text.replace(" 3", " 4")), "has class '4', allowed are 0 to 3"),
        (listing("val.txt", lambda text: text.replace(" 3", " -3")), "has class '-3', allowed are 0 to 3"),
        (listing("val.txt", lambda text: text.replace(" 3", " " + "9" * 5000)), "has class '999"),
        (listing("val.txt", lambda text: text.replace("08.JPEG", "18.JPEG")), "names 'ILSVRC2012_val_00000018.JPEG'"),
        (listing("LOC_val_solution.csv", lambda text: text.replace(f"{WNIDS[1]} 85", " ")), "unknown class"),
        (listing("LOC_val_solution.csv", lambda text: text.rsplit("\n", 2)[0]), "ILSVRC2012_val_00000001.JPEG: has no"),
        (lambda folder: (folder / "train").rename(folder / "t"), "found no train and val in .*147,897,477,120 bytes"),
    ],
)  # fmt: skip
def test_folders_that_do_not_fit(tmp_path: Path, damage: Callable[[Path], object], message: str) -> None:
    damage(write_flat(tmp_path))
    with pytest.raises(UsageError, match=message) as caught:
        imagenet(root=str(tmp_path), **SMALL)
    assert "\n" not in str(caught.value)
