"""Tiny-ImageNet as its archive unpacks, and what does not fit together."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from snnpd.datasets.images.tiny_imagenet import tiny_imagenet
from snnpd.datasets.splits import Splits
from snnpd.errors import UsageError
from tests.datasets.contract import DatasetContract, raw
from tests.datasets.images.pictures import WNIDS, write_picture, written_once

SMALL: dict[str, Any] = {"size": 24}


def write_tiny(root: Path) -> Path:
    """Folders, annotations and lists as in the archive; the classes of `test` are nowhere."""
    folder = root / "tiny-imagenet-200"
    for label, wnid in enumerate(WNIDS):
        for number in range(15):
            write_picture(folder / "train" / wnid / "images" / f"{wnid}_{number}.JPEG", 100 * label + number)
        boxes = "".join(f"{wnid}_{number}.JPEG\t0\t10\t23\t20\n" for number in range(15))
        (folder / "train" / wnid / f"{wnid}_boxes.txt").write_text(boxes)
    lines = []
    for number in range(16):
        write_picture(folder / "val" / "images" / f"val_{number}.JPEG", 5000 + number)
        write_picture(folder / "test" / "images" / f"test_{number}.JPEG", 7000 + number)
        lines.append(f"val_{number}.JPEG\t{WNIDS[number * 7 % 4]}\t0\t32\t44\t62\n")
    (folder / "val" / "val_annotations.txt").write_text("".join(lines))
    (folder / "wnids.txt").write_text("".join(f"{wnid}\n" for wnid in WNIDS[::-1]))
    words = ["n00000001\tentity", f"{WNIDS[1]}\tEgyptian cat", f"{WNIDS[0]}\tgoldfish, Carassius auratus"]
    words += [f"{WNIDS[2]}\tcrane", f"{WNIDS[3]}\tcrane"]
    (folder / "words.txt").write_text("\n".join(words) + "\n")
    return folder


class TestTinyImagenet(DatasetContract):
    @pytest.fixture(autouse=True)
    def _files(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        self.root = str(written_once(tmp_path_factory, "tiny", write_tiny))

    def make(self, **options: Any) -> Splits:
        return tiny_imagenet(root=self.root, **{**SMALL, "standard": "fit", **options})


def test_classes_of_the_test_part_are_those_of_the_annotations(tmp_path: Path) -> None:
    write_tiny(tmp_path)
    splits = tiny_imagenet(root=str(tmp_path), **SMALL)
    found = {Path(splits.test.images.path(n)).name: int(splits.test.labels[n]) for n in range(16)}
    assert found == {f"val_{number}.JPEG": number * 7 % 4 for number in range(16)}
    assert splits.class_names == (
        "goldfish, Carassius auratus",
        "Egyptian cat",
        "crane (n03444034)",
        "crane (n04067472)",
    )
    assert Path(splits.train.images.path(0)).parts[-3] == WNIDS[0]


def labelled(folder: Path) -> list[tuple[bytes, int]]:
    test = tiny_imagenet(root=str(folder), **SMALL).test
    return sorted(zip(raw(test), test.labels.tolist(), strict=True))


def test_a_val_folder_sorted_into_classes_is_the_same_set(tmp_path: Path) -> None:
    folder = write_tiny(tmp_path)
    before = labelled(folder)
    for number in range(16):
        place = folder / "val" / WNIDS[number * 7 % 4]
        place.mkdir(exist_ok=True)
        (folder / "val" / "images" / f"val_{number}.JPEG").rename(place / f"val_{number}.JPEG")
    (folder / "val" / "images").rmdir()
    (folder / "val" / "val_annotations.txt").unlink()
    assert labelled(folder) == before
    assert len(before) == 16


def annotate(change: Callable[[list[str]], list[str]]) -> Callable[[Path], object]:
    def apply(folder: Path) -> None:
        path = folder / "val" / "val_annotations.txt"
        path.write_text("\n".join(change(path.read_text().splitlines())))

    return apply


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (annotate(lambda lines: lines[:-1]), r"val_15.JPEG: has no class in .*val_annotations.txt"),
        (annotate(lambda lines: [*lines, "val_99.JPEG\tn03444034\t0"]), r"names 'val_99.JPEG', which is not in"),
        (annotate(lambda lines: [*lines, "../../x.JPEG\tn03444034\t0"]), "names '../../x.JPEG', which is not in"),
        (lambda folder: (folder / "wnids.txt").write_text("../val\n"), "missing class folder '../val'"),
        (annotate(lambda lines: [*lines, lines[0]]), "line 17 names 'val_0.JPEG' again"),
        (annotate(lambda lines: ["val_0.JPEG", *lines[1:]]), "line 1 has one field"),
        (annotate(lambda lines: [lines[0].replace("n0", "n9"), *lines[1:]]), "unknown class 'n91443537' of val_0"),
        (annotate(lambda lines: [line.replace(WNIDS[2], WNIDS[1]) for line in lines]), "test: empty class: .*class 2"),
        (annotate(lambda lines: []), "val_annotations.txt: empty: found no line"),
        (lambda folder: (folder / "val" / "images" / "val_3.JPEG").unlink(), "names 'val_3.JPEG', which is not in"),
        (lambda folder: (folder / "val" / "images").rename(folder / "val" / "i"), "images: cannot be listed"),
        (lambda folder: (folder / "wnids.txt").write_text("n04067472\nn5\n"), "missing class folder 'n5'"),
        (lambda folder: (folder / "wnids.txt").write_text("n04067472\n"), "folder 'n01443537' .and 2 more. that is no"),
        (lambda folder: (folder / "val").rename(folder / "v"), "found no train and val in .* md5 90528d7ca1a4"),
    ],
)  # fmt: skip
def test_archives_that_do_not_fit(tmp_path: Path, damage: Callable[[Path], object], message: str) -> None:
    damage(write_tiny(tmp_path))
    with pytest.raises(UsageError, match=message) as caught:
        tiny_imagenet(root=str(tmp_path), **SMALL)
    assert "\n" not in str(caught.value)
