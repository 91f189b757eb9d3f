"""Events as tokens, each with its own time stamp: series for networks that encode real time."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64

from snnpd.datasets.events import Events, Sensor
from snnpd.datasets.representations.form import MAX_CELLS, checked, signs, whole
from snnpd.datasets.representations.slicing import Slicing

US_A_MS = 1000.0


class EventTokens(NamedTuple):
    """Tokens in the order of time.

    Units: `times_ms` in milliseconds since the recording's first event, exact to the microsecond.
    """

    features: Float32[np.ndarray, "N C"]
    times_ms: Float64[np.ndarray, "N"]


@dataclass(frozen=True, kw_only=True)
class SingleEvents:
    """A token for each event: x and y from -1 to 1 over the sensor, and -1 darker or 1 brighter; C = 3.

    Of E events more than `max_tokens` = N it takes numbers ⌊(n + 1/2) E / N⌋, evenly spaced. An empty recording is one
    token of zeros at time 0, which no event gives.

    Raises:
        UsageError: events off the sensor or back in time, more than two polarities, no token.
    """

    max_tokens: int

    def __post_init__(self) -> None:
        whole("max_tokens", self.max_tokens)

    def __call__(self, events: Events, sensor: Sensor) -> EventTokens:
        """See the class."""
        events = checked(events, sensor)
        if not len(events):
            return _nothing(3)
        kept = events
        if len(events) > self.max_tokens:
            kept = events[(2 * np.arange(self.max_tokens) + 1) * len(events) // (2 * self.max_tokens)]
        return EventTokens(_features(kept, sensor).astype(np.float32), (kept["t"] - events["t"][0]) / US_A_MS)


@dataclass(frozen=True, kw_only=True)
class EventGroups:
    """A token for each slice with events in it: means of x, y and polarity, deviations of x and y, log(1 + events).

    x, y and polarity are those of `SingleEvents`, C = 6; the time is the mean of the events' times. A slice without
    events gives no token, an empty recording one of zeros at time 0.

    Raises:
        UsageError: as for `SingleEvents`; more cells than `form.MAX_CELLS`.
    """

    slicing: Slicing

    def __call__(self, events: Events, sensor: Sensor) -> EventTokens:
        """See the class."""
        events = checked(events, sensor)
        borders = self.slicing(events["t"], MAX_CELLS // 6).borders
        starts, sizes = borders[:-1][np.diff(borders) > 0], np.diff(borders)[np.diff(borders) > 0]
        if not len(starts):
            return _nothing(6)
        inside = events[borders[0] : borders[-1]]
        starts = starts - borders[0]
        features = _features(inside, sensor)
        means = np.add.reduceat(features, starts) / sizes[:, None]
        away = features[:, :2] - np.repeat(means[:, :2], sizes, axis=0)
        deviations = np.sqrt(np.add.reduceat(away**2, starts) / sizes[:, None])
        times = np.add.reduceat((inside["t"] - events["t"][0]) / US_A_MS, starts) / sizes
        columns = means, deviations, np.log1p(sizes)[:, None]
        return EventTokens(np.hstack(columns).astype(np.float32), times)


def _features(events: Events, sensor: Sensor) -> Float64[np.ndarray, "E 3"]:
    """Centres of pixels in [-1, 1] and the sign."""
    x = (2 * events["x"].astype(np.float64) + 1) / sensor.width - 1
    y = (2 * events["y"].astype(np.float64) + 1) / sensor.height - 1
    return np.stack([x, y, signs(sensor)[events["p"]]], axis=1)


def _nothing(num_channels: int) -> EventTokens:
    return EventTokens(np.zeros((1, num_channels), dtype=np.float32), np.zeros(1))
