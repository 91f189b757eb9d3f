"""Events counted into frames, windows of equal time."""

import numpy as np
from jaxtyping import Int

from snnpd.datasets.events import Events
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
    """Counts per window, polarity and pixel: channel 0 the darker, channel 1 the brighter events.

    `signed` gives one channel instead, brighter minus darker. The windows cut [start_us, stop_us] equally; an
    event on an inner border belongs to the later window, one at `stop_us` to the last; others outside are
    left out.

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
    events = events[(events["t"] >= start_us) & (events["t"] <= stop_us)]
    frame = np.minimum((events["t"] - start_us) * num_frames // (stop_us - start_us), num_frames - 1)
    cell = ((frame * 2 + (events["p"] > 0)) * height + events["y"]) * width + events["x"]
    counts = np.bincount(cell, minlength=num_frames * 2 * height * width).reshape(
        num_frames, 2, height, width
    )
    return counts[:, 1:] - counts[:, :1] if signed else counts
