"""Data sets that lie in memory as one array: images and frames."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from snnpd.datasets.augmentation.images import Augmentation
from snnpd.datasets.carve import carve_validation
from snnpd.datasets.labels import check_every_class, check_labels
from snnpd.datasets.seeding import rng_for
from snnpd.datasets.splits import Kind, Splits
from snnpd.datasets.standard import Standard
from snnpd.errors import UsageError


class Samples(NamedTuple):
    """Raw samples side by side, `[B, ...]` of any dtype, and their class numbers `[B]`."""

    data: Tensor
    labels: NDArray[np.int64]


class ArrayDataset(Dataset[tuple[Tensor, int]]):
    """Samples `(x float32, y)` from one array: divided, augmented, then standardised.

    Augmentation is a function of (seed, epoch, index); `set_epoch` sets the epoch.
    """

    def __init__(
        self,
        samples: Samples,
        standard: Standard,
        *,
        divisor: float = 1.0,
        augment: Sequence[Augmentation] = (),
        seed: int = 0,
    ):
        self.data = samples.data
        self.labels = samples.labels
        self.standard = standard
        self.divisor = divisor
        self.augment = tuple(augment)
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Makes the augmentation that of `epoch`."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: list[int]) -> list[tuple[Tensor, int]]:
        """Many samples at once, bit-equal to one after the other; torch's loader asks for them this way."""
        x = self.data[indices].float() / self.divisor
        if self.augment:
            rngs = [rng_for(self.seed, self.epoch, index % len(self)) for index in indices]
            for augmentation in self.augment:
                x = augmentation(x, rngs)
        return list(zip(self.standard.apply(x), self.labels[indices].tolist(), strict=True))


def split_arrays(
    name: str,
    kind: Kind,
    train: Samples,
    test: Samples,
    *,
    class_names: tuple[str, ...],
    fit: Callable[[Tensor], Standard],
    divisor: float = 1.0,
    augment: Sequence[Augmentation] = (),
    seed: int = 0,
    val_fraction: float = 0.1,
) -> Splits:
    """The parts of a data set: validation carved from `train`, statistics by `fit` from what is left of it.

    Raises:
        UsageError: a label out of range, an empty class, samples of different sizes, or a seed or fraction
            that does not fit.
    """
    if train.data.shape[1:] != test.data.shape[1:]:
        raise UsageError(
            f"{name}: train samples are {tuple(train.data.shape[1:])}, test samples "
            f"{tuple(test.data.shape[1:])}; both must have one size, take both files from one data set"
        )
    check_labels(train.labels, len(class_names), f"{name}, train")
    check_labels(test.labels, len(class_names), f"{name}, test")
    check_every_class(train.labels, class_names, f"{name}, train")
    kept, held = carve_validation(train.labels, val_fraction, seed)
    standard = fit(train.data[kept])

    def part(indices: NDArray[np.int64], augment: Sequence[Augmentation] = ()) -> ArrayDataset:
        samples = Samples(train.data[torch.from_numpy(indices)], train.labels[indices])
        return ArrayDataset(samples, standard, divisor=divisor, augment=augment, seed=seed)

    return Splits(
        name=name,
        kind=kind,
        train=part(kept, augment),
        val=None if held is None else part(held),
        test=ArrayDataset(test, standard, divisor=divisor),
        num_classes=len(class_names),
        # A network sees one frame at a time: the time axis of frames is no part of its input shape.
        input_shape=tuple(train.data.shape[-3:]),
        class_names=class_names,
    )
