"""Laws of representations, for any recording."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snnpd.datasets.events import Events, Sensor
from snnpd.datasets.representations.table import REPRESENTATIONS, create_representation
from tests.datasets.representations.examples import (
    FEW,
    SENSOR,
    at_times,
    random_recording,
    recording,
    recordings,
)

SLICINGS: list[dict[str, Any]] = [
    {"slicing": "time", "num_slices": 3},
    {"slicing": "duration", "window_us": 7},
    {"slicing": "events", "num_slices": 4},
    {"slicing": "event_count", "num_events": 5},
]
DENSE: dict[str, dict[str, Any]] = {
    "frames": {"num_slices": 3},
    "signed": {"num_slices": 3},
    "signed_counts": {"num_slices": 3},
    "voxel": {"num_slices": 3},
    "time_surface": {"num_slices": 3, "tau_us": 10.0},
}
TOKENS: dict[str, dict[str, Any]] = {"tokens": {"max_tokens": 8}, "token_groups": {"num_slices": 4}}


def make(events: Events, name: str, sensor: Sensor = SENSOR, **options: Any) -> Any:
    return create_representation(name, **options)(events, sensor)


def test_every_representation_is_under_these_laws() -> None:
    assert {*DENSE, *TOKENS} == set(REPRESENTATIONS)


@pytest.mark.parametrize("slicing", SLICINGS, ids=lambda options: options["slicing"])
@FEW
@given(events=recordings())
def test_frames_count_every_event_and_signs_are_their_difference(
    events: Events, slicing: dict[str, Any]
) -> None:
    frames = make(events, "frames", **slicing)
    assert frames.sum() == len(events)
    assert frames[:, 1].sum() == events["p"].sum()
    for y, x in ((0, 0), (4, 6), (2, 3)):
        assert frames[:, :, y, x].sum() == ((events["y"] == y) & (events["x"] == x)).sum()
    counts, signed = make(events, "signed_counts", **slicing), make(events, "signed", **slicing)
    assert np.array_equal(counts, frames[:, 1:] - frames[:, :1])
    assert np.array_equal(signed, np.sign(counts))
    assert signed.dtype == np.int8
    assert set(np.unique(signed).tolist()) <= {-1, 0, 1}


@pytest.mark.parametrize("name", DENSE)
@FEW
@given(events=recordings(), seed=st.integers(0, 9), shift=st.integers(-(10**15), 10**15))
def test_order_within_a_moment_and_the_origin_of_time_do_not_matter(
    name: str, events: Events, seed: int, shift: int
) -> None:
    expected = make(events, name, **DENSE[name])
    # Sorted by time again, in another order within a moment.
    events = events[np.random.default_rng(seed).permutation(len(events))]
    events = events[np.argsort(events["t"], kind="stable")]
    np.testing.assert_allclose(make(events, name, **DENSE[name]), expected, rtol=0, atol=1e-5)
    events["t"] += shift
    np.testing.assert_allclose(make(events, name, **DENSE[name]), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("slicing", SLICINGS, ids=lambda options: options["slicing"])
@pytest.mark.parametrize("name", TOKENS)
@FEW
@given(events=recordings(), shift=st.integers(-(10**15), 10**15))
def test_tokens_tell_time_from_the_first_event(
    name: str, slicing: dict[str, Any], events: Events, shift: int
) -> None:
    options = slicing if name == "token_groups" else TOKENS[name]
    some = make(events, name, **options)
    events["t"] += shift
    others = make(events, name, **options)
    assert np.array_equal(some.features, others.features)
    assert np.array_equal(some.times_ms, others.times_ms)
    assert len(some.times_ms) == len(some.features) > 0
    assert (np.diff(some.times_ms) >= 0).all()
    assert some.times_ms.min(initial=0) >= 0


@pytest.mark.parametrize("name", ["frames", "signed_counts", "voxel"])
@FEW
@given(events=recordings(), factor=st.integers(1, 9))
def test_downsampling_adds_up(name: str, events: Events, factor: int) -> None:
    fine = make(events, name, **DENSE[name])
    for axis in (2, 3):
        fine = np.add.reduceat(fine, np.arange(0, fine.shape[axis], factor), axis=axis)
    coarse = make(events, name, downsample=factor, **DENSE[name])
    np.testing.assert_allclose(coarse, fine, rtol=0, atol=1e-5)


@FEW
@given(events=recordings(), height=st.integers(1, 5), width=st.integers(1, 7))
def test_a_crop_is_the_middle(events: Events, height: int, width: int) -> None:
    top, left = (5 - height) // 2, (7 - width) // 2
    span = {"num_slices": 3, "start_us": 0, "stop_us": 40}
    whole, middle = make(events, "frames", **span), make(events, "frames", crop=(height, width), **span)
    assert np.array_equal(middle, whole[:, :, top : top + height, left : left + width])


@pytest.mark.parametrize("name", DENSE)
@pytest.mark.parametrize("num_polarities", [1, 2])
def test_recordings_without_events_or_time(name: str, num_polarities: int) -> None:
    sensor = replace(SENSOR, num_polarities=num_polarities)
    channels = num_polarities if name in ("frames", "time_surface") else 1
    nothing = make(at_times(), name, sensor, **DENSE[name])
    assert nothing.shape == (3, channels, 5, 7)
    assert not nothing.any()
    for times in ((9,), (9, 9)):
        events = at_times(*times)
        events["p"] = num_polarities - 1
        result = make(events, name, sensor, **DENSE[name])
        assert np.isfinite(result).all()
        where = np.argwhere(result)
        assert (where[:, 1:] == [channels - 1, 0, 0]).all()
        # A surface remembers; all others saw the events in the first slice only.
        assert where[:, 0].tolist() == ([0, 1, 2] if name == "time_surface" else [0])
        assert result.max() == (1 if name in ("signed", "time_surface") else len(times))


def test_signs_by_hand() -> None:
    events = recording([(1, 2, 0, 1), (1, 2, 1, 1), (3, 0, 2, 0), (4, 4, 3, 0), (4, 4, 4, 1), (1, 2, 10, 0)])
    signed = make(events, "signed", num_slices=2)
    assert [(*place, signed[tuple(place)]) for place in np.argwhere(signed).tolist()] == [
        (0, 0, 0, 3, -1),
        (0, 0, 2, 1, 1),
        (1, 0, 2, 1, -1),
    ]
    assert make(events, "signed", num_slices=1)[0, 0, 2, 1] == 1


def test_what_the_result_is_does_not_depend_on_the_array_that_holds_the_events() -> None:
    events = random_recording()
    expected = make(events, "frames", num_slices=4)
    spread = np.zeros(2 * len(events), dtype=events.dtype)[::2]
    spread[:] = events
    frozen = events.copy()
    frozen.flags.writeable = False
    for other in (spread, frozen):
        for options in ({}, {"crop": (5, 7)}):
            assert np.array_equal(make(other, "frames", num_slices=4, **options), expected)
        assert np.array_equal(other, events)
