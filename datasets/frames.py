"""Events counted into frames, windows of equal time."""

import numpy as np
from jaxtyping import Int

from snnpd.datasets.events import Events, Sensor
from snnpd.datasets.representations.frames import Frames, SignedCounts
from snnpd.datasets.representations.slicing import EqualTimes
from snnpd.errors import UsageError


def events_to_frames(
    events: Events,
    num_frames: int,
    height: int,
    width: int,
    *,
    start_us: int,
    stop_us: int,
    signed: bool = False,
) -> Int[np.ndarray, "T P H W"]:
    """`Frames` over [start_us, stop_us], or `SignedCounts` if `signed`.

    Raises:
        UsageError: no window, or an event outside of the sensor.
    """
    if num_frames < 1 or stop_us <= start_us:
        raise UsageError(
            f"{num_frames} frames over {start_us} to {stop_us} µs; give at least one, over some time"
        )
    outside = (events["x"] < 0) | (events["x"] >= width) | (events["y"] < 0) | (events["y"] >= height)
    if outside.any():
        first = events[np.argmax(outside)]
        raise UsageError(
            f"an event at x {first['x']}, y {first['y']} lies outside of the sensor of {height} × {width} "
            f"pixels; give the sensor's height and width"
        )
    slicing = EqualTimes(num_slices=num_frames, start_us=start_us, stop_us=stop_us)
    represent = SignedCounts(slicing=slicing) if signed else Frames(slicing=slicing)
    return represent(events, Sensor(height, width))
