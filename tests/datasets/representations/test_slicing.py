"""Slices against their definitions, event by event, and what happens at their borders."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snnpd.datasets.representations.slicing import (
    EqualEvents,
    EqualTimes,
    FixedDuration,
    FixedEvents,
    Slicing,
)
from snnpd.errors import UsageError
from tests.datasets.representations.examples import at_times

EXAMPLES: dict[str, tuple[Slicing, list[int], list[int], list[int]]] = {
    # slicing, times, events in each slice, ends of the slices
    "inner border, last event": (EqualTimes(num_slices=2), [0, 499, 500, 1000], [2, 2], [500, 1000]),
    "fraction of a microsecond": (EqualTimes(num_slices=3), [0, 3, 4, 6, 7, 10], [2, 2, 2], [4, 7, 10]),
    "more slices than time": (EqualTimes(num_slices=4), [5, 6, 7], [1, 0, 1, 1], [6, 6, 7, 7]),
    "a given span": (EqualTimes(num_slices=2, start_us=2, stop_us=6), [1, 2, 4, 6, 7], [1, 2], [4, 6]),
    "a span after the end": (EqualTimes(num_slices=2, start_us=9), [1, 2], [0, 0], [9, 9]),
    "equal times, one event": (EqualTimes(num_slices=3), [7], [1, 0, 0], [7, 7, 7]),
    "equal times, one moment": (EqualTimes(num_slices=2), [7, 7, 7], [3, 0], [7, 7]),
    "equal times, empty": (EqualTimes(num_slices=2), [], [0, 0], [0, 0]),
    "before zero": (EqualTimes(num_slices=2), [-10, -6, -5, 0], [2, 2], [-5, 0]),
    "duration, last event": (FixedDuration(window_us=10), [0, 9, 10, 20], [2, 1, 1], [10, 20, 30]),
    "complete": (FixedDuration(window_us=10, keep_incomplete=False), [0, 9, 10, 20], [2, 1], [10, 20]),
    "complete, too short": (FixedDuration(window_us=10, keep_incomplete=False), [0, 9], [2], [10]),
    "duration, padded": (FixedDuration(window_us=10, num_slices=3), [5, 6], [2, 0, 0], [15, 25, 35]),
    "duration, cut": (FixedDuration(window_us=10, num_slices=1), [0, 9, 10], [2], [10]),
    "duration from a start": (FixedDuration(window_us=10, start_us=8), [0, 8, 17, 18], [2, 1], [18, 28]),
    "duration after the end": (FixedDuration(window_us=10, start_us=50), [0, 8], [0], [60]),
    "duration, one event": (FixedDuration(window_us=10), [3], [1], [13]),
    "duration, empty": (FixedDuration(window_us=10), [], [0], [10]),
    "equal events": (EqualEvents(num_slices=2), [0, 1, 2, 3, 4], [2, 3], [1, 4]),
    "equal events of one moment": (EqualEvents(num_slices=2), [3, 3, 3, 3], [2, 2], [3, 3]),
    "fewer events than slices": (EqualEvents(num_slices=3), [4, 8], [0, 1, 1], [4, 4, 8]),
    "equal events, empty": (EqualEvents(num_slices=2), [], [0, 0], [0, 0]),
    "fixed events": (FixedEvents(num_events=2), [0, 1, 2, 3, 4], [2, 2, 1], [1, 3, 4]),
    "fixed events, complete": (FixedEvents(num_events=2, keep_incomplete=False), [0, 1, 2], [2], [1]),
    "fixed events, too few": (FixedEvents(num_events=9, keep_incomplete=False), [0, 1], [2], [1]),
    "fixed events, padded": (FixedEvents(num_events=2, num_slices=3), [0, 1, 2], [2, 1, 0], [1, 2, 2]),
    "fixed events, cut": (FixedEvents(num_events=2, num_slices=1), [0, 1, 2], [2], [1]),
    "fixed events, empty": (FixedEvents(num_events=2), [], [0], [0]),
}


@pytest.mark.parametrize("example", EXAMPLES)
def test_borders(example: str) -> None:
    slicing, times, sizes, stops = EXAMPLES[example]
    slices = slicing(at_times(*times)["t"], 10)
    assert np.diff(slices.borders).tolist() == sizes
    assert slices.stops_us.tolist() == stops


Law = Callable[[int, list[int], int], int]
LAWS: dict[str, tuple[Callable[[int], Slicing], Law]] = {
    # the slice of event n of `times`, with the parameter of the slicing
    "times": (
        lambda many: EqualTimes(num_slices=many),
        lambda n, times, many: min((times[n] - times[0]) * many // max(times[-1] - times[0], 1), many - 1),
    ),
    "duration": (
        lambda window: FixedDuration(window_us=window),
        lambda n, times, window: (times[n] - times[0]) // window,
    ),
    "events": (
        lambda many: EqualEvents(num_slices=many),
        lambda n, times, many: max(k for k in range(many) if k * len(times) // many <= n),
    ),
    "event_count": (lambda size: FixedEvents(num_events=size), lambda n, times, size: n // size),
}


# Centuries around zero, and moments so near that borders are hit.
STAMPS = st.integers(-(2**59), 2**59) | st.integers(-9, 9)


@pytest.mark.parametrize("name", LAWS)
@given(times=st.lists(STAMPS, min_size=1, max_size=12).map(sorted), parameter=st.integers(1, 7))
def test_every_event_lies_in_its_slice(name: str, times: list[int], parameter: int) -> None:
    make, law = LAWS[name]
    if name == "duration" and times[-1] - times[0] > 100:
        # A few windows over centuries too; the last one ends before 2^59 + 7 · 2^57, within the stamps allowed.
        parameter *= 2**57
    borders = make(parameter)(at_times(*times)["t"], 1000).borders
    expected = [law(n, times, parameter) for n in range(len(times))]
    assert np.repeat(np.arange(len(borders) - 1), np.diff(borders)).tolist() == expected
    assert borders[0] == 0


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (EqualTimes, {"num_slices": 0}, "num_slices is 0; give a whole number from 1"),
        (EqualTimes, {"num_slices": True}, "num_slices is True; give a whole"),
        (EqualTimes, {"num_slices": 2, "start_us": 5, "stop_us": 5}, "2 slices over 5 to 5 µs; give a span"),
        (FixedDuration, {"window_us": 0}, "window_us is 0"),
        (FixedDuration, {"window_us": 10, "num_slices": 0}, "num_slices is 0"),
        (EqualEvents, {"num_slices": -1}, "num_slices is -1"),
        (FixedEvents, {"num_events": 0}, "num_events is 0"),
        (FixedEvents, {"num_events": 5, "num_slices": 0}, "num_slices is 0"),
    ],
)
def test_slices_that_cannot_be(make: Callable[..., Slicing], options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make(**options)


HOUR = at_times(0, 3_600_000_000)["t"]


@pytest.mark.parametrize(
    ("slicing", "times", "message"),
    [
        (FixedDuration(window_us=1), HOUR, "3600000001 slices, 1000 at most"),
        (
            FixedDuration(window_us=2**60, num_slices=9),
            HOUR,
            "a time stamp of 10376293541461622784 µs is beyond",
        ),
        (EqualTimes(num_slices=1001), HOUR, "1001 slices, 1000 at most"),
        # An event's window that ends beyond the stamps allowed, however near the event.
        (
            FixedDuration(window_us=2),
            at_times(2**61 - 1)["t"],
            "a time stamp of 2305843009213693953 µs is beyond",
        ),
        (EqualTimes(num_slices=2, start_us=-(2**62)), HOUR, "beyond"),
        (EqualTimes(num_slices=2, stop_us=2**70), HOUR, "beyond"),
        (EqualTimes(num_slices=2), at_times(-(2**63), 2**63 - 1)["t"], "beyond"),
        (EqualEvents(num_slices=10**15), HOUR, "1000000000000000 slices"),
        (FixedEvents(num_events=1), at_times(*range(1001))["t"], "1001 slices"),
    ],
)
def test_results_that_have_no_room(slicing: Slicing, times: np.ndarray, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        slicing(times, 1000)
