"""The simulated camera against closed forms; frames against a loop; the saccades' path."""

import math
from typing import Any

import numpy as np
import pytest

from snnpd.datasets.events import EVENT_DTYPE
from snnpd.datasets.frames import events_to_frames
from snnpd.datasets.simulator.event_camera import simulate_events
from snnpd.datasets.simulator.saccade import DURATION_US, SACCADE_US, moving_images, saccade_path
from snnpd.errors import UsageError

MS = 1000


def moving_edge(height: float, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Log-intensity of a step edge that enters pixel x at x milliseconds and has passed it one later."""
    frame, x = np.mgrid[: width + 1, :width]
    return height * (frame > x)[:, None, :].astype(float), np.arange(width + 1) * MS


@pytest.mark.parametrize("height", [1.0, 0.9, -1.0, -1.1, 0.25, 0.2])
@pytest.mark.parametrize("threshold", [0.25, (0.25, 0.5)])
def test_moving_step_edge(height: float, threshold: float | tuple[float, float]) -> None:
    width = 5
    video, times = moving_edge(height, width)
    events = simulate_events(video, times, threshold=threshold, log_intensity=True)
    step = threshold if isinstance(threshold, float) else threshold[0 if height > 0 else 1]
    expected = [
        (x, 0, x * MS + round(k * step / abs(height) * MS), int(height > 0))
        for x in range(width)
        for k in range(1, math.floor(abs(height) / step) + 1)
    ]
    assert events.dtype == EVENT_DTYPE
    assert events.tolist() == expected


def test_a_pixel_remembers_its_last_level() -> None:
    """Up by 0.625 and back: up past 0.25 and 0.5, then down from the memory of 0.5, past 0.25 and to 0."""
    levels = np.array([0.0, 0.625, 0.0])[:, None, None]
    events = simulate_events(levels, [0, 1000, 2000], threshold=0.25, log_intensity=True)
    assert events["p"].tolist() == [1, 1, 0, 0]
    assert events["t"].tolist() == [400, 800, 1600, 2000]


def test_finer_frames_of_a_straight_ramp_change_nothing() -> None:
    coarse, fine = np.array([0.0, 3.0]), np.linspace(0.0, 3.0, 97)
    runs = [
        simulate_events(
            levels[:, None, None], np.linspace(0, 9600, len(levels)), threshold=0.25, log_intensity=True
        )
        for levels in (coarse, fine)
    ]
    assert len(runs[0]) == 12
    assert np.array_equal(*runs)


def test_linear_intensity_is_taken_to_its_logarithm() -> None:
    rng = np.random.default_rng(0)
    video, times = rng.random((9, 6, 7)), np.arange(9) * 5000
    linear = simulate_events(video, times, threshold=0.2, eps=0.05)
    assert len(linear) > 500
    assert np.array_equal(
        linear, simulate_events(np.log(video + 0.05), times, threshold=0.2, log_intensity=True)
    )


def test_against_a_loop_over_pixels() -> None:
    """Each pixel alone, event by event, then sorted: the vectorised form must agree, and keep its places."""
    rng = np.random.default_rng(1)
    levels, times = rng.normal(size=(12, 4, 3)), np.cumsum(rng.integers(1, 5000, size=12))
    expected = []
    for y, x in np.ndindex(4, 3):
        memory = levels[0, y, x]
        for f in range(1, 12):
            before, after = levels[f - 1 : f + 1, y, x]
            while abs(after - memory) >= 0.3:
                memory += math.copysign(0.3, after - memory)
                fraction = (memory - before) / (after - before)
                expected.append(
                    (times[f - 1] + fraction * (times[f] - times[f - 1]), y, x, int(after > before))
                )
    events = simulate_events(levels, times, threshold=0.3, log_intensity=True)
    assert len(events) == len(expected) > 100
    assert (np.diff(events["t"]) >= 0).all()
    ours = sorted((e["y"], e["x"], e["t"], e["p"]) for e in events)
    theirs = sorted((y, x, t, p) for t, y, x, p in expected)
    np.testing.assert_allclose(np.array(ours, dtype=float), np.array(theirs, dtype=float), rtol=0, atol=0.51)


@pytest.mark.parametrize(
    ("video", "times", "options", "message"),
    [
        (np.ones((3, 2)), [0, 1, 2], {}, r"video \(3, 2\) with times \(3,\)"),
        (np.ones((3, 2, 2)), [0, 1], {}, r"expected \[F, H, W\] and \[F\]"),
        (np.ones((3, 2, 2)), [0, 2, 2], {}, "frame times do not ascend"),
        (np.full((2, 2, 2), np.nan), [0, 1], {}, "not finite"),
        (-np.ones((2, 2, 2)), [0, 1], {}, "intensity goes down to -1.0"),
        (np.ones((2, 2, 2)), [0, 1], {"threshold": 0.0}, "contrast threshold is 0.0"),
        (np.ones((2, 2, 2)), [0, 1], {"threshold": (0.1, -0.1)}, "contrast threshold is"),
        (np.ones((2, 40000, 1)), [0, 1], {}, "each side must be 32768 at most"),
    ],
)
def test_what_is_no_video(video: np.ndarray, times: list, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        simulate_events(video, times, **options)


def random_events(num: int = 300) -> np.ndarray:
    rng = np.random.default_rng(2)
    events = np.zeros(num, dtype=EVENT_DTYPE)
    events["x"], events["y"] = rng.integers(0, 4, num), rng.integers(0, 5, num)
    events["t"], events["p"] = np.sort(rng.integers(0, 1001, num)), rng.integers(0, 2, num)
    return events


def test_frames_against_a_loop() -> None:
    events = random_events()
    expected = np.zeros((4, 2, 5, 4), dtype=np.int64)
    for x, y, t, p in events.tolist():
        if 100 <= t <= 900:
            expected[min((t - 100) // 200, 3), p, y, x] += 1
    frames = events_to_frames(events, 4, 5, 4, start_us=100, stop_us=900)
    assert np.array_equal(frames, expected)
    signed = events_to_frames(events, 4, 5, 4, start_us=100, stop_us=900, signed=True)
    assert np.array_equal(signed, expected[:, 1:] - expected[:, :1])
    assert signed.min() < 0 < signed.max()


def test_borders_of_windows() -> None:
    events = np.zeros(6, dtype=EVENT_DTYPE)
    events["t"] = [-1, 0, 499, 500, 1000, 1001]
    frames = events_to_frames(events, 2, 1, 1, start_us=0, stop_us=1000)
    assert frames[:, 0, 0, 0].tolist() == [2, 2]
    assert events_to_frames(events[:0], 3, 2, 2, start_us=0, stop_us=9).shape == (3, 2, 2, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_frames": 0}, "0 frames"),
        ({"stop_us": 0}, "0 to 0 µs"),
        ({"width": 3}, "an event at x 3, y [0-4] lies outside of the sensor of 5 × 3 pixels"),
        ({"height": 4}, "y 4 lies outside of the sensor of 4 × 4 pixels"),
    ],
)
def test_frames_that_cannot_be(options: dict[str, int], message: str) -> None:
    given = {"num_frames": 4, "height": 5, "width": 4, "start_us": 0, "stop_us": 1000, **options}
    with pytest.raises(UsageError, match=message):
        events_to_frames(random_events(), **given)


def test_path_is_a_closed_triangle_of_three_saccades() -> None:
    times = np.linspace(0, DURATION_US, 13)
    path = saccade_path(times, amplitude=2.0)
    corners = path[::4]
    assert corners.tolist() == [[-2, -2], [0, 2], [2, -2], [-2, -2]]
    speed = np.linalg.norm(np.diff(path, axis=0), axis=1).reshape(3, 4)
    assert np.allclose(speed, speed[:, :1])
    assert DURATION_US == 3 * SACCADE_US


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ((0.0, 0.0), [[0, 0, 0, 0], [0, 1, 2, 0], [0, 3, 4, 0], [0, 0, 0, 0]]),
        ((1.0, 0.0), [[0, 0, 0, 0], [0, 0, 1, 2], [0, 0, 3, 4], [0, 0, 0, 0]]),
        ((0.0, -1.0), [[0, 1, 2, 0], [0, 3, 4, 0], [0, 0, 0, 0], [0, 0, 0, 0]]),
        ((0.5, 0.0), [[0, 0, 0, 0], [0, 0.5, 1.5, 1], [0, 1.5, 3.5, 2], [0, 0, 0, 0]]),
    ],
)
def test_images_move_right_and_down_by_sub_pixels(place: tuple[float, float], expected: list) -> None:
    images = np.array([[[1.0, 2.0], [3.0, 4.0]], [[2.0, 4.0], [6.0, 8.0]]])
    films = moving_images(images, np.array([place]), sensor=4, zoom=1.0)
    assert films.shape == (1, 2, 4, 4)
    np.testing.assert_allclose(films[0, 0], expected, atol=1e-12)
    np.testing.assert_allclose(films[0, 1], 2 * films[0, 0])
