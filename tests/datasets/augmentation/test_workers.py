"""Augmented batches from the loader: the same with any number of workers, in every epoch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from snnpd.datasets.arrays import ArrayDataset, Samples
from snnpd.datasets.augmentation.table import (
    EVENT_AUGMENTATIONS,
    IMAGE_AUGMENTATIONS,
    PICTURE_AUGMENTATIONS,
    Augment,
    choose_augmentations,
    choose_for_pictures,
)
from snnpd.datasets.clips import Clip
from snnpd.datasets.events import EVENT_DTYPE, Events, Sensor
from snnpd.datasets.loading import make_loader, set_epoch
from snnpd.datasets.pipeline import Pipeline, Recordings
from snnpd.datasets.recordings import UNSCALED, RecordingDataset
from snnpd.datasets.representations.frames import Frames
from snnpd.datasets.representations.slicing import EqualTimes
from snnpd.datasets.standard import Standard

SENSOR = Sensor(14, 16)
EPOCHS = (1, 2, 3)
PICTURES = [
    "cutout", "flip", "nda", "random_erasing", "roll", "rotate", "shear", {"name": "shift_flip", "pad": 2},
    "snn_augment_wide", {"name": "translate", "rows": 2, "columns": 2},
]  # fmt: skip


@dataclass(frozen=True)
class Simulated:
    """A recording that its clip's number gives."""

    def __call__(self, clip: Clip) -> Events:
        rng = np.random.default_rng(clip.entry)
        events = np.empty(200, EVENT_DTYPE)
        for name, most in (("x", SENSOR.width), ("y", SENSOR.height), ("p", 2), ("t", 9000)):
            events[name] = rng.integers(most, size=200)
        return np.sort(events, order="t")


def of_events(augment: Augment) -> RecordingDataset:
    clips = [Clip(Path("none"), number % 2, entry=number) for number in range(7)]
    pipeline = Pipeline(Simulated(), Frames(slicing=EqualTimes(num_slices=3)), SENSOR)
    chosen = choose_augmentations(augment, "events")
    return RecordingDataset(
        Recordings("set", clips, pipeline), np.arange(7), UNSCALED, augment=chosen, seed=4
    )


def of_images(augment: Augment) -> ArrayDataset:
    data = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (7, 3, 14, 16), dtype=np.uint8))
    standard = Standard(torch.zeros(3, 1, 1), torch.ones(3, 1, 1))
    samples = Samples(data, np.arange(7) % 2)
    augmentations = choose_for_pictures(augment, "image")
    return ArrayDataset(samples, standard, divisor=255.0, augment=augmentations, seed=4)


def batches(dataset: Any, num_workers: int) -> list[Tensor]:
    """The batches of all epochs, one loader for all of them."""
    loader = make_loader(dataset, 3, shuffle=True, seed=4, num_workers=num_workers)
    seen = []
    for epoch in EPOCHS:
        set_epoch(loader, epoch)
        seen += [batch.x for batch in loader]
    return seen


CASES = [(of_events, [*EVENT_AUGMENTATIONS, *PICTURES]), (of_images, [*PICTURES, "affine"])]


@pytest.mark.parametrize(
    ("make", "augment", "needs"),
    [
        *((*case, "torch") for case in CASES),
        (of_images, "randaugment", "torchvision"),
        (of_images, "timm", "timm"),
    ],
    ids=["events", "images", "randaugment", "timm"],
)
def test_any_number_of_workers_gives_the_same_batches(make: Any, augment: Augment, needs: str) -> None:
    pytest.importorskip(needs)
    first = batches(make(augment), 0)
    assert len(first) == 3 * len(EPOCHS)
    for num_workers in (1, 2):
        torch.manual_seed(num_workers)
        np.random.seed(num_workers)
        again = batches(make(augment), num_workers)
        assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    assert not torch.equal(first[0], batches(make(False), 0)[0])


@pytest.mark.parametrize(("make", "augment"), CASES, ids=["events", "images"])
def test_every_epoch_shows_every_sample_otherwise(make: Any, augment: Augment) -> None:
    dataset = make(augment)
    shown = []
    for epoch in EPOCHS:
        dataset.set_epoch(epoch)
        shown.append([dataset[index][0] for index in range(len(dataset))])
    for samples in zip(*shown, strict=True):
        assert len({sample.numpy().tobytes() for sample in samples}) == len(EPOCHS)
    # Epochs that went before, or samples, leave nothing behind.
    fresh = make(augment)
    fresh.set_epoch(2)
    assert torch.equal(fresh[5][0], shown[1][5])


def test_no_name_is_left_out_here() -> None:
    named = {wish if isinstance(wish, str) else wish["name"] for wish in PICTURES}
    assert named == set(PICTURE_AUGMENTATIONS)
    assert set(IMAGE_AUGMENTATIONS) == {"affine", "randaugment", "timm"}
