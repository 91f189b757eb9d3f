"""Scikit-learn's digits as an event camera would have seen them."""

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from snnpd.datasets.arrays import Samples, split_arrays
from snnpd.datasets.augmentation.images import ShiftFlip
from snnpd.datasets.augmentation.table import Augment, choose_for_pictures
from snnpd.datasets.digits import CLASS_NAMES, WHITE, digit_samples
from snnpd.datasets.events import Events
from snnpd.datasets.frames import events_to_frames
from snnpd.datasets.progress import track_slow
from snnpd.datasets.simulator.event_camera import simulate_events
from snnpd.datasets.simulator.saccade import DURATION_US, NUM_SACCADES, moving_images, saccade_path
from snnpd.datasets.splits import Splits
from snnpd.datasets.standard import fit_scale
from snnpd.errors import UsageError

_FRAMES_PER_SACCADE = 12
# Rows of the tall sensor that many digits share: enough to keep numpy busy, and few enough for a 16-bit y.
_CHUNK_ROWS = 2560


def event_digits(
    *,
    time_steps: int = 6,
    sensor: int = 20,
    threshold: float = 0.25,
    signed: bool = False,
    seed: int = 0,
    val_fraction: float = 0.1,
    augment: Augment = True,
) -> Splits:
    """Event digits: the 1,797 `digits` (10 classes, the same 360 to test) before a simulated event camera.

    Each digit makes N-MNIST's three saccades of 100 ms on a sensor of `sensor` × `sensor` pixels; its events
    are counted in `time_steps` equal windows (a multiple of three gives each saccade as many) and two
    polarities (one signed channel if `signed`). A frame holds log(1 + count), divided by the train part's
    standard deviation, so no event stays zero. Augmentation shifts all frames of a sample alike, by up to two
    pixels.

    Source: the images as in `digits` (CC BY 4.0); the path from Orchard et al., 2015; events are simulated.
    Shapes:
        sample: `[time_steps, 2, sensor, sensor]`.

    Raises:
        UsageError: no time step, or a sensor too small for the digits.
    """
    if time_steps < 1:
        raise UsageError(f"time_steps is {time_steps}; give at least 1, best a multiple of {NUM_SACCADES}")
    train, test = digit_samples()
    return split_arrays(
        "event_digits",
        "frames",
        Samples(_frames("train", time_steps, sensor, threshold, signed), train.labels),
        Samples(_frames("test", time_steps, sensor, threshold, signed), test.labels),
        class_names=CLASS_NAMES,
        fit=fit_scale,
        augment=choose_for_pictures(augment, "frames", ShiftFlip(2)),
        seed=seed,
        val_fraction=val_fraction,
    )


def saccade_events(
    images: Float[np.ndarray, "B h w"], *, sensor: int = 20, threshold: float = 0.25
) -> Events:
    """The events of images `[B, h, w]` in [0, 1], each on its own sensor, one sensor below the other.

    Image b has the rows from b · sensor up to (b + 1) · sensor: those of one image are simply its events.

    Raises:
        UsageError: a sensor too small for the images, or more images than 16-bit rows can tell apart.
    """
    if sensor < max(images.shape[1:]):
        raise UsageError(
            f"a sensor of {sensor} × {sensor} pixels for images of {images.shape[1]} × {images.shape[2]}; "
            f"give a sensor at least as large"
        )
    times = np.linspace(0.0, DURATION_US, NUM_SACCADES * _FRAMES_PER_SACCADE + 1)
    # Four fifths of the sensor for the image at rest; the path keeps it within the margin.
    zoom = 0.8 * sensor / max(images.shape[1:])
    films = moving_images(images, saccade_path(times, amplitude=0.1 * sensor), sensor, zoom)
    return simulate_events(films.reshape(len(times), -1, sensor), times, threshold=threshold)


@lru_cache(maxsize=4)
def _frames(part: str, time_steps: int, sensor: int, threshold: float, signed: bool) -> Tensor:
    if not 0 < sensor <= _CHUNK_ROWS:
        raise UsageError(f"sensor is {sensor}; give 8 to {_CHUNK_ROWS} pixels")
    """Simulated once in a process, however often the set is made (a new seed, another validation part)."""
    train, test = digit_samples()
    images = (train if part == "train" else test).data[:, 0].numpy() / WHITE
    size = max(1, _CHUNK_ROWS // sensor)
    chunks = [images[start : start + size] for start in range(0, len(images), size)]
    counts = []
    for chunk in track_slow(chunks, f"event camera, {part} digits"):
        events = saccade_events(chunk, sensor=sensor, threshold=threshold)
        counts.append(_count(events, len(chunk), time_steps, sensor, signed))
    frames = torch.from_numpy(np.concatenate(counts)).float()
    return frames.sign() * frames.abs().log1p()


def _count(
    events: Events, num_images: int, time_steps: int, sensor: int, signed: bool
) -> Int[np.ndarray, "B T P S S"]:
    """Frames of images whose sensors stand one below the other."""
    tall = events_to_frames(
        events, time_steps, num_images * sensor, sensor, start_us=0, stop_us=DURATION_US, signed=signed
    )
    return tall.reshape(*tall.shape[:2], num_images, sensor, sensor).transpose(2, 0, 1, 3, 4)
