"""Augmentations of events against numpy, tonic and what is computed by hand."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from snnpd.datasets.augmentation.event_drop import DropAtRandom, DropByArea, DropByTime, EventDrop
from snnpd.datasets.augmentation.event_turns import EventRotate, EventShear
from snnpd.datasets.augmentation.events import (
    EventAugmentation,
    EventFlip,
    EventRoll,
    PolarityFlip,
    SpatialJitter,
    TimeJitter,
    TimeReversal,
    TimeScale,
)
from snnpd.datasets.augmentation.frames import Rotate, Shear
from snnpd.datasets.events import EVENT_DTYPE, Events, Sensor, check_events
from snnpd.datasets.seeding import rng_for

SENSOR = Sensor(20, 30)
ALL = [
    EventFlip(),
    EventFlip(axis="y"),
    EventRoll(7),
    EventRotate(50.0),
    EventShear(50.0),
    PolarityFlip(),
    TimeJitter(500.0),
    SpatialJitter(2.0),
    TimeScale(),
    TimeReversal(),
    DropByTime(),
    DropByArea(),
    DropAtRandom(),
    EventDrop(),
]


def recording(num: int = 3000, sensor: Sensor = SENSOR, seed: int = 0) -> Events:
    rng = np.random.default_rng(seed)
    events = np.empty(num, EVENT_DTYPE)
    events["x"] = rng.integers(sensor.width, size=num)
    events["y"] = rng.integers(sensor.height, size=num)
    events["t"] = np.sort(rng.integers(1000, 50_000, size=num))
    events["p"] = rng.integers(sensor.num_polarities, size=num)
    return events


def of(*rows: tuple[int, int, int, int]) -> Events:
    return np.array(list(rows), EVENT_DTYPE)


@pytest.mark.parametrize("augment", ALL, ids=repr)
@pytest.mark.parametrize("sensor", [SENSOR, Sensor(1, 30, 1), Sensor(32767, 32767)], ids=repr)
def test_laws_of_all(augment: EventAugmentation, sensor: Sensor) -> None:
    events = recording(sensor=sensor)
    before = events.copy()
    results = [augment(events, sensor, rng_for(1, 0, index)) for index in range(12)]
    again = [augment(events, sensor, rng_for(1, 0, index)) for index in range(12)]
    assert np.array_equal(events, before)
    for result, same in zip(results, again, strict=True):
        assert result.dtype == EVENT_DTYPE
        assert len(result) > 0
        assert np.array_equal(result, same)
        check_events(result, sensor, "augmented")
    if sensor == SENSOR:
        assert len({result.tobytes() for result in results}) > 1
    assert eval(repr(augment)) == augment


@pytest.mark.parametrize("augment", ALL, ids=repr)
@pytest.mark.parametrize("num", [0, 1])
def test_hardly_any_event(augment: EventAugmentation, num: int) -> None:
    events = recording(num)
    for index in range(12):
        result = augment(events, SENSOR, rng_for(1, 0, index))
        check_events(result, SENSOR, "augmented")
        assert len(result) <= num


# What an augmentation leaves of each event: that in order, and all else with any order.
UNTOUCHED: dict[type, tuple[str, ...]] = {
    EventFlip: ("t", "p"),
    EventRoll: ("t", "p"),
    PolarityFlip: ("x", "y", "t"),
    TimeScale: ("x", "y", "p"),
}
REORDERED: dict[type, tuple[str, ...]] = {TimeJitter: ("x", "y", "p"), TimeReversal: ("x", "y")}
THINNED: dict[type, tuple[str, ...]] = {
    **dict.fromkeys((DropByTime, DropByArea, DropAtRandom, EventDrop), ("x", "y", "t", "p")),
    **dict.fromkeys((SpatialJitter, EventRotate, EventShear), ("t", "p")),
}


@st.composite
def recordings(draw: st.DrawFn) -> tuple[Events, Sensor]:
    side = st.sampled_from([1, 2, 3, 17, 640])
    sensor = Sensor(draw(side), draw(side), draw(st.sampled_from([1, 2])))
    event = st.tuples(
        st.integers(0, sensor.width - 1),
        st.integers(0, sensor.height - 1),
        st.one_of(st.integers(-5, 60), st.integers(0, 2**40)),
        st.integers(0, sensor.num_polarities - 1),
    )
    events = np.array(draw(st.lists(event, max_size=20)), EVENT_DTYPE)
    return events[np.argsort(events["t"], kind="stable")], sensor


@pytest.mark.parametrize("augment", ALL, ids=repr)
@settings(max_examples=20, deadline=None)
@given(case=recordings(), seed=st.integers(0, 2**32))
def test_whatever_the_recording(augment: EventAugmentation, case: tuple[Events, Sensor], seed: int) -> None:
    events, sensor = case
    before = events.copy()
    result = augment(events, sensor, rng_for(seed))
    check_events(result, sensor, "augmented")
    assert result.dtype == EVENT_DTYPE
    assert np.array_equal(events, before)
    assert (len(result) > 0) == (len(events) > 0)
    kind = type(augment)
    if fields := UNTOUCHED.get(kind):
        assert rows(result, fields) == rows(events, fields)
    elif fields := REORDERED.get(kind):
        assert Counter(rows(result, fields)) == Counter(rows(events, fields))
    else:
        # Each is found behind the one before it.
        left = iter(rows(events, THINNED[kind]))
        assert all(row in left for row in rows(result, THINNED[kind]))
    if kind is EventFlip:
        other = "y" if augment.axis == "x" else "x"
        assert np.array_equal(result[other], events[other])


def rows(events: Events, fields: tuple[str, ...]) -> list[tuple[int, ...]]:
    return [tuple(int(event[name]) for name in fields) for event in events]


EVENTS = of((0, 0, 10, 1), (29, 3, 20, 0), (5, 19, 20, 1), (7, 8, 60, 0))


@pytest.mark.parametrize(
    ("augment", "expected"),
    [
        (EventFlip(1.0), of((29, 0, 10, 1), (0, 3, 20, 0), (24, 19, 20, 1), (22, 8, 60, 0))),
        (EventFlip(1.0, "y"), of((0, 19, 10, 1), (29, 16, 20, 0), (5, 0, 20, 1), (7, 11, 60, 0))),
        (PolarityFlip(1.0), of((0, 0, 10, 0), (29, 3, 20, 1), (5, 19, 20, 0), (7, 8, 60, 1))),
        (TimeReversal(1.0), of((7, 8, 10, 1), (5, 19, 50, 0), (29, 3, 50, 1), (0, 0, 60, 0))),
        (TimeScale((0.5, 0.5)), of((0, 0, 10, 1), (29, 3, 15, 0), (5, 19, 15, 1), (7, 8, 35, 0))),
        (TimeScale((2.0, 2.0)), of((0, 0, 10, 1), (29, 3, 30, 0), (5, 19, 30, 1), (7, 8, 110, 0))),
        # Whatever is left out of the question leaves all as it was.
        *((calm, EVENTS) for calm in (EventFlip(0.0), PolarityFlip(0.0), TimeReversal(0.0))),
        *((calm, EVENTS) for calm in (EventRoll(0), TimeJitter(0.0), SpatialJitter(0.0))),
        *((calm, EVENTS) for calm in (EventRotate(0.0), EventShear(0.0))),
        *((calm, EVENTS) for calm in (DropByTime((0.0,)), DropByArea((0.0,)), DropAtRandom((0.0, 0.2)))),
        # Nothing would be left.
        *((drastic, EVENTS) for drastic in (DropAtRandom((1.0,)), SpatialJitter(1e9))),
    ],
    ids=lambda value: repr(value) if not isinstance(value, np.ndarray) else "",
)
def test_by_hand(augment: EventAugmentation, expected: Events) -> None:
    assert augment(EVENTS, SENSOR, rng_for(0)).tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("ours", "name", "options"),
    [
        (EventFlip(1.0), "RandomFlipLR", {"sensor_size": (30, 20, 2), "p": 1.0}),
        (EventFlip(1.0, "y"), "RandomFlipUD", {"sensor_size": (30, 20, 2), "p": 1.0}),
        (PolarityFlip(1.0), "RandomFlipPolarity", {"p": 1.0}),
        (TimeReversal(1.0), "RandomTimeReversal", {"p": 1.0}),
    ],
)
def test_what_tonic_does(ours: EventAugmentation, name: str, options: dict[str, Any]) -> None:
    tonic = pytest.importorskip("tonic.transforms")
    events = recording()
    # Tonic reverses within the span from time 0 on.
    events["t"] -= events["t"][0]
    theirs = getattr(tonic, name)(**options)
    assert np.array_equal(ours(events, SENSOR, rng_for(0)), theirs(events))


@pytest.mark.parametrize("sensor", [Sensor(7, 7), Sensor(6, 6)], ids=repr)
@pytest.mark.parametrize(("turns", "angle"), [(1, 90.0), (2, 180.0), (3, -90.0)])
def test_turns_are_numpys_on_the_histogram(sensor: Sensor, turns: int, angle: float) -> None:
    events = recording(100, sensor)
    turned = EventRotate(180.0)(events, sensor, Drawing(angle))
    assert np.array_equal(histogram(turned, sensor), np.rot90(histogram(events, sensor), turns))
    for name in ("t", "p"):
        assert np.array_equal(turned[name], events[name])


def test_a_slope_of_one_shifts_each_row_by_its_distance_from_the_middle() -> None:
    sensor = Sensor(5, 9)
    events = recording(300, sensor)
    slanted = EventShear(50.0)(events, sensor, Drawing(45.0))
    expected = np.zeros((5, 9), int)
    for row, shift in enumerate((2, 1, 0, -1, -2)):
        for column in range(9):
            if 0 <= column + shift < 9:
                expected[row, column + shift] = histogram(events, sensor)[row, column]
    assert np.array_equal(histogram(slanted, sensor), expected)
    assert 0 < len(slanted) < 300


@pytest.mark.parametrize("augment", [EventRotate(50.0), EventShear(50.0)], ids=repr)
def test_frames_of_moved_events_are_moved_frames(augment: EventRotate | EventShear) -> None:
    sensor = Sensor(60, 80)
    events = np.zeros(40 * 40, EVENT_DTYPE)
    events["y"], events["x"] = 10 + np.arange(1600) // 40, 20 + np.arange(1600) % 40
    frames = {"EventRotate": Rotate, "EventShear": Shear}[type(augment).__name__](50.0)
    for index in range(8):
        moved = histogram(augment(events, sensor, rng_for(0, 0, index)), sensor) > 0
        picture = torch.from_numpy(histogram(events, sensor)).float()
        expected = frames.one(picture, rng_for(0, 0, index)).numpy() > 0
        # Moved forwards, some pixels get two events and others none: the latter are at most a fifth.
        assert (moved & expected).sum() > 0.75 * expected.sum()
        assert (moved & ~expected).sum() < 0.05 * expected.sum()


class Drawing(np.random.Generator):
    """Draws a given number."""

    def __init__(self, number: float) -> None:
        super().__init__(np.random.PCG64(0))
        self.number = number

    def uniform(self, low: float, high: float) -> float:
        assert low <= self.number <= high
        return self.number


def test_roll_is_numpys_on_the_histogram() -> None:
    events = recording(200)
    shifts = [(down, right) for down in range(-2, 3) for right in range(-2, 3)]
    images = [np.roll(histogram(events), shift, axis=(0, 1)) for shift in shifts]
    seen = set()
    for index in range(300):
        rolled = histogram(EventRoll(2)(events, SENSOR, rng_for(0, 0, index)))
        seen.add(next(n for n, image in enumerate(images) if np.array_equal(image, rolled)))
    assert seen == set(range(25))


def histogram(events: Events, sensor: Sensor = SENSOR) -> np.ndarray:
    counts = np.zeros((sensor.height, sensor.width), int)
    np.add.at(counts, (events["y"], events["x"]), 1)
    return counts


def tagged(num: int = 20_000) -> Events:
    """One event a moment far from the border, its number in the coordinates."""
    events = np.zeros(num, EVENT_DTYPE)
    events["t"] = np.arange(num) * 10
    events["x"], events["y"] = 100 + np.arange(num) // 200, 100 + np.arange(num) % 200
    return events


WIDE = Sensor(400, 400)


def test_time_jitter_moves_by_its_deviation_and_keeps_all_and_their_span() -> None:
    events = tagged()
    moved = TimeJitter(300.0)(events, WIDE, rng_for(5))
    number = (moved["x"].astype(int) - 100) * 200 + moved["y"] - 100
    assert np.array_equal(np.sort(number), np.arange(len(events)))
    shift = (moved["t"] - number * 10)[100:-100]
    assert shift.std() == pytest.approx(300, rel=0.05)
    assert abs(shift.mean()) < 10
    assert moved["t"][0] >= 0
    assert moved["t"][-1] <= events["t"][-1]


def test_time_jitter_keeps_the_order_of_one_moment() -> None:
    events = of(*((n, 0, 5, 0) for n in range(20)))
    assert TimeJitter(1e30)(events, SENSOR, rng_for(0)).tolist() == events.tolist()


def test_spatial_jitter_moves_by_its_deviation() -> None:
    events = tagged()
    moved = SpatialJitter(3.0)(events, WIDE, rng_for(5))
    assert np.array_equal(moved["t"], events["t"])
    for axis in ("x", "y"):
        shift = moved[axis].astype(int) - events[axis]
        # Rounding adds the variance of a uniform number.
        assert shift.std() == pytest.approx(np.sqrt(9 + 1 / 12), rel=0.03)
        assert abs(shift.mean()) < 0.1


def test_spatial_jitter_drops_what_leaves_the_sensor() -> None:
    corner = of(*((0, 0, t, 0) for t in range(4000)))
    kept = SpatialJitter(4.0)(corner, SENSOR, rng_for(0))
    # In both directions a bit more than half of them stay: x ≥ 0 after rounding.
    assert len(kept) / 4000 == pytest.approx(0.55**2, abs=0.03)
    rows = SpatialJitter(4.0)(recording(sensor=Sensor(1, 700)), Sensor(1, 700), rng_for(0))
    assert len(rows) > 2900
    assert not rows["y"].any()


def test_time_scale_is_uniform_over_its_range() -> None:
    spans = [np.ptp(TimeScale((0.5, 2.0))(EVENTS, SENSOR, rng_for(i))["t"]) / 50 for i in range(400)]
    assert min(spans) == pytest.approx(0.5, abs=0.03)
    assert max(spans) == pytest.approx(2.0, abs=0.03)
    assert np.mean(spans) == pytest.approx(1.25, abs=0.08)
