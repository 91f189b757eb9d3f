"""Images on a path: what the sensor sees of them, and the events that it gives."""

import math
from typing import Any

import numpy as np
import pytest

from snnpd.datasets.events import Sensor, check_events
from snnpd.datasets.simulator.event_camera import EventCamera
from snnpd.datasets.simulator.images import events_of_image, events_of_images
from snnpd.datasets.simulator.motion import Pan, Path, Saccade, film, frame_times
from snnpd.datasets.simulator.saccade import DURATION_US, moving_images, saccade_path
from snnpd.errors import UsageError


def circle(times_us: np.ndarray) -> np.ndarray:
    return 1.5 * np.stack([np.cos(times_us / 2e4), np.sin(times_us / 2e4)], axis=1)


@pytest.mark.parametrize("zoom", [1.0, 1.7, 0.6])
def test_film_agrees_with_the_sum_of_tents(zoom: float) -> None:
    images = np.random.default_rng(0).random((3, 7, 5))
    places = np.concatenate([saccade_path(np.linspace(0, DURATION_US, 11), 2.3), [[0, 0], [40, 0], [1, -2]]])
    frames = np.stack(list(film(images, places, 12, 12, zoom)))
    np.testing.assert_allclose(frames, moving_images(images, places, 12, zoom), rtol=0, atol=1e-12)
    assert frames[0].any()
    assert not frames[-2].any()


def test_the_edge_of_the_image_may_go_on() -> None:
    image = np.array([[[1.0, 2.0], [3.0, 4.0]]])
    (frame,) = film(image, np.array([[1.0, 0.5]]), 4, 6, border="edge")
    rows = np.array([[1.0, 2.0], [1.0, 2.0], [2.0, 3.0], [3.0, 4.0]])
    assert frame[0].tolist() == rows[:, [0, 0, 0, 0, 1, 1]].tolist()


@pytest.mark.parametrize("contrast", [1.3, -0.7])
def test_pan_of_a_step_edge(contrast: float) -> None:
    """An image pixel's width passes a sensor pixel in 10 ms: floor(contrast / threshold) events, where L crosses."""
    width, theta, eps, low = 8, 0.2, 0.1, 0.9
    high = (low + eps) * math.exp(contrast) - eps
    image = np.full((3, width), low)
    image[:, : width // 2] = high
    path = Pan(velocity=(100.0, 0.0), duration_us=60_000)
    events = events_of_image(image, path, camera=EventCamera(theta, eps=eps), border="edge", step_px=0.02)
    check_events(events, Sensor(3, width), "pan")
    k = np.arange(1, math.floor(abs(contrast) / theta) + 1)
    # Between its two pixels the image is straight in intensity.
    level = (low + eps) * np.exp(np.sign(contrast) * k * theta) - eps
    within = (level - low) / (high - low) * 10_000
    # At the start the edge lies three pixels to the left of the middle, where the ramp begins at pixel 0.5 to 1.
    for y in range(3):
        for x in range(width):
            own = events[(events["x"] == x) & (events["y"] == y)]
            begin = (x - (width // 2 - 1) - 1 + 3) * 10_000
            expected = (begin + within)[(begin + within > 0) & (begin + within < 60_000)]
            np.testing.assert_allclose(own["t"], expected, rtol=0, atol=3)
            assert (own["p"] == (contrast > 0)).all()
    assert len(events) == 3 * 6 * len(k)


@pytest.mark.parametrize("camera", [EventCamera(), EventCamera(0.2, 0.02, 500, 200, 10, 5, seed=1)])
@pytest.mark.parametrize("path", [Saccade(2.0), Pan((30.0, -10.0), 200_000), circle])
def test_many_images_are_each_alone_to_the_bit(camera: EventCamera, path: Path) -> None:
    images, indices = np.random.default_rng(0).random((4, 9, 11)), [7, 0, 3, 4]
    options = {"camera": camera, "sensor": Sensor(14, 13), "zoom": 1.1, "step_px": 1.0}
    if path is circle:
        options["duration_us"] = 100_000
    together = events_of_images(images, path, indices, **options)
    for image, index, events in zip(images, indices, together, strict=True):
        assert len(events) > 300
        check_events(events, Sensor(14, 13), "image")
        assert np.array_equal(events, events_of_image(image, path, index=index, **options))
    if camera.shot_noise_hz:
        assert not np.array_equal(together[0], events_of_image(images[0], path, index=8, **options))


def test_colour_bytes_of_any_size() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, size=(3, 17, 6), dtype=np.uint8)
    events = events_of_image(pixels, Saccade(1.0), camera=EventCamera(0.1))
    assert len(events) > 500
    assert (events["x"].max(), events["y"].max()) == (5, 16)
    luma = np.tensordot([0.299, 0.587, 0.114], pixels / 255.0, axes=1)
    assert np.array_equal(events, events_of_image(luma, Saccade(1.0), camera=EventCamera(0.1)))


@pytest.mark.parametrize(("step_px", "frames"), [(0.5, 201), (1.0, 102), (1000.0, 3)])
def test_frames_are_as_fine_as_the_path_is_fast(step_px: float, frames: int) -> None:
    path = Pan((0.0, 200.0), 500_000)
    times = frame_times(path, path.duration_us, step_px)
    assert times[0] == 0
    assert times[-1] == 500_000
    assert len(times) == frames + 1
    assert np.abs(np.diff(path(times), axis=0)).max() <= step_px
    # Three sides of a triangle keep their corners.
    assert {100_000.0, 200_000.0} <= set(np.rint(frame_times(Saccade(3.0), DURATION_US, step_px)).tolist())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"image": np.ones(4)}, r"image \(4,\); expected \[H, W\], or \[3, H, W\] in colour"),
        ({"image": np.ones((4, 4, 3))}, r"image \(4, 4, 3\); expected"),
        ({"image": np.full((4, 4), np.nan)}, "not finite"),
        ({"image": [["a"]]}, "image holds <U1"),
        ({"path": circle}, "the path has no duration; give duration_us"),
        (
            {"path": np.sin, "duration_us": 5},
            r"the path gives \(4097,\) for 4097 times; expected finite \[4097, 2\]",
        ),
        ({"path": Pan((math.inf, 0.0))}, "the path gives"),
        ({"path": Pan((1e9, 0.0))}, "give a slower path or a larger step_px"),
        ({"duration_us": 0}, "duration_us is 0"),
        ({"step_px": -1.0}, "step_px is -1.0"),
        ({"zoom": 0.0}, "zoom is 0.0"),
        ({"border": "white"}, "unknown border 'white'; known: black, edge"),
        ({"sensor": Sensor(0, 5)}, "a sensor of 0 × 5 pixels"),
        ({"sensor": Sensor(5, 40000)}, "each side must be 1 to 32768"),
        ({"index": -1}, "index is -1"),
    ],
)
def test_what_cannot_be_filmed(changed: dict[str, Any], message: str) -> None:
    with (
        np.errstate(invalid="ignore"),
        pytest.raises(UsageError, match=message) as caught,
    ):
        events_of_image(**{"image": np.ones((4, 4)), "path": Saccade(1.0), **changed})
    assert "\n" not in str(caught.value)
