"""Augmentations of events in place, time and polarity; what they give lies on the sensor, sorted by time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Shaped

from snnpd.datasets.augmentation.checks import check_below, check_probability, check_range, check_whole
from snnpd.datasets.events import Events, Sensor

# The events given are left as they are; where nothing changes, they themselves may come back.
EventAugmentation = Callable[[Events, Sensor, np.random.Generator], Events]
Kept = Shaped[np.ndarray, "K"]


@dataclass(frozen=True)
class EventFlip:
    """Mirrors a recording left to right, with `probability`; upside down along `axis` "y"."""

    probability: float = 0.5
    axis: Literal["x", "y"] = "x"

    def __post_init__(self) -> None:
        check_probability(self)

    def __call__(self, events: Events, sensor: Sensor, rng: np.random.Generator) -> Events:
        """The recording or its mirror image."""
        if rng.random() >= self.probability:
            return events
        size = sensor.width if self.axis == "x" else sensor.height
        return _with(events, **{self.axis: size - 1 - events[self.axis]})


@dataclass(frozen=True)
class EventRoll:
    """Shifts a recording by up to `pixels` each way; what leaves on one side comes in on the other."""

    pixels: int = 5

    def __post_init__(self) -> None:
        check_whole(self, "pixels")

    def __call__(self, events: Events, sensor: Sensor, rng: np.random.Generator) -> Events:
        """The rolled recording."""
        down, right = rng.integers(-self.pixels, self.pixels, size=2, endpoint=True).tolist()
        # Looked up: a quarter of the time of a remainder for each event.
        columns = (np.arange(sensor.width) + right) % sensor.width
        rows = (np.arange(sensor.height) + down) % sensor.height
        return _with(events, x=columns[events["x"]], y=rows[events["y"]])


@dataclass(frozen=True)
class PolarityFlip:
    """Exchanges brighter and darker in a whole recording, with `probability`; one polarity stays as it is."""

    probability: float = 0.5

    def __post_init__(self) -> None:
        check_probability(self)

    def __call__(self, events: Events, sensor: Sensor, rng: np.random.Generator) -> Events:
        """The recording or its negative."""
        if rng.random() >= self.probability:
            return events
        return _with(events, p=sensor.num_polarities - 1 - events["p"])


@dataclass(frozen=True)
class TimeJitter:
    """Moves each event in time by normal noise, within the recording's span; then sorts again, stably.

    Units:
        std_us in microseconds.
    """

    std_us: float = 1000.0

    def __post_init__(self) -> None:
        check_below(self, "std_us", float("inf"))

    def __call__(self, events: Events, sensor: Sensor, rng: np.random.Generator) -> Events:
        """The jittered recording."""
        if len(events) == 0:
            return events
        t = events["t"]
        span = t[-1] - t[0]
        noise = np.clip(rng.normal(0.0, self.std_us, len(t)), -span, span)
        # Clipped, so that windows cut from the span of the recording stay where they were.
        moved = np.clip(t + np.rint(noise).astype(np.int64), t[0], t[-1])
        order = np.argsort(moved, kind="stable")
        return _with(events[order], t=moved[order])


@dataclass(frozen=True)
class SpatialJitter:
    """Moves each event by normal noise, rounded to whole pixels; what lands beside the sensor is dropped.

    Where nothing would be left, all stay as they are. Along a side of one pixel (a cochlea's channels, say,
    lie along x alone) nothing moves.

    Units:
        std in pixels.
    """

    std: float = 1.0

    def __post_init__(self) -> None:
        check_below(self, "std", float("inf"))

    def __call__(self, events: Events, sensor: Sensor, rng: np.random.Generator) -> Kept:
        """The jittered recording."""
        noise = np.rint(rng.normal(0.0, self.std, (2, len(events))))
        x = events["x"] + noise[0] * (sensor.width > 1)
        y = events["y"] + noise[1] * (sensor.height > 1)
        kept = (x >= 0) & (x < sensor.width) & (y >= 0) & (y < sensor.height)
        return _with(events[kept], x=x[kept], y=y[kept]) if kept.any() else events


@dataclass(frozen=True)
class TimeScale:
    """Plays a recording slower or faster: its span from the first event on times a factor uniform in `factor`."""

    factor: tuple[float, float] = (0.8, 1.25)

    def __post_init__(self) -> None:
        check_range(self, "factor", 1000.0)

    def __call__(self, events: Events, sensor: Sensor, rng: np.random.Generator) -> Events:
        """The stretched recording."""
        factor = rng.uniform(*self.factor)
        start = events["t"][:1]
        return _with(events, t=start + np.rint((events["t"] - start) * factor).astype(np.int64))


@dataclass(frozen=True)
class TimeReversal:
    """Plays a recording backwards within its span, with `probability`: what became brighter becomes darker."""

    probability: float = 0.5

    def __post_init__(self) -> None:
        check_probability(self)

    def __call__(self, events: Events, sensor: Sensor, rng: np.random.Generator) -> Events:
        """The recording or its reverse."""
        if rng.random() >= self.probability or len(events) == 0:
            return events
        backwards = events[::-1]
        t = events["t"][0] + (events["t"][-1] - backwards["t"])
        return _with(backwards, t=t, p=sensor.num_polarities - 1 - backwards["p"])


def _with(events: Events, **columns: np.ndarray) -> Events:
    changed = events.copy()
    for name, values in columns.items():
        changed[name] = values
    return changed
