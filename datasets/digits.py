"""Scikit-learn's handwritten digits: the smallest real image set, and the default."""

from functools import lru_cache, partial

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from snnpd.datasets.arrays import Samples, split_arrays
from snnpd.datasets.augmentation.images import RandomAffine
from snnpd.datasets.augmentation.table import Augment, choose_for_pictures
from snnpd.datasets.carve import stratified_split
from snnpd.datasets.splits import Splits
from snnpd.datasets.standard import fit_pixels

CLASS_NAMES = tuple(str(number) for number in range(10))
NUM_TEST = 360
WHITE = 16

# The set comes without an official split. Ours is drawn once and for all by this seed, whatever the caller's
# seed.
_TEST_SPLIT_SEED = 1797


def digits(*, seed: int = 0, val_fraction: float = 0.1, augment: Augment = True) -> Splits:
    """Handwritten digits: 1,797 real images of 8 × 8 pixels in 10 classes; 1,437 to train on, 360 to test.

    The test part is fixed and stratified; `seed` moves only the validation part and the augmentation (a shift
    by up to a pixel, a turn by up to 10°, a zoom by up to 10 %, all at once). Ships inside scikit-learn.

    Source: Alpaydin & Kaynak, Optical Recognition of Handwritten Digits (test part), UCI, 1998. Licence CC BY
    4.0.
    """
    train, test = digit_samples()
    return split_arrays(
        "digits",
        "image",
        train,
        test,
        class_names=CLASS_NAMES,
        fit=partial(fit_pixels, divisor=WHITE),
        divisor=WHITE,
        augment=choose_for_pictures(augment, "image", RandomAffine()),
        seed=seed,
        val_fraction=val_fraction,
    )


def digit_samples() -> tuple[Samples, Samples]:
    """The raw digits, `(train, test)`: unsigned bytes `[B, 1, 8, 8]` from 0 to 16."""
    pixels, labels, train, test = _load()
    return Samples(pixels[train], labels[train]), Samples(pixels[test], labels[test])


@lru_cache(maxsize=1)
def _load() -> tuple[Tensor, np.ndarray, np.ndarray, np.ndarray]:
    images, labels = load_digits(return_X_y=True)
    pixels = torch.from_numpy(images.astype(np.uint8).reshape(-1, 1, 8, 8))
    labels = labels.astype(np.int64)
    train, test = stratified_split(labels, NUM_TEST, _TEST_SPLIT_SEED)
    return pixels, labels, train, test
