"""Class folders of images: what is found, what is refused, what is seen in training."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from snnpd.datasets.images import dataset
from snnpd.datasets.images.dataset import ImageDataset
from snnpd.datasets.images.folder import image_folder
from snnpd.datasets.loading import make_loader, set_epoch
from snnpd.datasets.splits import Splits
from snnpd.errors import UsageError
from tests.datasets.contract import DatasetContract, items, raw, same
from tests.datasets.images.pictures import WNIDS, write_classes, write_picture, written_once

SMALL: dict[str, Any] = {"size": 24, "centre": 1.0}


def write_parts(root: Path, *others: str) -> Path:
    write_classes(root / "train", 15, 0)
    for number, part in enumerate(others or ("test",), start=1):
        write_classes(root / part, 4, 10_000 * number)
    return root


class TestImageFolder(DatasetContract):
    @pytest.fixture(autouse=True, params=["test", "val", "one tree"])
    def _files(self, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> None:
        def write(root: Path) -> Path:
            return (
                write_classes(root, 20, 0)
                if request.param == "one tree"
                else write_parts(root, request.param)
            )

        root = str(written_once(tmp_path_factory, f"folder {request.param}", write))
        self.options: dict[str, Any] = {"root": root}
        if request.param == "one tree":
            self.options["test_fraction"] = 0.2

    def make(self, **options: Any) -> Splits:
        return image_folder(**{**self.options, **SMALL, "standard": "fit", **options})


def test_files_and_numbers_are_those_of_torchvision(tmp_path: Path) -> None:
    folders = pytest.importorskip("torchvision.datasets")
    write_parts(tmp_path)
    write_picture(tmp_path / "train" / "n02124075" / "deeper" / "A.JPG", 5)
    (tmp_path / "train" / "n02124075" / "boxes.txt").write_text("no image")
    theirs = folders.ImageFolder(str(tmp_path / "train"))
    images = image_folder(root=str(tmp_path), val_fraction=0).train.images
    ours = [(images.path(number), int(images.labels[number])) for number in range(len(images))]
    assert len(ours) == 61
    assert sorted(ours) == sorted(theirs.samples)


def test_hidden_files_are_passed_over(tmp_path: Path) -> None:
    write_parts(tmp_path)
    (tmp_path / "train" / ".cache").mkdir()
    (tmp_path / "train" / WNIDS[0] / "._n01443537_0.JPEG").write_bytes(b"what a Mac leaves")
    assert len(image_folder(root=str(tmp_path), val_fraction=0).train) == 60


def test_a_validation_part_of_its_own_is_taken(tmp_path: Path) -> None:
    splits = image_folder(root=str(write_parts(tmp_path, "test", "val")), **SMALL)
    assert [len(part) for part in (splits.train, splits.val, splits.test)] == [60, 16, 16]
    assert not set(raw(splits.val)) & set(raw(splits.test))
    assert {Path(splits.val.images.path(3)).parts[-3], Path(splits.test.images.path(3)).parts[-3]} == {
        "val",
        "test",
    }
    assert image_folder(root=str(tmp_path), val_fraction=0, **SMALL).val is None


def test_classes_too_small_to_carve_from_pass_where_nothing_is_carved(tmp_path: Path) -> None:
    for part, num in (("train", 2), ("val", 1), ("test", 1)):
        write_classes(tmp_path / part, num, 10 * num)
    splits = image_folder(root=str(tmp_path), **SMALL)
    assert [len(part) for part in (splits.train, splits.val, splits.test)] == [8, 4, 4]
    with pytest.raises(UsageError, match=r"val_fraction is 1\.5; give 0 for no validation part"):
        image_folder(root=str(tmp_path), val_fraction=1.5)


def test_links_to_class_folders_elsewhere_are_read(tmp_path: Path) -> None:
    """How subsets of ImageNet are usually made."""
    write_parts(tmp_path / "whole")
    for part in ("train", "test"):
        (tmp_path / "half" / part).mkdir(parents=True)
        for name in WNIDS[:2]:
            link(tmp_path / "half" / part / name, tmp_path / "whole" / part / name)
    splits = image_folder(root=str(tmp_path / "half"), val_fraction=0, **SMALL)
    assert splits.class_names == WNIDS[:2]
    assert [len(splits.train), len(splits.test)] == [30, 8]


def test_statistics_of_many_images_come_from_some_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "FIT_IMAGES", 7)
    options = {"standard": "fit", "val_fraction": 0, "augment": False, **SMALL}
    train = image_folder(root=str(write_parts(tmp_path)), **options).train
    seen = (
        torch.stack([x for number, x in enumerate(train.data) if number in (0, 8, 17, 25, 34, 42, 51)]) / 255
    )
    torch.testing.assert_close(train.standard.mean.flatten(), seen.mean((0, 2, 3)))
    torch.testing.assert_close(
        train.standard.std.flatten(), seen.movedim(1, 0).flatten(1).std(1, correction=0)
    )


def test_one_tree_is_divided_by_its_own_seed_alone(tmp_path: Path) -> None:
    root = str(write_classes(tmp_path, 20, 0))
    some, other = (
        raw(image_folder(root=root, test_fraction=0.2, test_seed=seed, **SMALL).test) for seed in (0, 1)
    )
    assert len(some) == len(other) == 16
    assert some != other


def test_the_field_s_constants_unless_statistics_are_asked_for(tmp_path: Path) -> None:
    test = image_folder(root=str(write_parts(tmp_path)), **SMALL).test
    x = test[0][0]
    pixels = next(iter(test.data)).float() / 255
    mean, std = torch.tensor((0.485, 0.456, 0.406)), torch.tensor((0.229, 0.224, 0.225))
    torch.testing.assert_close(x, (pixels - mean.view(3, 1, 1)) / std.view(3, 1, 1))


@pytest.mark.parametrize(
    "options", [{"randaugment": True}, {"randaugment": "rand-m9-mstd0.5-inc1"}, {"erasing": 1.0}]
)
def test_more_augmentation_goes_on_top(tmp_path: Path, options: dict[str, Any]) -> None:
    if "randaugment" in options:
        pytest.importorskip("timm" if isinstance(options["randaugment"], str) else "torchvision")
    root = str(write_parts(tmp_path))
    some, again, without = (image_folder(root=root, **SMALL, **more).train for more in (options, options, {}))
    assert same(items(some, range(8)), items(again, range(8)))
    assert same(some.__getitems__([3, 5]), [again[3], again[5]])
    assert not same(items(some, range(8)), items(without, range(8)))


@pytest.mark.parametrize("num_workers", [0, 2])
def test_batches_are_a_function_of_seed_and_epoch(tmp_path: Path, num_workers: int) -> None:
    train = image_folder(root=str(write_parts(tmp_path)), **SMALL).train
    reference = make_loader(train, 8, shuffle=True, seed=3)
    loader = make_loader(train, 8, shuffle=True, seed=3, num_workers=num_workers)
    for epoch in (0, 1):
        set_epoch(reference, epoch)
        expected = list(reference)
        set_epoch(loader, epoch)
        assert all(torch.equal(a.x, b.x) for a, b in zip(loader, expected, strict=True))


@pytest.mark.parametrize("num_workers", [0, 2])
def test_an_image_that_fails_within_an_epoch_is_named(tmp_path: Path, num_workers: int) -> None:
    write_parts(tmp_path)
    broken = tmp_path / "test" / WNIDS[2] / f"{WNIDS[2]}_1.JPEG"
    broken.write_bytes(broken.read_bytes()[:300])
    loader = make_loader(
        image_folder(root=str(tmp_path), **SMALL).test, 4, shuffle=False, num_workers=num_workers
    )
    try:
        list(loader)
    except UsageError as error:
        # Torch's frames and the error hold each other: its workers would be collected late, 5 s for each of them.
        message = str(error.with_traceback(None))
    # Torch puts the worker's traceback before it.
    assert re.search(
        rf"{broken}: (no|damaged) image .*; unpack it again or remove it$", message.splitlines()[-1]
    )


def test_names_take_little_memory_and_are_shared(tmp_path: Path) -> None:
    images = image_folder(root=str(write_parts(tmp_path)), val_fraction=0).train.images
    part = images.take(torch.arange(0, 60, 7).numpy())
    assert part.text is images.text
    assert [part.path(n) for n in range(len(part))] == [images.path(n) for n in range(0, 60, 7)]
    assert len(images.text) == sum(len(os.path.relpath(images.path(n), images.folder)) for n in range(60))


def remove(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def link(place: Path, target: Path) -> None:
    place.symlink_to(target, target_is_directory=True)


def twice(root: Path) -> None:
    remove(root / "test" / WNIDS[1])
    link(root / "test" / WNIDS[1], root / "train" / WNIDS[1])


def empty(root: Path) -> None:
    (root / "train").rename(root / "other")
    (root / "train").mkdir()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: remove(root / "test" / WNIDS[3]), r"test: missing class folder 'n04067472'; all parts"),
        (lambda root: remove(root / "train" / WNIDS[0]), "test: found a folder 'n01443537' that is no known class"),
        (lambda root: [p.unlink() for p in (root / "train" / WNIDS[0]).iterdir()], "n01443537: empty class: found no"),
        (lambda root: (root / "train").rename(root / "other"), "found no train folder in it, expected train/<class>/"),
        (lambda root: (root / "test").rename(root / "other"), "found no test or val folder in it"),
        (empty, "train: found no folder in it, expected one folder a class"),
        (lambda root: link(root / "train" / WNIDS[0] / "again", root / "train"), "again/n.*: is the same folder as"),
        (lambda root: link(root / "train" / WNIDS[0] / "loop", root / "train" / WNIDS[0] / "loop"), "symbolic links"),
        (twice, r"test/n02124075: is the same folder as .*train/n02124075"),
        (lambda root: link(root / "train" / WNIDS[0] / "gone.png", root / "nowhere"), "gone.png: no file but a link"),
        (lambda root: os.mkfifo(root / "train" / WNIDS[0] / "pipe.png"), "pipe.png: no file but a link .* or a pipe"),
    ],
)  # fmt: skip
def test_trees_that_do_not_fit(tmp_path: Path, damage: Callable[[Path], object], message: str) -> None:
    damage(write_parts(tmp_path))
    with pytest.raises(UsageError, match=message) as caught:
        image_folder(root=str(tmp_path), **SMALL)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"root": None}, "image_folder: no root; give root=FOLDER"),
        ({"size": 0}, "size is 0"),
        ({"centre": 1.5}, "centre is 1.5"),
        ({"min_area": 0.0}, "min_area is 0.0"),
        ({"erasing": 2.0}, "probability is 2.0"),
        ({"standard": "fitted"}, "unknown choice of standard 'fitted'; did you mean 'fit'"),
        ({"test_fraction": 0.2}, "is divided already; leave out test_fraction, or give root=.*train"),
        ({"test_fraction": 1.0}, "test_fraction is 1.0"),
        ({"test_fraction": 0.2, "test_seed": -1}, "seed is -1"),
    ],
)
def test_options_that_do_not_fit(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        image_folder(**{"root": str(write_parts(tmp_path)), **options})


def test_a_fraction_that_leaves_no_test_image(tmp_path: Path) -> None:
    write_classes(tmp_path, 20, 0)
    with pytest.raises(UsageError, match=r"test_fraction 0\.001 does not fit: class 0 has 20 samples"):
        image_folder(root=str(tmp_path), test_fraction=0.001)


def test_a_data_set_shows_its_type(tmp_path: Path) -> None:
    assert isinstance(image_folder(root=str(write_parts(tmp_path))).val, ImageDataset)
