"""Events: one record a change of brightness (or a spike), and the sensor that they come from."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Shaped

from snnpd.errors import UsageError

# p is 1 where the pixel became brighter, 0 where it became darker; t is in microseconds.
EVENT_DTYPE = np.dtype([("x", "<i2"), ("y", "<i2"), ("t", "<i8"), ("p", "i1")])
Events = Shaped[np.ndarray, "E"]


@dataclass(frozen=True)
class Sensor:
    """The size of a sensor in pixels; `num_polarities` is 1 where every event is the same (a cochlea's, say)."""

    height: int
    width: int
    num_polarities: int = 2


class Recording(NamedTuple):
    """The events of one recording, sorted by time, and the sensor as the file tells it (None if it does not)."""

    events: Events
    sensor: Sensor | None = None


def check_events(events: Events, sensor: Sensor, where: str) -> None:
    """Raises UsageError, naming the first event that is wrong, unless all lie on the sensor and times ascend.

    Polarities are numbers from 0 to `num_polarities` - 1; two events may share a moment.
    """
    x, y, t, p = (events[name] for name in ("x", "y", "t", "p"))
    outside = (x < 0) | (x >= sensor.width) | (y < 0) | (y >= sensor.height)
    if outside.any():
        n = int(np.argmax(outside))
        raise UsageError(
            f"{where}: event {n} at x {x[n]}, y {y[n]} lies outside of the sensor of {sensor.height} × "
            f"{sensor.width} pixels; give the sensor's height and width, or mend the file"
        )
    unknown = (p < 0) | (p >= sensor.num_polarities)
    if unknown.any():
        n = int(np.argmax(unknown))
        raise UsageError(
            f"{where}: event {n} has polarity {p[n]}, allowed are 0 to {sensor.num_polarities - 1}; mend the file"
        )
    # A difference of extreme stamps would overflow.
    back = t[1:] < t[:-1]
    if back.any():
        n = int(np.argmax(back)) + 1
        raise UsageError(
            f"{where}: time stamps go back: event {n} at {t[n]} µs after one at {t[n - 1]} µs; sort the events by time"
        )
