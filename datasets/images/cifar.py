"""CIFAR-10 and CIFAR-100, from either format that their page offers and torchvision writes."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from snnpd.datasets.arrays import Samples, split_arrays
from snnpd.datasets.augmentation.images import Augmentation, RandAugment, ShiftFlip
from snnpd.datasets.augmentation.table import Augment, choose_for_pictures
from snnpd.datasets.images.cifar_files import Arrays, read_binary, read_python
from snnpd.datasets.images.public import PublicFile, listed
from snnpd.datasets.labels import check_labels
from snnpd.datasets.roots import folder_of
from snnpd.datasets.splits import Splits
from snnpd.datasets.standard import fit_pixels
from snnpd.errors import UsageError

CIFAR10_NAMES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
CIFAR100_NAMES = (
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle", "bowl",
    "boy", "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle", "chair",
    "chimpanzee", "clock", "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur", "dolphin",
    "elephant", "flatfish", "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard", "lamp",
    "lawn_mower", "leopard", "lion", "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain",
    "mouse", "mushroom", "oak_tree", "orange", "orchid", "otter", "palm_tree", "pear", "pickup_truck",
    "pine_tree", "plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon", "ray", "road",
    "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper", "snail", "snake", "spider",
    "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank", "telephone", "television",
    "tiger", "tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale", "willow_tree", "wolf",
    "woman", "worm",
)  # fmt: skip


@dataclass(frozen=True)
class _Format:
    folder: str
    train: tuple[str, ...]
    test: str
    # How many label bytes a record has, or the key of the labels in the python version.
    labels: int | bytes
    archive: PublicFile

    def read(self, path: Path) -> Arrays:
        if isinstance(self.labels, int):
            return read_binary(path, self.labels)
        return read_python(path, self.labels)


_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
_CIFAR10_FORMATS = (
    _Format(
        "cifar-10-batches-bin", tuple(f"{name}.bin" for name in _BATCHES), "test_batch.bin", 1,
        PublicFile("cifar-10-binary.tar.gz", 170_052_171, "c32a1d4ab5d03f1284b67883e8d87530"),
    ),
    _Format(
        "cifar-10-batches-py", _BATCHES, "test_batch", b"labels",
        PublicFile("cifar-10-python.tar.gz", 170_498_071, "c58f30108f718f92721af3b95e74349a"),
    ),
)  # fmt: skip
_CIFAR100_FORMATS = (
    _Format(
        "cifar-100-binary", ("train.bin",), "test.bin", 2,
        PublicFile("cifar-100-binary.tar.gz", 168_513_733, "03b5dce01913d631647c71ecec9e9cb8"),
    ),
    _Format(
        "cifar-100-python", ("train",), "test", b"fine_labels",
        PublicFile("cifar-100-python.tar.gz", 169_001_437, "eb9058c3a382ffc7106e4002c42a8d85"),
    ),
)  # fmt: skip
_PAGE = "https://www.cs.toronto.edu/~kriz/cifar.html"


def cifar10(
    *,
    root: str | None = None,
    seed: int = 0,
    val_fraction: float = 0.1,
    augment: Augment = True,
    randaugment: bool = False,
) -> Splits:
    """CIFAR-10: 50,000 train and 10,000 test colour images of 32 × 32 pixels in 10 classes.

    `root` (by default `data`) holds `cifar-10-batches-bin` or `cifar-10-batches-py`. Augmentation shifts by
    up to four pixels and mirrors left to right; `randaugment` adds torchvision's RandAugment.

    Source: Krizhevsky, Learning multiple layers of features from tiny images, 2009. No licence is stated.

    Raises:
        UsageError: files that are missing or damaged.
    """
    augmentations = _augmentations(augment, randaugment)
    return _cifar("cifar10", root, _CIFAR10_FORMATS, CIFAR10_NAMES, augmentations, seed, val_fraction)


def cifar100(
    *,
    root: str | None = None,
    seed: int = 0,
    val_fraction: float = 0.1,
    augment: Augment = True,
    randaugment: bool = False,
) -> Splits:
    """CIFAR-100: 50,000 train and 10,000 test colour images of 32 × 32 pixels in 100 (fine) classes.

    `root` (by default `data`) holds `cifar-100-binary` or `cifar-100-python`; options as for `cifar10`.

    Source: Krizhevsky, Learning multiple layers of features from tiny images, 2009. No licence is stated.

    Raises:
        UsageError: files that are missing or damaged.
    """
    augmentations = _augmentations(augment, randaugment)
    return _cifar("cifar100", root, _CIFAR100_FORMATS, CIFAR100_NAMES, augmentations, seed, val_fraction)


def _augmentations(augment: Augment, randaugment: bool) -> list[Augmentation]:
    chosen = choose_for_pictures(augment, "image", ShiftFlip(4, flip=True))
    return [*chosen, RandAugment()] if randaugment else [*chosen]


def _cifar(
    name: str,
    root: str | None,
    formats: tuple[_Format, ...],
    class_names: tuple[str, ...],
    augment: list[Augmentation],
    seed: int,
    val_fraction: float,
) -> Splits:
    folder, layout = _find(name, folder_of(root or "data"), formats)
    return split_arrays(
        name,
        "image",
        _read_all([folder / file for file in layout.train], layout, len(class_names)),
        _read_all([folder / layout.test], layout, len(class_names)),
        class_names=class_names,
        fit=partial(fit_pixels, divisor=255),
        divisor=255,
        augment=augment,
        seed=seed,
        val_fraction=val_fraction,
    )


def _find(name: str, root: Path, formats: tuple[_Format, ...]) -> tuple[Path, _Format]:
    """The folder itself may be given too, if it has its usual name."""
    for layout in formats:
        for folder in (root / layout.folder, root):
            if folder.name == layout.folder and folder.is_dir():
                return folder, layout
    wanted = " or ".join(layout.folder for layout in formats)
    raise UsageError(
        f"{name}: found no folder {wanted} in {root}; fetch {listed((layout.archive for layout in formats), ' or ')} "
        f"from {_PAGE} and unpack it there, or give root=FOLDER"
    )


def _read_all(paths: list[Path], layout: _Format, num_classes: int) -> Samples:
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise UsageError(
            f"{paths[0].parent}: found no {', '.join(missing)}; fetch {layout.archive} from {_PAGE} and unpack it again"
        )
    parts = [layout.read(path) for path in paths]
    most = max(len(labels) for _, labels in parts)
    for path, (_, labels) in zip(paths, parts, strict=True):
        check_labels(labels, num_classes, str(path))
        # The official batches are equally long: a file that was cut between two records shows here.
        if len(labels) != most:
            raise UsageError(
                f"{path}: truncated: found {len(labels)} images, expected {most} as in the longest batch; "
                f"unpack the archive again"
            )
    images = np.concatenate([images for images, _ in parts])
    return Samples(torch.from_numpy(images), np.concatenate([labels for _, labels in parts]))
