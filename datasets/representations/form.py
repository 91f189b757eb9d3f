"""What representations share: their form, checks of what they are given, and the bound on what they give."""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np

from snnpd.datasets.events import EVENT_DTYPE, Events, Sensor, check_events
from snnpd.datasets.representations import kernels
from snnpd.errors import UsageError
from snnpd.jit import saying_so

# A sample is float32 in the end: a GiB.
MAX_CELLS = 2**28
# Between stamps within it no sum or difference leaves 64 bits.
MAX_US = 2**61


@runtime_checkable
class Representation(Protocol):
    """An array for each recording, or several; its `repr` says everything that it depends on."""

    def __call__(self, events: Events, sensor: Sensor) -> Any:
        """What becomes of a recording's events."""


def checked(events: Events, sensor: Sensor) -> Events:
    """The events as the compiled passes read them.

    Raises:
        UsageError: no array of events, one that is off the sensor, times that go back or beyond `MAX_US`.
    """
    if not isinstance(sensor, Sensor):
        raise UsageError(
            f"the sensor is {sensor!r}; give snnpd.datasets.events.Sensor(height, width): not every file says it"
        )
    if not isinstance(events, np.ndarray) or events.dtype != EVENT_DTYPE or events.ndim != 1:
        what = f"{events.dtype} {events.shape}" if isinstance(events, np.ndarray) else type(events).__name__
        raise UsageError(f"events are {what}; give one axis of snnpd.datasets.events.EVENT_DTYPE")
    events = np.ascontiguousarray(events)
    found = np.empty(1, dtype=np.int64)
    run(kernels.first_wrong, events, sensor.num_polarities, sensor.height, sensor.width, found)
    if found[0] >= 0:
        check_events(events, sensor, "events")
    for end in events["t"][[0, -1]] if len(events) else ():
        check_stamp(int(end))
    return events


def max_slices(num_channels: int, sensor: Sensor) -> int:
    """How many slices of so many channels a result may have."""
    if min(sensor.height, sensor.width, sensor.num_polarities) < 1:
        raise UsageError(f"{sensor} has no pixel; give the sensor's height and width")
    return MAX_CELLS // (num_channels * sensor.height * sensor.width)


def whole(name: str, value: object, least: int = 1) -> None:
    """Raises UsageError unless `value` is a whole number from `least` upwards."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise UsageError(f"{name} is {value!r}; give a whole number from {least} upwards")


def check_stamp(stamp_us: int) -> None:
    """Raises UsageError for a moment with which sums would leave 64 bits."""
    if abs(stamp_us) > MAX_US:
        raise UsageError(f"a time stamp of {stamp_us} µs is beyond ±{MAX_US}; mend the file, or the window")


def signs(sensor: Sensor) -> np.ndarray:
    """What an event counts by its polarity: -1 and 1; where all events are the same, 1.

    Raises:
        UsageError: more than two polarities.
    """
    if sensor.num_polarities > 2:
        raise UsageError(f"a sensor of {sensor.num_polarities} polarities has no sign; take 'frames'")
    return np.array([1] if sensor.num_polarities == 1 else [-1, 1], dtype=np.int32)


def run(kernel: Callable[..., None], events: Events, *arguments: Any) -> None:
    """Calls a compiled pass; where it must be compiled first and that takes long, the user reads so."""
    kinds = (kernel, events.flags.writeable)
    if kinds not in _compiled:
        saying_so(kernel, events, *arguments)
        _compiled.add(kinds)
    else:
        kernel(events, *arguments)


# What this process has compiled, or loaded from numba's cache.
_compiled: set[tuple[Any, bool]] = set()
