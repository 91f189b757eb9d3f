"""Data sets of recordings on disk: each is read, represented, cached, augmented and standardised when asked for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from snnpd.datasets.augmentation.table import Chosen
from snnpd.datasets.carve import carve_validation, wants_validation
from snnpd.datasets.carve_groups import carve_groups
from snnpd.datasets.clips import Clip
from snnpd.datasets.labels import check_every_class, check_labels
from snnpd.datasets.pipeline import Made, Pipeline, Recordings
from snnpd.datasets.progress import track_slow
from snnpd.datasets.seeding import rng_for
from snnpd.datasets.splits import Kind, Splits, TimedSample
from snnpd.datasets.standard import Standard

Numbers = NDArray[np.int64]

# The scale of a large set comes from this many recordings, evenly spaced over its train part.
FIT_RECORDINGS = 2048
UNSCALED = Standard(torch.zeros(()), torch.ones(()))
NOTHING = Chosen()


class RecordingDataset(Dataset[tuple[Tensor, int] | TimedSample]):
    """Samples `(x float32, y)` of some of the recordings; augmentation is a function of (seed, epoch, index).

    `max_length` is the length that a batch of series is padded to. With `times`, one for each place up to it,
    a series carries the time stamps of its tokens.

    Raises:
        UsageError: when a sample is asked for whose recording is damaged.
    """

    def __init__(
        self,
        recordings: Recordings,
        numbers: Numbers,
        standard: Standard,
        *,
        augment: Chosen = NOTHING,
        seed: int = 0,
        max_length: int | None = None,
        times: Tensor | None = None,
    ):
        self.recordings = recordings
        self.numbers = numbers
        self.labels: Numbers = labels_of([recordings.clips[number] for number in numbers])
        self.standard = standard
        self.augment = augment
        self.seed = seed
        self.epoch = 0
        self.max_length = max_length
        self.times = times

    def set_epoch(self, epoch: int) -> None:
        """Makes the augmentation that of `epoch`."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def data(self) -> Iterator[Tensor]:
        """Every sample before augmentation and standardisation, one after the other."""
        return (self.recordings.sample(number).x for number in self.numbers.tolist())

    def __getitem__(self, index: int) -> tuple[Tensor, int] | TimedSample:
        made = self._augmented(int(self.numbers[index]), index % len(self))
        x, label = self.standard.apply(made.x), int(self.labels[index])
        times = self.times[: len(x)] if self.times is not None else made.times
        return (x, label) if times is None else TimedSample(x, label, times)

    def _augmented(self, number: int, index: int) -> Made:
        rng = rng_for(self.seed, self.epoch, index)
        if self.augment.events:
            events = self.recordings.events(number)
            for change in self.augment.events:
                events = change(events, self.recordings.pipeline.sensor, rng)
            made = self.recordings.represent(events)
        else:
            made = self.recordings.sample(number)
        for augmentation in self.augment.samples:
            made = made._replace(x=augmentation(made.x[None], [rng])[0])
        return made


@dataclass(frozen=True)
class Parts:
    """The clips of a data set as its makers divided them; `val` is None where they made no validation part.

    `subjects` says of whom each train clip is, where that is known: validation then takes whole subjects.
    """

    train: Sequence[Clip]
    test: Sequence[Clip]
    val: Sequence[Clip] | None = None
    subjects: Sequence[str] | None = None


def split_recordings(
    name: str,
    kind: Kind,
    parts: Parts,
    pipeline: Pipeline,
    *,
    class_names: tuple[str, ...],
    input_shape: tuple[int, ...],
    times: Tensor | None = None,
    augment: Chosen = NOTHING,
    seed: int = 0,
    val_fraction: float = 0.1,
) -> Splits:
    """The parts of a data set: validation as it is or carved from train, one scale from the rest of train.

    With `val_fraction` 0 there is no validation part. All recordings are decoded now, unless a cache has them.

    Raises:
        UsageError: an empty class, a damaged recording, or a seed or fraction that does not fit.
    """
    for where, clips in (("train", parts.train), ("test", parts.test), ("validation", parts.val or ())):
        check_labels(labels_of(clips), len(class_names), f"{name}, {where}")
    check_every_class(labels_of(parts.train), class_names, f"{name}, train")
    check_every_class(labels_of(parts.test), class_names, f"{name}, test")
    kept, held, test = _numbers(parts, seed, val_fraction)
    clips = [*parts.train, *parts.test, *(parts.val or ())]
    recordings = Recordings(name, clips, pipeline, keep_events=bool(augment.events))
    standard = (
        fit_recordings(recordings, kept, f"{name}: scale of the train part") if pipeline.scale else UNSCALED
    )

    def part(numbers: Numbers, augment: Chosen = NOTHING) -> RecordingDataset:
        max_length = input_shape[0] if kind == "series" else None
        return RecordingDataset(
            recordings, numbers, standard, augment=augment, seed=seed, max_length=max_length, times=times
        )

    return Splits(
        name=name,
        kind=kind,
        train=part(kept, augment),
        val=None if held is None else part(held),
        test=part(test),
        num_classes=len(class_names),
        input_shape=input_shape,
        class_names=class_names,
    )


def fit_recordings(recordings: Recordings, numbers: Numbers, what: str) -> Standard:
    """One standard deviation over the recordings with these numbers and no mean: nothing happened stays zero.

    Of many it takes `FIT_RECORDINGS`, evenly spaced.
    """
    num = min(len(numbers), FIT_RECORDINGS)
    count, total, squares = 0, 0.0, 0.0
    for number in track_slow([int(numbers[place * len(numbers) // num]) for place in range(num)], what):
        values = recordings.sample(number).x.double()
        count += values.numel()
        total += values.sum().item()
        squares += values.square().sum().item()
    std = max(squares / count - (total / count) ** 2, 0.0) ** 0.5 if count else 0.0
    return Standard(torch.zeros(()), torch.tensor(std if std > 0 else 1.0))


def labels_of(clips: Sequence[Clip]) -> Numbers:
    """The class numbers of clips."""
    return np.array([clip.label for clip in clips], dtype=np.int64)


def _numbers(parts: Parts, seed: int, val_fraction: float) -> tuple[Numbers, Numbers | None, Numbers]:
    """The places of train, validation and test in the list of train, test and validation clips."""
    ends = np.cumsum([len(parts.train), len(parts.test), len(parts.val or ())])
    test = np.arange(ends[0], ends[1])
    if parts.val is not None:
        held = np.arange(ends[1], ends[2]) if wants_validation(val_fraction, seed) else None
        return np.arange(ends[0]), held, test
    labels = labels_of(parts.train)
    if parts.subjects is None:
        return *carve_validation(labels, val_fraction, seed), test
    return *carve_groups(parts.subjects, labels, val_fraction, seed), test
