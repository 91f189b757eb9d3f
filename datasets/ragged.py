"""Data sets of series of different lengths, which no single array can hold."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from snnpd.datasets.carve import carve_validation
from snnpd.datasets.labels import check_every_class
from snnpd.datasets.seeding import rng_for
from snnpd.datasets.series.missing import fit_observed, settle_missing, with_indicators
from snnpd.datasets.series.ts_files import LabelledSeries
from snnpd.datasets.splits import Splits, TimedSample
from snnpd.datasets.standard import Standard, fit_series
from snnpd.errors import UsageError


@dataclass(frozen=True)
class SeriesOptions:
    """How series are split and shown.

    `jitter` is the standard deviation of noise on train; `missing` says what becomes of missing values;
    `times=False` leaves time stamps out, `from_start` counts them from each series' first.
    """

    seed: int = 0
    val_fraction: float = 0.1
    jitter: float = 0.0
    missing: str = "refuse"
    times: bool = True
    from_start: bool = False

    def __post_init__(self) -> None:
        if self.jitter < 0:
            raise UsageError(f"jitter is {self.jitter}; give a standard deviation from 0 (no noise) upwards")
        if self.from_start and not self.times:
            raise UsageError("from_start without time stamps; set times=True, or leave from_start out")


class SeriesDataset(Dataset[tuple[Tensor, int] | TimedSample]):
    """Standardised samples `(x [N_i, C] float32, y)` at their true lengths; batches pad to `max_length`.

    With `times` a sample is a `TimedSample`; with `indicate` missing values become channels, `with_indicators`.
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
        times: Sequence[Tensor] | None = None,
        indicate: bool = False,
        jitter: float = 0.0,
        seed: int = 0,
    ):
        self.series = list(series)
        self.times = None if times is None else list(times)
        self.labels = labels
        self.standard = standard
        self.max_length = max_length
        self.indicate = indicate
        self.jitter = jitter
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Makes the augmentation that of `epoch`."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.series)

    def __getitem__(self, index: int) -> tuple[Tensor, int] | TimedSample:
        x = self.standard.apply(self.series[index])
        if self.jitter:
            noise = rng_for(self.seed, self.epoch, index % len(self)).standard_normal(
                x.shape, dtype=np.float32
            )
            x = x + self.jitter * torch.from_numpy(noise)
        if self.indicate:
            x = with_indicators(x)
        label = int(self.labels[index])
        return (x, label) if self.times is None else TimedSample(x, label, self.times[index])


def split_series(name: str, train: LabelledSeries, test: LabelledSeries, options: SeriesOptions) -> Splits:
    """The parts of a data set: validation carved from `train`, statistics from the rest of it.

    Raises:
        UsageError: an unknown or empty class, parts of different widths, one with time stamps and one without,
            or an option that does not fit.
    """
    channels = _common_channels(name, train, test)
    train, test = (
        _times_as_asked(
            settle_missing(part, options.missing, f"{name}, {which}"), options, f"{name}, {which}"
        )
        for part, which in ((train, "train"), (test, "test"))
    )
    class_names = tuple(sorted(set(train.names)))
    labels = _numbers(train, class_names, f"{name}, train")
    test_labels = _numbers(test, class_names, f"{name}, test")
    check_every_class(labels, class_names, f"{name}, train")
    kept, held = carve_validation(labels, options.val_fraction, options.seed)
    indicate = options.missing == "indicate"
    observed = [train.series[i] for i in kept]
    standard = fit_observed(observed, f"{name}, train") if indicate else fit_series(observed)
    max_length = max(len(one) for one in train.series + test.series)

    def part(
        source: LabelledSeries, numbers: NDArray[np.int64], indices: NDArray[np.int64], jitter: float = 0.0
    ) -> SeriesDataset:
        times = None if source.times is None else [source.times[i] for i in indices]
        series = [source.series[i] for i in indices]
        return SeriesDataset(
            series,
            numbers[indices],
            standard,
            max_length,
            times=times,
            indicate=indicate,
            jitter=jitter,
            seed=options.seed,
        )

    return Splits(
        name=name,
        kind="series",
        train=part(train, labels, kept, options.jitter),
        val=None if held is None else part(train, labels, held),
        test=part(test, test_labels, np.arange(len(test.series))),
        num_classes=len(class_names),
        input_shape=(max_length, channels * (1 + indicate)),
        class_names=class_names,
    )


def _common_channels(name: str, train: LabelledSeries, test: LabelledSeries) -> int:
    channels = sorted({one.shape[1] for one in train.series + test.series})
    if len(channels) > 1:
        raise UsageError(f"{name}: train and test have {channels} channels; take both from one data set")
    if (train.times is None) != (test.times is None):
        with_times = "train" if test.times is None else "test"
        raise UsageError(f"{name}: only {with_times} has time stamps; take both parts from one data set")
    return channels[0]


def _times_as_asked(part: LabelledSeries, options: SeriesOptions, where: str) -> LabelledSeries:
    if options.from_start and part.times is None:
        raise UsageError(f"{where}: from_start, but the series have no time stamps; leave from_start out")
    if not options.times or part.times is None:
        return part._replace(times=None)
    return part._replace(times=[one - one[0] for one in part.times] if options.from_start else part.times)


def _numbers(part: LabelledSeries, class_names: tuple[str, ...], where: str) -> NDArray[np.int64]:
    number_of = {name: number for number, name in enumerate(class_names)}
    for index, name in enumerate(part.names):
        if name not in number_of:
            raise UsageError(
                f"{where}: label out of range: sample {index} has {name!r}, the train part has "
                f"{', '.join(class_names)}; take both parts from one data set"
            )
    return np.array([number_of[name] for name in part.names], dtype=np.int64)
