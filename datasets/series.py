"""Multivariate time series from the UEA archive: a token is a moment, its channels are the measurements."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

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
from snnpd.datasets.ts_files import LabelledSeries, read_ts, shipped_series
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


@dataclass(frozen=True)
class _Problem:
    """What the archive says of a set: the sizes tell a copy that was cut between two cases."""

    name: str
    loader: str
    num_train: int
    num_test: int

    def read(self, root: str | None) -> tuple[LabelledSeries, LabelledSeries]:
        if root is None:
            train, test = (shipped_series(self.name, self.loader, split) for split in ("train", "test"))
        else:
            train, test = _read_folder(Path(root).expanduser(), self.name)
        for part, found, expected in (("TRAIN", train, self.num_train), ("TEST", test, self.num_test)):
            if len(found.series) != expected:
                raise UsageError(
                    f"{self.name}_{part}.ts: found {len(found.series)} cases, expected {expected} (official "
                    f"split); fetch the file again, or leave root out: aeon ships the set"
                )
        return train, test


_JAPANESE_VOWELS = _Problem("JapaneseVowels", "load_japanese_vowels", num_train=270, num_test=370)
_BASIC_MOTIONS = _Problem("BasicMotions", "load_basic_motions", num_train=40, num_test=40)


def japanese_vowels(
    root: str | None = None, *, seed: int = 0, val_fraction: float = 0.1, jitter: float = 0.0
) -> Splits:
    """JapaneseVowels: 270 train and 370 test series of 7 to 29 tokens, 12 cepstrum coefficients, 9 speakers.

    Ships inside aeon (extra `series`); `root` names a folder of `.ts` files instead. `jitter` adds noise to
    train.

    Source: Kudo, Toyama & Shimbo, 1999; UCI and UEA archives, official split. Licence CC BY 4.0.

    Raises:
        UsageError: aeon is missing, or files are missing or damaged.
    """
    train, test = _JAPANESE_VOWELS.read(root)
    return _split("japanese_vowels", train, test, seed, val_fraction, jitter)


def basic_motions(
    root: str | None = None, *, seed: int = 0, val_fraction: float = 0.1, jitter: float = 0.0
) -> Splits:
    """BasicMotions: 40 train and 40 test series of 100 tokens, 6 channels of a smart watch, 4 activities.

    Ships inside aeon (extra `series`); `root` names a folder of `.ts` files instead. `jitter` adds noise to
    train.

    Source: Clements, UEA archive, 2018, official split. No licence is stated.

    Raises:
        UsageError: aeon is missing, or files are missing or damaged.
    """
    train, test = _BASIC_MOTIONS.read(root)
    return _split("basic_motions", train, test, seed, val_fraction, jitter)


def ts_folder(
    root: str | None = None,
    *,
    problem: str = "",
    seed: int = 0,
    val_fraction: float = 0.1,
    jitter: float = 0.0,
) -> Splits:
    """Any classification problem as `<problem>_TRAIN.ts` and `<problem>_TEST.ts` in the folder `root`.

    Size, channels, classes and licence are those of the files.

    Raises:
        UsageError: aeon is missing, no root or problem, or files are missing or damaged.
    """
    if root is None or not problem:
        raise UsageError(
            "ts: give root=FOLDER and problem=NAME, for FOLDER/NAME_TRAIN.ts and FOLDER/NAME_TEST.ts"
        )
    train, test = _read_folder(Path(root).expanduser(), problem)
    return _split(problem, train, test, seed, val_fraction, jitter)


def _read_folder(folder: Path, problem: str) -> tuple[LabelledSeries, LabelledSeries]:
    return read_ts(folder / f"{problem}_TRAIN.ts"), read_ts(folder / f"{problem}_TEST.ts")


def _split(
    name: str, train: LabelledSeries, test: LabelledSeries, seed: int, val_fraction: float, jitter: float
) -> Splits:
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
