"""Frames, voxels and surfaces against tonic's, element for element; where it loses events, ours are named."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from snnpd.datasets.events import Events
from snnpd.datasets.representations.table import create_representation
from tests.datasets.representations.examples import SENSOR, at_times, random_recording

transforms = pytest.importorskip("tonic.transforms")
SIZE = (SENSOR.width, SENSOR.height, 2)
COMPLETE = {"keep_incomplete": False}


def ours(events: Events, name: str = "frames", **options: Any) -> np.ndarray:
    return create_representation(name, **options)(events, SENSOR)


def theirs(events: Events, **options: Any) -> np.ndarray:
    return transforms.ToFrame(SIZE, **options)(events.copy())


@pytest.mark.parametrize("num", [1, 5, 240, 2000])
@pytest.mark.parametrize(
    ("options", "tonic_options"),
    [
        # Of no 1000 µs, of 1000 events and of 2000 events a divisor.
        ({"slicing": "duration", "window_us": 30}, {"time_window": 30, "include_incomplete": True}),
        ({"slicing": "duration", "window_us": 30} | COMPLETE, {"time_window": 30}),
        ({"slicing": "duration", "window_us": 100} | COMPLETE, {"time_window": 100}),
        ({"slicing": "duration", "window_us": 5000} | COMPLETE, {"time_window": 5000}),
        (
            {"slicing": "duration", "window_us": 30, "start_us": -45} | COMPLETE,
            {"time_window": 30, "start_time": -45},
        ),
        (
            {"slicing": "duration", "window_us": 30, "start_us": -45, "num_slices": 40},
            {"time_window": 30, "start_time": -45, "end_time": 1155},
        ),
        ({"slicing": "event_count", "num_events": 70}, {"event_count": 70, "include_incomplete": True}),
        ({"slicing": "event_count", "num_events": 70} | COMPLETE, {"event_count": 70}),
        ({"slicing": "event_count", "num_events": 1}, {"event_count": 1}),
    ],
)
def test_frames_are_equal(options: dict[str, Any], tonic_options: dict[str, Any], num: int) -> None:
    events = random_recording(num, stop_us=1000, start_us=17)
    frames = ours(events, **options)
    assert np.array_equal(frames, theirs(events, **tonic_options))
    # Complete windows leave out the end, of a recording of one event all of it.
    assert frames.sum() >= num // 2


@pytest.mark.parametrize("num_slices", [1, 7, 10])
@pytest.mark.parametrize("stop_us", [1000, 1017])
def test_equal_times(num_slices: int, stop_us: int) -> None:
    """tonic's windows last whole microseconds, so it loses the end of a recording, at least the last event's moment."""
    events = random_recording(stop_us=stop_us, start_us=17)
    end = 17 + num_slices * ((stop_us - 17) // num_slices)
    before = events[events["t"] < end]
    assert 0 < len(before) < len(events)
    assert np.array_equal(
        ours(before, num_slices=num_slices, start_us=17, stop_us=end), theirs(events, n_time_bins=num_slices)
    )
    assert ours(events, num_slices=num_slices).sum() == len(events)


@pytest.mark.parametrize("num_slices", [1, 7, 10])
def test_equal_events(num_slices: int) -> None:
    """tonic loses the rest of a division, here of 2003 events by 7 or 10."""
    events = random_recording(2003)
    divisible = events[: len(events) // num_slices * num_slices]
    frames = ours(divisible, slicing="events", num_slices=num_slices)
    assert np.array_equal(frames, theirs(events, n_event_bins=num_slices))
    assert ours(events, slicing="events", num_slices=num_slices).sum() == len(events)


@pytest.mark.parametrize(
    ("times", "options", "tonic_options", "counts", "tonic_counts"),
    [
        # The last event begins a window: tonic leaves it out although incomplete windows are asked for.
        ([0, 9], {"slicing": "duration", "window_us": 9}, {"time_window": 9, "include_incomplete": True}, [1, 1], [1]),
        # One moment: tonic's windows have no length, and hold nothing.
        ([3, 3], {"num_slices": 2}, {"n_time_bins": 2}, [2, 0], [0, 0]),
        ([0, 1, 2], {"num_slices": 2}, {"n_time_bins": 2}, [1, 2], [1, 1]),
        ([0, 1, 2], {"slicing": "events", "num_slices": 2}, {"n_event_bins": 2}, [1, 2], [1, 1]),
        ([0], {"slicing": "events", "num_slices": 2}, {"n_event_bins": 2}, [0, 1], [0, 0]),
    ],
)  # fmt: skip
def test_where_tonic_loses_events(
    times: list[int],
    options: dict[str, Any],
    tonic_options: dict[str, Any],
    counts: list[int],
    tonic_counts: list[int],
) -> None:
    events = at_times(*times)
    assert ours(events, **options)[:, 1, 0, 0].tolist() == counts
    assert theirs(events, **tonic_options)[:, 1, 0, 0].tolist() == tonic_counts


def test_sensors_of_one_polarity() -> None:
    events = random_recording()
    events["p"] = 0
    frames = create_representation("frames", slicing="event_count", num_events=70)(
        events, replace(SENSOR, num_polarities=1)
    )
    to_frame = transforms.ToFrame((*SIZE[:2], 1), event_count=70, include_incomplete=True)
    assert np.array_equal(frames, to_frame(events.copy()))
    assert frames.sum() == len(events)


def test_counts_beyond_16_bits() -> None:
    """tonic's wrap."""
    events = at_times(*range(40_000))
    assert ours(events, slicing="events", num_slices=1)[0, 1, 0, 0] == 40_000
    assert theirs(events, n_event_bins=1)[0, 1, 0, 0] == 40_000 - 2**16


def test_an_empty_recording_keeps_rows_and_columns_in_order() -> None:
    """tonic gives width before height for it, and height before width for all others."""
    nothing, some = random_recording()[:0], random_recording()
    assert ours(nothing, num_slices=3).shape == ours(some, num_slices=3).shape == (3, 2, 5, 7)
    assert theirs(some, n_time_bins=3).shape == (3, 2, 5, 7)
    assert theirs(nothing, n_time_bins=3).shape == (3, 2, 7, 5)


@pytest.mark.parametrize("num_bins", [1, 4, 8])
def test_voxels_before_the_last_bin_are_equal(num_bins: int) -> None:
    """tonic spreads times over 0 … B, the paper over 0 … B − 1; B counted from 0, its bin B is the one that it loses.

    With a span of a power of two, all shares are exact.
    """
    events = random_recording(stop_us=1024)
    voxels = ours(events, "voxel", num_slices=num_bins + 1)
    expected = transforms.ToVoxelGrid(SIZE, num_bins)(events)
    assert voxels.dtype == np.float32
    assert np.array_equal(voxels[:-1], expected)
    assert np.abs(voxels[-1]).sum() > 0
    net = 2 * int(events["p"].sum()) - len(events)
    assert voxels.sum() == net != expected.sum()


@pytest.mark.parametrize(("window_us", "tau_us"), [(100, 50.0), (300, 1000.0), (30, 3.0)])
def test_surfaces_are_equal(window_us: int, tau_us: float) -> None:
    events = random_recording(150)
    options = {"slicing": "duration", "window_us": window_us, "tau_us": tau_us} | COMPLETE
    surfaces = ours(events, "time_surface", **options)
    expected = transforms.ToTimesurface(SIZE, dt=window_us, tau=tau_us)(events)
    assert surfaces.shape == expected.shape
    # Theirs is in float64; a vectorised float32 exponential may be off by some units in the last place.
    np.testing.assert_allclose(surfaces, expected, rtol=0, atol=3e-7)
    assert (surfaces[0] == 0).any()
    assert surfaces.max() > 0.5
