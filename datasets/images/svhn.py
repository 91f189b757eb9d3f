"""SVHN: house numbers from Google Street View, cropped to one digit."""

from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from snnpd.datasets.arrays import Samples, split_arrays
from snnpd.datasets.augmentation.images import ShiftFlip
from snnpd.datasets.augmentation.table import Augment, choose_for_pictures
from snnpd.datasets.images.idx import DIGIT_NAMES
from snnpd.datasets.images.mat_files import read_mat
from snnpd.datasets.images.public import PublicFile
from snnpd.datasets.roots import folder_of
from snnpd.datasets.splits import Splits
from snnpd.datasets.standard import fit_pixels
from snnpd.errors import UsageError

_TRAIN = PublicFile("train_32x32.mat", 182_040_794, "e26dedcc434d2e4c54c9b2d4a06d8373")
_TEST = PublicFile("test_32x32.mat", 64_275_384, "eb5a983be6a315427106f1b164d9cef3")
_EXTRA = PublicFile("extra_32x32.mat", 1_329_278_602, "a93ce644f1a588dc4d68dda5feec44a7")

SVHN_FOLDERS = ("data", "data/svhn", "data/SVHN")

_WHITE = 255
# What the files call the digit 0.
_TEN = 10
_IMAGE_SHAPE = (32, 32, 3)
_CHUNK = 4096


def svhn(
    *,
    root: str | None = None,
    seed: int = 0,
    val_fraction: float = 0.1,
    augment: Augment = True,
    extra: bool = False,
) -> Splits:
    """SVHN: 73,257 train and 26,032 test colour images of 32 × 32 pixels, 10 digits.

    `root` holds `train_32x32.mat` and `test_32x32.mat`; `extra` adds the 531,131 easier images of
    `extra_32x32.mat` to the train part. Class 0 is the digit 0, which the files call 10. Augmentation shifts by
    up to four pixels.

    Source: Netzer et al., Reading digits in natural images with unsupervised feature learning, 2011. Licence:
    for non-commercial use only.

    Raises:
        UsageError: files that are missing or damaged.
    """
    folder = _folder(root)
    train = _read_part(folder, _TRAIN)
    if extra:
        train = _joined(train, _read_part(folder, _EXTRA))
    return split_arrays(
        "svhn",
        "image",
        train,
        _read_part(folder, _TEST),
        class_names=DIGIT_NAMES,
        fit=partial(fit_pixels, divisor=_WHITE),
        divisor=_WHITE,
        augment=choose_for_pictures(augment, "image", ShiftFlip(4)),
        seed=seed,
        val_fraction=val_fraction,
    )


def _folder(root: str | None) -> Path:
    if root is not None:
        return folder_of(root)
    for place in map(Path, SVHN_FOLDERS):
        if (place / _TRAIN.name).is_file():
            return place
    raise UsageError(f"svhn: found no {_TRAIN.name} in {', '.join(SVHN_FOLDERS)}; {_mend(_TRAIN)}")


def _mend(file: PublicFile) -> str:
    return f"fetch {file} from http://ufldl.stanford.edu/housenumbers and give its folder as root="


def _read_part(folder: Path, file: PublicFile) -> Samples:
    path = folder / file.name
    if not path.is_file():
        raise UsageError(f"svhn: found no {file.name} in {folder}; {_mend(file)}")
    arrays = read_mat(path, ("X", "y"))
    images, labels = arrays["X"], arrays["y"].reshape(-1)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[:3] != _IMAGE_SHAPE:
        raise UsageError(
            f"{path}: X has shape {images.shape} of {images.dtype}, expected (32, 32, 3, B) of uint8; "
            f"{_mend(file)}"
        )
    if images.shape[3] != len(labels):
        raise UsageError(
            f"{path}: found {len(labels)} labels in y, expected {images.shape[3]}, one for each image of X; "
            f"{_mend(file)}"
        )
    return Samples(torch.from_numpy(_channels_first(images)), _digits(labels, path))


def _channels_first(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`[H, W, C, B]` column by column is `[B, C, W, H]` row by row: only H and W change places.

    In the same memory, since the extra images are 1.6 GB.
    """
    turned = images.transpose(3, 2, 1, 0)
    for start in range(0, len(turned), _CHUNK):
        part = turned[start : start + _CHUNK]
        part[...] = part.swapaxes(2, 3).copy()
    return turned


def _digits(labels: NDArray, path: Path) -> NDArray[np.int64]:
    wrong = np.flatnonzero(~((labels >= 1) & (labels <= _TEN) & (labels % 1 == 0)))
    if wrong.size:
        raise UsageError(
            f"{path}: label out of range: sample {wrong[0]} has {labels[wrong[0]]}, allowed are 1 to {_TEN} ({_TEN} "
            f"stands for the digit 0); fetch the file again"
        )
    return labels.astype(np.int64) % _TEN


def _joined(some: Samples, more: Samples) -> Samples:
    return Samples(torch.cat([some.data, more.data]), np.concatenate([some.labels, more.labels]))
