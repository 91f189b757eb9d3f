"""Image sets in MNIST's layout: MNIST, Fashion-MNIST, any folder of IDX files."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from snnpd.datasets.arrays import Samples, split_arrays
from snnpd.datasets.augment import ShiftFlip
from snnpd.datasets.idx_files import read_idx
from snnpd.datasets.labels import check_labels
from snnpd.datasets.splits import Splits
from snnpd.datasets.standard import fit_pixels
from snnpd.errors import UsageError

DIGIT_NAMES = tuple(str(number) for number in range(10))
FASHION_NAMES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip

# Where the files lie if no root is given: torchvision's layout, a plain folder, Debian's package.
MNIST_FOLDERS = ("data/MNIST/raw", "data/mnist")
FASHION_FOLDERS = ("data/FashionMNIST/raw", "data/fashion-mnist", "/usr/share/datasets/fashion-mnist")

_WHITE = 255


def idx_folder(
    *,
    root: str | None = None,
    num_classes: int | None = None,
    seed: int = 0,
    val_fraction: float = 0.1,
    augment: bool = False,
) -> Splits:
    """Any grey images in MNIST's layout, plain or `.gz`.

    The files are `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and the same of `t10k`. Size, shape,
    classes and licence are theirs; `num_classes` is by default the largest train label plus one.
    Augmentation, if asked for, shifts by up to two pixels.

    Raises:
        UsageError: no root, or files that are missing or damaged.
    """
    if root is None:
        raise UsageError(
            "idx: no root; give root=FOLDER, the one that holds train-images-idx3-ubyte and its fellows"
        )
    folder = Path(root).expanduser()
    if num_classes is None:
        num_classes = int(read_idx(_find(folder, "train-labels-idx1-ubyte"), ndim=1).max()) + 1
    names = tuple(str(number) for number in range(num_classes))
    return _mnist_like("idx", folder, names, [ShiftFlip(2)] if augment else [], seed, val_fraction)


def mnist(
    *, root: str | None = None, seed: int = 0, val_fraction: float = 0.1, augment: bool = True
) -> Splits:
    """MNIST: 60,000 train and 10,000 test images of handwritten digits, 28 × 28 pixels, 10 classes.

    Augmentation shifts by up to two pixels.

    Source: LeCun, Cortes & Burges, 1998. Licence CC BY-SA 3.0.

    Raises:
        UsageError: files that are missing or damaged.
    """
    mend = "fetch its four files (train-images-idx3-ubyte.gz and so on) and give root=FOLDER"
    folder = _folder("mnist", root, MNIST_FOLDERS, mend)
    return _mnist_like("mnist", folder, DIGIT_NAMES, [ShiftFlip(2)] if augment else [], seed, val_fraction)


def fashion_mnist(
    *, root: str | None = None, seed: int = 0, val_fraction: float = 0.1, augment: bool = True
) -> Splits:
    """Fashion-MNIST: 60,000 train and 10,000 test images of clothes, 28 × 28 pixels, 10 classes.

    Found by itself where Debian's package `dataset-fashion-mnist` is installed. Augmentation shifts by up to
    two pixels and mirrors left to right.

    Source: Xiao, Rasul & Vollgraf, 2017. Licence MIT.

    Raises:
        UsageError: files that are missing or damaged.
    """
    mend = "`apt-get install dataset-fashion-mnist` brings them, or give root=FOLDER"
    folder = _folder("fashion_mnist", root, FASHION_FOLDERS, mend)
    augmentations = [ShiftFlip(2, flip=True)] if augment else []
    return _mnist_like("fashion_mnist", folder, FASHION_NAMES, augmentations, seed, val_fraction)


def _mnist_like(
    name: str,
    folder: Path,
    class_names: tuple[str, ...],
    augment: Sequence[ShiftFlip],
    seed: int,
    val_fraction: float,
) -> Splits:
    return split_arrays(
        name,
        "image",
        _read_part(folder, "train", len(class_names)),
        _read_part(folder, "t10k", len(class_names)),
        class_names=class_names,
        fit=partial(fit_pixels, divisor=_WHITE),
        divisor=_WHITE,
        augment=augment,
        seed=seed,
        val_fraction=val_fraction,
    )


def _read_part(folder: Path, part: str, num_classes: int) -> Samples:
    image_file = _find(folder, f"{part}-images-idx3-ubyte")
    label_file = _find(folder, f"{part}-labels-idx1-ubyte")
    images = read_idx(image_file, ndim=3)
    labels = read_idx(label_file, ndim=1).astype(np.int64)
    if len(images) != len(labels):
        raise UsageError(
            f"{label_file}: found {len(labels)} labels, expected {len(images)}, one for each image of "
            f"{image_file.name}; take both files from one data set"
        )
    check_labels(labels, num_classes, str(label_file))
    return Samples(torch.from_numpy(images)[:, None], labels)


def _find(folder: Path, stem: str) -> Path:
    for name in _spellings(stem):
        if (folder / name).is_file():
            return folder / name
    raise UsageError(
        f"{folder}: found no {stem} or {stem}.gz; give the folder that holds the four files as root="
    )


def _spellings(stem: str) -> list[str]:
    return [name + suffix for name in (stem, stem.replace("-idx", ".idx")) for suffix in ("", ".gz")]


def _folder(name: str, root: str | None, usual: Sequence[str], mend: str) -> Path:
    if root is not None:
        return Path(root).expanduser()
    for place in map(Path, usual):
        if any((place / spelling).is_file() for spelling in _spellings("train-images-idx3-ubyte")):
            return place
    raise UsageError(f"{name}: found no files in {', '.join(usual)}; {mend}")
