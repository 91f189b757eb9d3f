"""How a recording is cut into slices: by time or by number of events, into so many or into ones so large.

Slices follow one another without gap or overlap. An event on an inner border belongs to the later slice. An empty
recording gives slices without events, one where their number depends on the recording.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64

from snnpd.datasets.representations.form import check_stamp, whole
from snnpd.errors import UsageError

SLICINGS: dict[str, str] = {
    "time": "snnpd.datasets.representations.slicing:EqualTimes",
    "duration": "snnpd.datasets.representations.slicing:FixedDuration",
    "events": "snnpd.datasets.representations.slicing:EqualEvents",
    "event_count": "snnpd.datasets.representations.slicing:FixedEvents",
}
Times = Int64[np.ndarray, "E"]


class Slices(NamedTuple):
    """Slice k holds the events from number `borders[k]` up to `borders[k + 1]` and ends at `stops_us[k]`."""

    borders: Int64[np.ndarray, "T+1"]
    stops_us: Int64[np.ndarray, "T"]


@runtime_checkable
class Slicing(Protocol):
    """A way of cutting; one with more than `max_slices` slices is refused with a UsageError."""

    def __call__(self, times: Times, max_slices: int) -> Slices:
        """The slices of a recording with these ascending time stamps."""


@dataclass(frozen=True, kw_only=True)
class EqualTimes:
    """So many windows of equal time, over [start_us, stop_us]: by default from the first to the last event.

    Exact for whole microseconds: an event at t lies in window ⌊(t − start) · num_slices / (stop − start)⌋; one at
    `stop_us` in the last. Events outside are left out. Where all events share one moment, they lie in the first.
    """

    num_slices: int
    start_us: int | None = None
    stop_us: int | None = None

    def __post_init__(self) -> None:
        check_spread(self.num_slices, self.start_us, self.stop_us)

    def __call__(self, times: Times, max_slices: int) -> Slices:
        """See the class."""
        check_room(self.num_slices, max_slices)
        start, stop = span_of(times, self.start_us, self.stop_us)
        length, rest = divmod(stop - start, self.num_slices)
        k = np.arange(self.num_slices + 1)
        # ⌈k · (stop − start) / num_slices⌉ without leaving 64 bits.
        moments = start + k * length - (-k * rest // self.num_slices)
        borders = np.searchsorted(times, moments)
        borders[-1] = np.searchsorted(times, stop, side="right")
        if stop == start:
            borders[1:] = borders[-1]
        return Slices(borders, moments[1:])


@dataclass(frozen=True, kw_only=True)
class FixedDuration:
    """Windows [start_us + k · window_us, start_us + (k + 1) · window_us), by default from the first event on.

    As many as hold the last event; without `keep_incomplete` only those after whose end the recording goes on, or one.
    With `num_slices` exactly that many: later events are left out, missing windows are empty.
    """

    window_us: int
    start_us: int | None = None
    num_slices: int | None = None
    keep_incomplete: bool = True

    def __post_init__(self) -> None:
        whole("window_us", self.window_us)
        if self.num_slices is not None:
            whole("num_slices", self.num_slices)

    def __call__(self, times: Times, max_slices: int) -> Slices:
        """See the class."""
        start, stop = span_of(times, self.start_us, None)
        complete = (stop - start) // self.window_us
        num_slices = self.num_slices or max(complete + self.keep_incomplete, 1)
        check_room(num_slices, max_slices)
        check_stamp(start + num_slices * self.window_us)
        moments = start + np.arange(num_slices + 1) * self.window_us
        return Slices(np.searchsorted(times, moments), moments[1:])


@dataclass(frozen=True, kw_only=True)
class EqualEvents:
    """So many slices of equally many events: event n of E lies in slice ⌊n · num_slices / E⌋ or the one before it.

    Slice k begins with event ⌊k · E / num_slices⌋: sizes differ by one at most, and none is left out. A slice ends
    with its last event's time; an empty one, of fewer events than slices, with that of the last event before it.
    """

    num_slices: int

    def __post_init__(self) -> None:
        whole("num_slices", self.num_slices)

    def __call__(self, times: Times, max_slices: int) -> Slices:
        """See the class."""
        check_room(self.num_slices, max_slices)
        borders = np.arange(self.num_slices + 1) * len(times) // self.num_slices
        return Slices(borders, _last_moments(times, borders))


@dataclass(frozen=True, kw_only=True)
class FixedEvents:
    """Slices of `num_events` events; a rest at the end is a slice too, without `keep_incomplete` only if it is all.

    With `num_slices` exactly that many: later events are left out, missing slices are empty. A slice ends with its last
    event's time, an empty one with that of the last event before it.
    """

    num_events: int
    num_slices: int | None = None
    keep_incomplete: bool = True

    def __post_init__(self) -> None:
        whole("num_events", self.num_events)
        if self.num_slices is not None:
            whole("num_slices", self.num_slices)

    def __call__(self, times: Times, max_slices: int) -> Slices:
        """See the class."""
        complete, rest = divmod(len(times), self.num_events)
        num_slices = self.num_slices or max(complete + (self.keep_incomplete and rest > 0), 1)
        check_room(num_slices, max_slices)
        size = min(self.num_events, len(times))
        borders = np.minimum(np.arange(num_slices + 1) * size, len(times))
        return Slices(borders, _last_moments(times, borders))


def span_of(times: Times, start_us: int | None, stop_us: int | None) -> tuple[int, int]:
    """Start and stop as they are given, else the first and the last stamp; a stop before the start becomes the start.

    Raises:
        UsageError: stamps so large that sums leave 64 bits.
    """
    if start_us is None:
        start_us = int(times[0]) if len(times) else min(0, stop_us or 0)
    if stop_us is None:
        stop_us = int(times[-1]) if len(times) else start_us
    check_stamp(start_us)
    check_stamp(stop_us)
    return start_us, max(start_us, stop_us)


def check_spread(num_slices: int, start_us: int | None, stop_us: int | None) -> None:
    """Raises UsageError unless there are slices and, where it is given, a span for them."""
    whole("num_slices", num_slices)
    if start_us is not None and stop_us is not None and stop_us <= start_us:
        raise UsageError(f"{num_slices} slices over {start_us} to {stop_us} µs; give a span of at least 1 µs")


def check_room(num_slices: int, max_slices: int) -> None:
    """Raises UsageError for more slices than there is room for."""
    if num_slices > max_slices:
        raise UsageError(
            f"{num_slices} slices, {max_slices} at most fit into a GiB of float32; "
            "take fewer or longer slices, a crop or downsampling"
        )


def _last_moments(times: Times, borders: Int64[np.ndarray, "_"]) -> Int64[np.ndarray, "_"]:
    if not len(times):
        return np.zeros(len(borders) - 1, dtype=np.int64)
    return times[np.maximum(borders[1:] - 1, 0)]
