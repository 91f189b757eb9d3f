"""Data sets of series of different lengths, which no single array can hold."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from snnpd.datasets.carve import carve_validation
from snnpd.datasets.labels import check_every_class
from snnpd.datasets.seeding import rng_for
from snnpd.datasets.splits import Splits
from snnpd.datasets.standard import Standard, fit_series
from snnpd.datasets.ts_files import LabelledSeries
from snnpd.errors import UsageError


class SeriesDataset(Dataset[tuple[Tensor, int]]):
    """Standardised samples `(x [N_i, C] float32, y)` at their true lengths; batches pad to `max_length`.

    `jitter` is the standard deviation of Gaussian noise on the standardised values, a function of
    (seed, epoch, index); `set_epoch` sets the epoch.
    """

    def __init__(
        self,
        series: Sequence[Tensor],
        labels: NDArray[np.int64],
        standard: Standard,
        max_length: int,
        *,
        jitter: float = 0.0,
        seed: int = 0,
    ):
        self.series = list(series)
        self.labels = labels
        self.standard = standard
        self.max_length = max_length
        self.jitter = jitter
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Makes the augmentation that of `epoch`."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.series)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        x = self.standard.apply(self.series[index])
        if self.jitter:
            noise = rng_for(self.seed, self.epoch, index % len(self)).standard_normal(
                x.shape, dtype=np.float32
            )
            x = x + self.jitter * torch.from_numpy(noise)
        return x, int(self.labels[index])


def split_series(
    name: str, train: LabelledSeries, test: LabelledSeries, seed: int, val_fraction: float, jitter: float
) -> Splits:
    """The parts of a data set: validation carved from `train`, statistics from the rest of it.

    Raises:
        UsageError: an unknown or empty class, parts of different widths, or an option that does not fit.
    """
    if jitter < 0:
        raise UsageError(f"jitter is {jitter}; give a standard deviation from 0 (no noise) upwards")
    class_names = tuple(sorted(set(train.names)))
    labels = _numbers(train, class_names, f"{name}, train")
    test_labels = _numbers(test, class_names, f"{name}, test")
    channels = {one.shape[1] for one in train.series + test.series}
    if len(channels) > 1:
        raise UsageError(
            f"{name}: train and test have {sorted(channels)} channels; take both from one data set"
        )
    check_every_class(labels, class_names, f"{name}, train")
    kept, held = carve_validation(labels, val_fraction, seed)
    standard = fit_series([train.series[i] for i in kept])
    max_length = max(len(one) for one in train.series + test.series)

    def part(indices: NDArray[np.int64], jitter: float = 0.0) -> SeriesDataset:
        series = [train.series[i] for i in indices]
        return SeriesDataset(series, labels[indices], standard, max_length, jitter=jitter, seed=seed)

    return Splits(
        name=name,
        kind="series",
        train=part(kept, jitter),
        val=None if held is None else part(held),
        test=SeriesDataset(test.series, test_labels, standard, max_length),
        num_classes=len(class_names),
        input_shape=(max_length, *channels),
        class_names=class_names,
    )


def _numbers(part: LabelledSeries, class_names: tuple[str, ...], where: str) -> NDArray[np.int64]:
    number_of = {name: number for number, name in enumerate(class_names)}
    for index, name in enumerate(part.names):
        if name not in number_of:
            raise UsageError(
                f"{where}: label out of range: sample {index} has {name!r}, the train part has "
                f"{', '.join(class_names)}; take both parts from one data set"
            )
    return np.array([number_of[name] for name in part.names], dtype=np.int64)
