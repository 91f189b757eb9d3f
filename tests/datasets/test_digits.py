"""The digits."""

import zlib
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits

from snnpd.datasets.digits import digit_samples, digits
from snnpd.datasets.splits import Splits
from tests.datasets.contract import DatasetContract


class TestDigits(DatasetContract):
    def make(self, **options: Any) -> Splits:
        return digits(**options)


def test_sizes() -> None:
    splits = digits(seed=7)
    assert [len(part) for part in (splits.train, splits.val, splits.test)] == [1293, 144, 360]
    assert splits.input_shape == (1, 8, 8)
    assert len(digits(val_fraction=0).train) == 1437


def test_they_are_the_real_ones() -> None:
    images, labels = load_digits(return_X_y=True)
    real = {(image.tobytes(), label) for image, label in zip(images.astype(np.uint8), labels, strict=True)}
    train, test = digit_samples()
    ours = {
        (image.numpy().tobytes(), label)
        for part in (train, test)
        for image, label in zip(part.data, part.labels, strict=True)
    }
    assert ours == real


def test_the_test_part_is_pinned() -> None:
    """Results are compared over years: the 360 images must never change."""
    test = digits().test
    assert np.bincount(test.labels).tolist() == [36, 37, 35, 37, 36, 36, 36, 36, 35, 36]
    assert zlib.crc32(test.data.numpy().tobytes()) == 1976560391
    assert zlib.crc32(test.labels.astype(np.uint8).tobytes()) == 1632216855


def test_augmentation_keeps_the_digit_in_place() -> None:
    """A turn of 10°, a zoom of 10 % and a shift of a pixel move the centre of mass by two pixels at most."""
    augmented, plain = digits().train, digits(augment=False).train
    rows = torch.arange(8.0)[:, None]
    for index in range(50):
        moved, still = (part.standard.undo(part[index][0])[0].clamp(min=0) for part in (augmented, plain))
        assert moved.max() <= 1 + 1e-5
        centre = [(image * rows).sum() / image.sum() for image in (moved, still)]
        assert abs(centre[0] - centre[1]) < 2
