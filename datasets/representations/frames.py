"""Frames: what happened at each pixel in each slice of a recording."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int8, Int32

from snnpd.datasets.events import Events, Sensor
from snnpd.datasets.representations import kernels
from snnpd.datasets.representations.form import checked, max_slices, run, signs
from snnpd.datasets.representations.slicing import Slicing


@dataclass(frozen=True, kw_only=True)
class Frames:
    """Events counted for each slice, polarity and pixel; channel 0 the darker, channel 1 the brighter ones.

    tonic's ToFrame gives the same for `FixedDuration` and `FixedEvents`, except that it leaves out a last event that
    begins a window; for `EqualEvents` where all slices have the same size, as it leaves out the rest of a division;
    for `EqualTimes` where windows last whole microseconds, the last moment excepted. Its counts wrap at 32768.

    Raises:
        UsageError: events off the sensor or back in time, or more cells than `form.MAX_CELLS`.
    """

    slicing: Slicing

    def __call__(self, events: Events, sensor: Sensor) -> Int32[np.ndarray, "T P H W"]:
        """See the class."""
        channels = np.arange(sensor.num_polarities)
        return _weighted(events, sensor, self.slicing, channels, np.ones_like(channels, dtype=np.int32))


@dataclass(frozen=True, kw_only=True)
class SignedCounts:
    """Brighter minus darker events for each slice and pixel; of a sensor with one polarity, all events.

    Raises:
        UsageError: as for `Frames`; more than two polarities.
    """

    slicing: Slicing

    def __call__(self, events: Events, sensor: Sensor) -> Int32[np.ndarray, "T 1 H W"]:
        """See the class."""
        weights = signs(sensor)
        return _weighted(events, sensor, self.slicing, np.zeros(len(weights), dtype=np.int64), weights)


@dataclass(frozen=True, kw_only=True)
class SignedFrames:
    """The sign of `SignedCounts`: 1 where more became brighter, -1 where more became darker, else 0.

    The alphabet of ternary spikes, hence what a bipolar network takes without an encoding.

    Raises:
        UsageError: as for `SignedCounts`.
    """

    slicing: Slicing

    def __call__(self, events: Events, sensor: Sensor) -> Int8[np.ndarray, "T 1 H W"]:
        """See the class."""
        return np.sign(SignedCounts(slicing=self.slicing)(events, sensor)).astype(np.int8)


def _weighted(
    events: Events, sensor: Sensor, slicing: Slicing, channels: np.ndarray, weights: np.ndarray
) -> Int32[np.ndarray, "T C H W"]:
    """The sum of weights for each slice, channel and pixel; an event's polarity tells its channel and weight."""
    events = checked(events, sensor)
    num_channels = int(channels.max()) + 1
    borders = slicing(events["t"], max_slices(num_channels, sensor)).borders
    total = np.zeros((len(borders) - 1, num_channels, sensor.height, sensor.width), dtype=np.int32)
    run(kernels.add_weights, events, borders, channels, weights, total)
    return total
