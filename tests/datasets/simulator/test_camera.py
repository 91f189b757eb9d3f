"""Each imperfection of the camera against its closed form; portions, batches and seeds."""

import math
from itertools import count
from typing import Any

import numpy as np
import pytest

from snnpd.datasets.events import Sensor, check_events
from snnpd.datasets.simulator.event_camera import EventCamera, Recorder
from snnpd.errors import UsageError

REAL = EventCamera(
    threshold=(0.2, 0.25),
    threshold_sigma=0.03,
    refractory_us=700,
    cutoff_hz=150,
    shot_noise_hz=8,
    leak_hz=4,
    hot_pixels=0.1,
    dark_cutoff=0.1,
    seed=5,
)


def random_film(frames: int = 25, height: int = 6, width: int = 9) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.random((frames, height, width)), np.cumsum(rng.integers(500, 15000, size=frames))


def still(height: int, width: int, duration_us: float, frames: int = 2) -> tuple[np.ndarray, np.ndarray]:
    return np.full((frames, height, width), 0.5), np.linspace(0.0, duration_us, frames)


def gaps_of(events: np.ndarray, width: int) -> np.ndarray:
    """The times between events of one pixel, of all pixels."""
    order = np.lexsort((events["t"], events["y"].astype(int) * width + events["x"]))
    events = events[order]
    same = (np.diff(events["x"]) == 0) & (np.diff(events["y"]) == 0)
    return np.diff(events["t"])[same]


@pytest.mark.parametrize(
    "nearly", [{"refractory_us": 1e-7}, {"cutoff_hz": 1e10}, {"threshold_sigma": 1e-13}, {"leak_hz": 1e-9}]
)
def test_imperfections_vanish_at_their_limits(nearly: dict[str, Any]) -> None:
    video, times = random_film()
    ideal, ours = (EventCamera(0.2, **options).record(video, times) for options in ({}, nearly))
    # What leaked before the start remains: up to one event a pixel.
    slack = 54 if "leak_hz" in nearly else 0
    assert abs(len(ideal) - len(ours)) <= slack
    if not slack:
        ideal, ours = (np.sort(events, order=["y", "x", "t"]) for events in (ideal, ours))
        assert all(np.array_equal(ideal[name], ours[name]) for name in "xyp")
        assert np.abs(ideal["t"] - ours["t"]).max() <= 1
    assert len(ideal) > 1000


@pytest.mark.parametrize(("contrast", "cutoff_hz"), [(1.05, 100.0), (-1.05, 30.0)])
def test_low_pass_answers_a_step_exponentially(contrast: float, cutoff_hz: float) -> None:
    theta, fine = 0.125, 100
    times = np.arange(0, 20_000, fine)
    levels = np.where(times > 0, contrast, 0.0)[:, None, None]
    events = EventCamera(theta, cutoff_hz=cutoff_hz).record(levels, times, log_intensity=True)
    k = np.arange(1, math.floor(abs(contrast) / theta) + 1)
    expected = -np.log(1 - k * theta / abs(contrast)) / (2 * math.pi * cutoff_hz) * 1e6
    assert events["p"].tolist() == [int(contrast > 0)] * len(k)
    # The step is a ramp of one frame, which comes half a frame late.
    np.testing.assert_allclose(events["t"], expected + fine / 2, rtol=0, atol=2)


def test_low_pass_of_a_ramp_does_not_depend_on_frames() -> None:
    runs = []
    for frames in (5, 9):
        times = np.linspace(0, 80_000, frames)
        levels = np.interp(times, [0, 40_000, 80_000], [0, 2, 0])[:, None, None]
        recorder = Recorder(EventCamera(0.1, cutoff_hz=20.0), log_intensity=True)
        recorder.see(levels, times)
        runs.append(float(recorder.array.pixels.levels[0]))
    assert runs[0] == pytest.approx(runs[1], abs=1e-12)
    assert 0.1 < runs[0] < 1.0


@pytest.mark.parametrize(("refractory_us", "expected"), [(0, 8), (1000, 4), (5500, 2), (9000, 1)])
def test_refractory_time_on_a_ramp(refractory_us: int, expected: int) -> None:
    """One threshold a millisecond: dead for r, then a millisecond to the next event, whatever frames there are."""
    for frames in (2, 7, 81):
        times = np.linspace(0.0, 8000.0, frames)
        events = EventCamera(0.25, refractory_us=refractory_us).record(
            times[:, None, None] / 4000.0, times, log_intensity=True
        )
        assert events["t"].tolist() == [1000 + k * (1000 + refractory_us) for k in range(expected)]


def test_no_pixel_fires_twice_within_its_refractory_time() -> None:
    video, times = random_film(60)
    free, held = (EventCamera(0.1, refractory_us=r, shot_noise_hz=50).record(video, times) for r in (0, 3000))
    assert len(free) > len(held) > 500
    assert gaps_of(free, 9).min() < 100
    assert 2999 <= gaps_of(held, 9).min() < 3100


def test_shot_noise_is_poisson() -> None:
    rate_hz, duration_us, counts = 10.0, 2e6, []
    for seed in range(20):
        events = EventCamera(shot_noise_hz=rate_hz, seed=seed).record(*still(10, 10, duration_us))
        check_events(events, Sensor(10, 10), "noise")
        counts.append([np.sum(events["p"] == p) for p in (0, 1)])
    counts = np.array(counts)
    # A hundred pixels for two seconds, half of the events of each polarity.
    mean = 100 * rate_hz * duration_us * 1e-6 / 2
    assert abs(counts.mean() - mean) < 4 * math.sqrt(mean / counts.size)
    assert abs(counts.var() / mean - 1) < 4 * math.sqrt(2 / counts.size)
    per_pixel = np.bincount(events["y"] * 10 + events["x"], minlength=100)
    assert abs(per_pixel.var() / 20 - 1) < 4 * math.sqrt(2 / 100)
    gaps = gaps_of(events, 10)
    assert abs(np.mean(gaps > 1e6 / rate_hz) - math.exp(-1)) < 4 * 0.48 / math.sqrt(len(gaps))


def test_noise_depends_on_time_and_not_on_frames() -> None:
    camera = EventCamera(shot_noise_hz=30, seed=1)
    coarse, fine = (camera.record(*still(5, 4, 777_777, frames)) for frames in (2, 40))
    assert len(coarse) > 300
    assert np.array_equal(coarse, fine)


def test_leak_fires_at_its_rate_in_a_still_scene() -> None:
    events = EventCamera(leak_hz=3.0, threshold_sigma=0.02, seed=2).record(*still(40, 50, 2.1e6, 7))
    per_pixel = np.bincount(events["y"].astype(int) * 50 + events["x"], minlength=2000)
    assert events["p"].all()
    # 6.3 events a pixel: six, or seven with probability 0.3 by where it stood at the start.
    assert set(per_pixel) == {6, 7}
    assert abs(np.mean(per_pixel == 7) - 0.3) < 4 * math.sqrt(0.3 * 0.7 / 2000)
    assert np.abs(gaps_of(events, 50) - 1e6 / 3).max() <= 1


def test_hot_pixels_are_few_the_same_and_regular() -> None:
    """Half a percent of 2,000 pixels: ten, and nothing else fires before a still scene."""
    camera = EventCamera(hot_pixels=0.005, hot_hz=40.0, seed=3)
    runs = [camera.record(*still(40, 50, 1.01e6, 6), index=index) for index in (0, 1)]
    places = []
    for events in runs:
        per_pixel = np.bincount(events["y"].astype(int) * 50 + events["x"], minlength=2000)
        assert events["p"].all()
        # 40.4 events a pixel: 40, or 41 by where it stood at the start.
        assert set(per_pixel[per_pixel > 0]) <= {40, 41}
        assert np.abs(gaps_of(events, 50) - 25_000).max() <= 1
        places.append(np.flatnonzero(per_pixel).tolist())
    assert len(places[0]) == 10
    assert places[0] == places[1]
    other = EventCamera(hot_pixels=0.005, hot_hz=40.0, seed=4).record(*still(40, 50, 1.01e6))
    assert places[0] != np.unique(other["y"].astype(int) * 50 + other["x"]).tolist()
    # A hot pixel that must rest is as much slower.
    held = EventCamera(hot_pixels=1.0, hot_hz=40.0, refractory_us=5000).record(*still(3, 4, 1e6))
    assert np.abs(gaps_of(held, 4) - 30_000).max() <= 1


@pytest.mark.parametrize("log_intensity", [False, True])
def test_the_dark_is_slower(log_intensity: bool) -> None:
    """After a step each pixel is a low-pass of its own cut-off: of v2e's 20/275 in the dark, all of it at white."""
    dark, cutoff_hz, fine = 20 / 275, 100.0, 20
    times = np.arange(0, 2000, fine)
    after = np.array([0.02, 0.5, 1.0])
    frames = np.where(times[:, None] > 0, after, after / 2)[:, None]
    levels = np.log(frames)
    camera = EventCamera(0.1, cutoff_hz=cutoff_hz, dark_cutoff=dark, eps=0.0)
    recorder = Recorder(camera, log_intensity=log_intensity)
    recorder.see(levels if log_intensity else frames, times)
    ours = (recorder.array.pixels.levels - levels[0, 0]) / math.log(2)
    rate = 2 * math.pi * cutoff_hz * (dark + (1 - dark) * after) * 1e-6
    # The step is a ramp of one frame, which comes half a frame late.
    np.testing.assert_allclose(ours, 1 - np.exp(-rate * (times[-1] - fine / 2)), rtol=0, atol=1e-4)


def test_mismatch_is_a_fixed_pattern() -> None:
    """A ramp tells each pixel's threshold by the time of its first event."""
    levels, times = np.linspace([0.0, 0.0], [2.0, -2.0], 2, axis=0), [0, 2_000_000]
    found = []
    for direction in (0, 1):
        video = np.broadcast_to(levels[:, direction, None, None], (2, 50, 60))
        camera = EventCamera((0.3, 0.2), threshold_sigma=0.02, seed=4)
        runs = [camera.record(video, times, index=index, log_intensity=True) for index in (0, 1)]
        assert np.array_equal(*runs)
        order = np.lexsort((runs[0]["t"], runs[0]["x"], runs[0]["y"]))
        events = runs[0][order]
        first = np.flatnonzero(np.diff(events["y"].astype(int) * 60 + events["x"], prepend=-1))
        assert len(first) == 3000
        found.append(events["t"][first] * 1e-6)
    for thresholds, mean in zip(found, (0.3, 0.2), strict=True):
        assert abs(thresholds.mean() - mean) < 4 * 0.02 / math.sqrt(3000)
        assert abs(thresholds.std() / 0.02 - 1) < 4 / math.sqrt(2 * 3000)
    assert abs(np.corrcoef(*found)[0, 1]) < 4 / math.sqrt(3000)
    # However wild the mismatch, no threshold falls below a tenth.
    wild = EventCamera(0.2, threshold_sigma=5.0).sensors(50, 60, [0]).circuit
    assert wild.brighter.min() == wild.darker.min() == pytest.approx(0.02)


def test_polarities_are_mirror_images() -> None:
    rng = np.random.default_rng(3)
    levels, times = rng.normal(size=(20, 5, 6)), np.arange(20) * 3000
    camera, mirrored = (
        EventCamera(pair, refractory_us=400, cutoff_hz=200) for pair in ((0.2, 0.3), (0.3, 0.2))
    )
    events, other = (
        c.record(v, times, log_intensity=True) for c, v in ((camera, levels), (mirrored, -levels))
    )
    other["p"] = 1 - other["p"]
    assert len(events) > 500
    assert np.array_equal(events, other)


@pytest.mark.parametrize("camera", [EventCamera(), REAL])
def test_portions_of_frames_make_no_difference(camera: EventCamera) -> None:
    video, times = random_film()
    whole = camera.record(video, times, index=3)
    check_events(whole, Sensor(6, 9), "film")
    assert len(whole) > 1000
    recorder = Recorder(camera, index=3)
    cuts = [(0, 1), (1, 2), (2, 11), (11, 11 + 13), (24, 25)]
    portions = [recorder.see(video[start:stop], times[start:stop]) for start, stop in cuts]
    assert np.array_equal(np.concatenate(portions), whole)
    streamed = list(camera.stream(iter(video), iter(times), index=3))
    assert len(streamed) == 25
    assert np.array_equal(np.concatenate(streamed), whole)


@pytest.mark.parametrize(
    "imperfection", [{"shot_noise_hz": 20}, {"leak_hz": 20}, {"threshold_sigma": 0.02}, {"hot_pixels": 0.2}]
)
def test_what_is_random_depends_on_the_seed_and_the_recording(imperfection: dict[str, Any]) -> None:
    video, times = random_film()
    camera, other = (EventCamera(seed=seed, **imperfection) for seed in (5, 6))
    events = camera.record(video, times, index=2)
    assert np.array_equal(events, camera.record(video, times, index=2))
    assert not np.array_equal(events, other.record(video, times, index=2))
    fixed = "threshold_sigma" in imperfection
    assert np.array_equal(events, camera.record(video, times, index=3)) == fixed


def test_resolution_rounds_time_stamps() -> None:
    video, times = random_film()
    fine, coarse = (EventCamera(resolution_us=r).record(video, times) for r in (1, 50))
    assert (coarse["t"] % 50 == 0).all()
    assert (np.diff(coarse["t"]) >= 0).all()
    fine, coarse = (np.sort(events, order=["y", "x", "t"]) for events in (fine, coarse))
    assert np.abs(fine["t"] - coarse["t"]).max() in (25, 26)
    assert len(np.unique(coarse["t"])) > 1000


def test_bytes_and_colours() -> None:
    rng = np.random.default_rng(1)
    video, times = rng.integers(0, 256, size=(9, 3, 5, 4), dtype=np.uint8), np.arange(9) * 1000
    luma = np.tensordot([0.299, 0.587, 0.114], video / 255.0, axes=(0, 1))
    camera = EventCamera(0.1)
    seen = camera.record(video, times)
    assert len(seen) > 300
    assert np.array_equal(seen, camera.record(luma, times))
    assert np.array_equal(camera.record(video[:, :1], times), camera.record(video[:, 0] / 255.0, times))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hot_pixels": 1.5}, "hot_pixels is 1.5; give their share"),
        ({"hot_hz": -5.0}, "hot_hz is -5.0"),
        ({"dark_cutoff": 0.0}, "dark_cutoff is 0.0; give a share of cutoff_hz"),
        ({"threshold": 0.0}, "contrast threshold is 0.0"),
        ({"threshold": float("nan")}, "contrast threshold is nan"),
        ({"threshold_sigma": -1.0}, "threshold_sigma is -1.0"),
        ({"refractory_us": -1}, "refractory_us is -1"),
        ({"shot_noise_hz": float("inf")}, "shot_noise_hz is inf"),
        ({"leak_hz": -0.1}, "leak_hz is -0.1"),
        ({"cutoff_hz": 0.0}, "cutoff_hz is 0.0; give a number above 0, or None"),
        ({"resolution_us": 0}, "resolution_us is 0"),
        ({"eps": -0.1}, "eps is -0.1"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_cameras_that_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        EventCamera(**options)


@pytest.mark.parametrize(
    ("video", "times", "message"),
    [
        ([[[1.0], [2.0, 3.0]]], [0], "video is no array"),
        ([["a"]], [0], "video holds <U1"),
        (
            np.ones((2, 2, 5, 4)),
            [0, 1],
            r"video \(2, 2, 5, 4\); expected \[F, H, W\], or \[F, 3, H, W\] in colour",
        ),
        (np.ones((2, 0, 4)), [0, 1], r"video \(2, 0, 4\); expected"),
        (np.ones((0, 3, 4)), [], r"video \(0, 3, 4\); expected"),
        (np.ones((2, 3, 4)), [0, 1e300], "frame times are not finite or beyond"),
        (np.ones((2, 3, 4)), [0, np.nan], "frame times are not finite"),
        (np.array([1.0, np.inf])[:, None, None], [0, 1], "values that are not finite"),
        (np.array([-1.0, np.nan])[:, None, None], [0, 1], "intensity goes down to -1.0"),
    ],
)
def test_what_is_no_video(video: Any, times: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        REAL.record(video, times)
    assert "\n" not in str(caught.value)


def test_portions_that_do_not_follow() -> None:
    frame = np.ones((1, 2, 3))
    recorder = Recorder(EventCamera())
    recorder.see(frame, [5])
    for portion, time_us, message in (
        (frame, 5, "frame times do not ascend"),
        (np.ones((1, 3, 2)), 6, r"a frame of \(3, 2\) pixels after one of \(2, 3\)"),
    ):
        with pytest.raises(UsageError, match=message):
            recorder.see(portion, [time_us])
    assert len(recorder.see(2 * frame, [6])) == 6 * 2
    with pytest.raises(UsageError, match="index is -1"):
        Recorder(EventCamera(), index=-1).see(frame, [0])
    with pytest.raises(UsageError, match="frame 2 comes after the last of 2 times"):
        list(EventCamera().stream([frame[0]] * 3, [0, 1]))
    assert len(list(EventCamera().stream([frame[0]] * 3, count()))) == 3
