"""Image sets in MNIST's layout: MNIST, Fashion-MNIST, KMNIST, any folder of IDX files."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from snnpd.datasets.arrays import split_arrays
from snnpd.datasets.augmentation.images import Augmentation, ShiftFlip
from snnpd.datasets.augmentation.table import Augment, choose_for_pictures
from snnpd.datasets.images.idx_files import read_idx
from snnpd.datasets.images.idx_parts import find_idx, read_part, usual_folder
from snnpd.datasets.images.public import PublicFile, listed
from snnpd.datasets.roots import folder_of
from snnpd.datasets.splits import Splits
from snnpd.datasets.standard import fit_pixels
from snnpd.errors import UsageError

DIGIT_NAMES = tuple(str(number) for number in range(10))
FASHION_NAMES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip

KUZUSHIJI_NAMES = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")

# Where the files lie if no root is given: torchvision's layout, a plain folder, Debian's package.
MNIST_FOLDERS = ("data/MNIST/raw", "data/mnist")
FASHION_FOLDERS = ("data/FashionMNIST/raw", "data/fashion-mnist", "/usr/share/datasets/fashion-mnist")
KMNIST_FOLDERS = ("data/KMNIST/raw", "data/kmnist")

_IDX_FILES = (
    "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, each plain "
    "or as .gz"
)
MNIST_FILES = (
    PublicFile("train-images-idx3-ubyte.gz", 9_912_422, "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
    PublicFile("train-labels-idx1-ubyte.gz", 28_881, "d53e105ee54ea40749a09fcbcd1e9432"),
    PublicFile("t10k-images-idx3-ubyte.gz", 1_648_877, "9fb629c4189551a2d022fa330f9573f3"),
    PublicFile("t10k-labels-idx1-ubyte.gz", 4_542, "ec29112dd5afa0611ce80d1b7f02629c"),
)
FASHION_FILES = (
    PublicFile("train-images-idx3-ubyte.gz", 26_421_880, "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
    PublicFile("train-labels-idx1-ubyte.gz", 29_515, "25c81989df183df01b3e8a0aad5dffbe"),
    PublicFile("t10k-images-idx3-ubyte.gz", 4_422_102, "bef4ecab320f06d8554ea6380940ec79"),
    PublicFile("t10k-labels-idx1-ubyte.gz", 5_148, "bb300cfdad3c16e7a12a480ee83cd310"),
)
KMNIST_FILES = (
    PublicFile("train-images-idx3-ubyte.gz", 18_165_135, "bdb82020997e1d708af4cf47b453dcf7"),
    PublicFile("train-labels-idx1-ubyte.gz", 29_497, "e144d726b3acfaa3e44228e80efcd344"),
    PublicFile("t10k-images-idx3-ubyte.gz", 3_041_136, "5c965bf0a639b31b8f53240b1b52f4d7"),
    PublicFile("t10k-labels-idx1-ubyte.gz", 5_120, "7320c461ea6c1c855c0b718fb2a4b134"),
)

_WHITE = 255


def idx_folder(
    *,
    root: str | None = None,
    num_classes: int | None = None,
    seed: int = 0,
    val_fraction: float = 0.1,
    augment: Augment = False,
) -> Splits:
    """Any grey images in MNIST's layout, plain or `.gz`.

    The files are `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and the same of `t10k`. Size, shape,
    classes and licence are theirs; `num_classes` is by default the largest train label plus one.
    Augmentation, if asked for, shifts by up to two pixels.

    Raises:
        UsageError: no root, or files that are missing or damaged.
    """
    mend = f"give root=FOLDER, the one that holds {_IDX_FILES}"
    if root is None:
        raise UsageError(f"idx: no root; {mend}")
    folder = folder_of(root)
    if num_classes is None:
        num_classes = int(read_idx(find_idx(folder, "train-labels-idx1-ubyte", mend), ndim=1).max()) + 1
    names = tuple(str(number) for number in range(num_classes))
    return _mnist_like(
        "idx", folder, names, choose_for_pictures(augment, "image", ShiftFlip(2)), seed, val_fraction, mend
    )


def mnist(
    *, root: str | None = None, seed: int = 0, val_fraction: float = 0.1, augment: Augment = True
) -> Splits:
    """MNIST: 60,000 train and 10,000 test images of handwritten digits, 28 × 28 pixels, 10 classes.

    Augmentation shifts by up to two pixels.

    Source: LeCun, Cortes & Burges, 1998. Licence CC BY-SA 3.0.

    Raises:
        UsageError: files that are missing or damaged.
    """
    mend = (
        f"fetch {listed(MNIST_FILES)} from https://ossci-datasets.s3.amazonaws.com/mnist and give root=FOLDER"
    )
    folder = usual_folder("mnist", root, MNIST_FOLDERS, "train", mend)
    augmentations = choose_for_pictures(augment, "image", ShiftFlip(2))
    return _mnist_like("mnist", folder, DIGIT_NAMES, augmentations, seed, val_fraction, mend)


def fashion_mnist(
    *, root: str | None = None, seed: int = 0, val_fraction: float = 0.1, augment: Augment = True
) -> Splits:
    """Fashion-MNIST: 60,000 train and 10,000 test images of clothes, 28 × 28 pixels, 10 classes.

    Found by itself where Debian's package `dataset-fashion-mnist` is installed. Augmentation shifts by up to
    two pixels and mirrors left to right.

    Source: Xiao, Rasul & Vollgraf, 2017. Licence MIT.

    Raises:
        UsageError: files that are missing or damaged.
    """
    mend = (
        f"`apt-get install dataset-fashion-mnist` brings them, or fetch {listed(FASHION_FILES)} from "
        f"https://github.com/zalandoresearch/fashion-mnist and give root=FOLDER"
    )
    folder = usual_folder("fashion_mnist", root, FASHION_FOLDERS, "train", mend)
    augmentations = choose_for_pictures(augment, "image", ShiftFlip(2, flip=True))
    return _mnist_like("fashion_mnist", folder, FASHION_NAMES, augmentations, seed, val_fraction, mend)


def kmnist(
    *, root: str | None = None, seed: int = 0, val_fraction: float = 0.1, augment: Augment = True
) -> Splits:
    """KMNIST: 60,000 train and 10,000 test images of cursive hiragana, 28 × 28 pixels, 10 classes.

    Augmentation shifts by up to two pixels.

    Source: Clanuwat et al., Deep learning for classical Japanese literature, 2018. Licence CC BY-SA 4.0.

    Raises:
        UsageError: files that are missing or damaged.
    """
    mend = f"fetch {listed(KMNIST_FILES)} from http://codh.rois.ac.jp/kmnist and give root=FOLDER"
    folder = usual_folder("kmnist", root, KMNIST_FOLDERS, "train", mend)
    augmentations = choose_for_pictures(augment, "image", ShiftFlip(2))
    return _mnist_like("kmnist", folder, KUZUSHIJI_NAMES, augmentations, seed, val_fraction, mend)


def _mnist_like(
    name: str,
    folder: Path,
    class_names: tuple[str, ...],
    augment: Sequence[Augmentation],
    seed: int,
    val_fraction: float,
    mend: str,
) -> Splits:
    return split_arrays(
        name,
        "image",
        read_part(folder, "train", len(class_names), mend),
        read_part(folder, "t10k", len(class_names), mend),
        class_names=class_names,
        fit=partial(fit_pixels, divisor=_WHITE),
        divisor=_WHITE,
        augment=augment,
        seed=seed,
        val_fraction=val_fraction,
    )
