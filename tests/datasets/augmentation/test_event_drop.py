"""What EventDrop drops: how much, where, and nothing else."""

from collections import Counter

import numpy as np
import pytest

from snnpd.datasets.augmentation.event_drop import DropAtRandom, DropByArea, DropByTime, EventDrop
from snnpd.datasets.augmentation.events import EventAugmentation
from snnpd.datasets.events import EVENT_DTYPE, Events, Sensor
from snnpd.datasets.seeding import rng_for

WIDE = Sensor(400, 400)


def dropped(augment: EventAugmentation, events: Events, index: int, sensor: Sensor = WIDE) -> np.ndarray:
    """Which events are gone; all others are unchanged and in their order."""
    kept = augment(events, sensor, rng_for(0, 0, index))
    gone = ~np.isin(events["t"], kept["t"])
    assert np.array_equal(events[~gone], kept)
    return gone


def one_a_moment(num: int = 1000) -> Events:
    """Events far from the border, one a moment."""
    events = np.zeros(num, EVENT_DTYPE)
    events["t"] = np.arange(num) * 10
    events["x"], events["y"] = 100 + np.arange(num) // 200, 100 + np.arange(num) % 200
    return events


def test_drop_by_time_drops_one_stretch_of_the_asked_length() -> None:
    events = one_a_moment()
    whole = 0
    for index in range(100):
        (numbers,) = np.nonzero(dropped(DropByTime((0.3,)), events, index))
        assert len(numbers) in (numbers[-1] - numbers[0] + 1, 0)
        assert len(numbers) <= 301
        assert len(numbers) >= 299 or numbers[-1] == 999
        whole += len(numbers) >= 299
    # It begins anywhere: in 7 of 10 cases before the last three tenths.
    assert 55 <= whole <= 85


def test_drop_by_area_drops_one_box_of_the_asked_size() -> None:
    events, sensor = grid(), Sensor(40, 60)
    clipped = 0
    for index in range(100):
        hole = dropped(DropByArea((0.25,)), events, index, sensor).reshape(40, 60)
        height, width = int(hole.any(1).sum()), int(hole.any(0).sum())
        assert hole.sum() == height * width > 0
        assert height <= 10
        assert width <= 15
        clipped += (height, width) != (10, 15)
        if (height, width) != (10, 15):
            assert hole[0].any() or hole[-1].any() or hole[:, 0].any() or hole[:, -1].any()
    # The centre lies within an eighth of a border with probability 1 − (3/4)².
    assert 30 <= clipped <= 58


def test_random_drop_drops_the_asked_number_anywhere() -> None:
    events = one_a_moment()
    gone = [dropped(DropAtRandom((0.25,)), events, index) for index in range(60)]
    assert {one.sum() for one in gone} == {250}
    assert np.mean(gone, axis=0).reshape(10, 100).mean(1) == pytest.approx(np.full(10, 0.25), abs=0.03)


def test_event_drop_does_each_of_its_four_equally_often() -> None:
    events, sensor = grid(), Sensor(40, 60)
    place = np.random.default_rng(0).permutation(2400)
    events["x"], events["y"] = place % 60, place // 60
    seen: Counter[str] = Counter()
    for index in range(300):
        gone = dropped(EventDrop(), events, index, sensor)
        picture = np.zeros((40, 60), bool)
        picture[events["y"][gone], events["x"][gone]] = True
        box = picture.any(1).sum() * picture.any(0).sum() == gone.sum()
        (numbers,) = np.nonzero(gone)
        stretch = gone.any() and np.ptp(numbers) + 1 == len(numbers)
        seen["none" if not gone.any() else "stretch" if stretch else "box" if box else "random"] += 1
    assert {name: count / 300 for name, count in seen.items()} == pytest.approx(
        dict.fromkeys(("none", "stretch", "box", "random"), 0.25), abs=0.08
    )


def grid() -> Events:
    """One event at each pixel of 40 × 60, one after the other."""
    events = np.zeros(2400, EVENT_DTYPE)
    events["t"], events["x"], events["y"] = np.arange(2400), np.arange(2400) % 60, np.arange(2400) // 60
    return events
