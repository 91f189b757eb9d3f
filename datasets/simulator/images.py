"""Images to events: each moves along a path before a simulated event camera."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from snnpd.datasets.events import Events, Sensor
from snnpd.datasets.simulator.event_camera import EventCamera
from snnpd.datasets.simulator.intensity import MAX_SIDE, as_numbers, check_image, grey
from snnpd.datasets.simulator.motion import BORDERS, Path, film, frame_times, places_at
from snnpd.datasets.simulator.sensors import split_sensors
from snnpd.errors import UsageError, unknown

IDEAL = EventCamera()


def events_of_image(
    image: ArrayLike,
    path: Path,
    *,
    camera: EventCamera = IDEAL,
    sensor: Sensor | None = None,
    duration_us: float | None = None,
    zoom: float = 1.0,
    border: str = "black",
    step_px: float = 0.5,
    index: int = 0,
) -> Events:
    """The events of a still image that moves along a path before a camera, sorted by time.

    `path` gives (right, down) in pixels of the sensor for times from 0 to `duration_us` (`path.duration_us` by
    default): `Saccade`, `Pan` or any function. `sensor` is by default as large as the image, `zoom` sensor pixels show
    one of its pixels (below 1 it is not smoothed), and frames are so many that it moves by `step_px` at most in
    between. `index` is the number of the recording, of which the camera's noise depends.

    Shapes:
        image: `[H, W]`, intensity from 0 upwards, or `[3, H, W]` in colour; unsigned bytes are parts of 255.

    Raises:
        UsageError: an image, path or option that cannot be.
    """
    pixels = as_numbers(image, "image")
    check_image(pixels, "image")
    return events_of_images(
        grey(pixels)[None],
        path,
        [index],
        camera=camera,
        sensor=sensor,
        duration_us=duration_us,
        zoom=zoom,
        border=border,
        step_px=step_px,
    )[0]


def events_of_images(
    images: Float[np.ndarray, "B h w"],
    path: Path,
    indices: Sequence[int],
    *,
    camera: EventCamera = IDEAL,
    sensor: Sensor | None = None,
    duration_us: float | None = None,
    zoom: float = 1.0,
    border: str = "black",
    step_px: float = 0.5,
) -> list[Events]:
    """The events of each of several grey images: `events_of_image` of each with its index, to the bit, in less time."""
    height, width = images.shape[1:] if sensor is None else (sensor.height, sensor.width)
    _check_view(height, width, zoom, border)
    duration_us = getattr(path, "duration_us", None) if duration_us is None else duration_us
    if duration_us is None:
        raise UsageError("the path has no duration; give duration_us")
    times = frame_times(path, duration_us, step_px)
    sensors = camera.sensors(height, width, indices)
    frames = film(images, places_at(path, times), height, width, zoom, border)
    parts = [sensors.show(frame, float(time)) for frame, time in zip(frames, times, strict=True)]
    return split_sensors(parts, len(images), height, width)


def _check_view(height: int, width: int, zoom: float, border: str) -> None:
    if not (zoom > 0 and math.isfinite(zoom)):
        raise UsageError(f"zoom is {zoom}; give the sensor pixels to an image pixel, above 0")
    if border not in BORDERS:
        raise unknown("border", border, BORDERS)
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise UsageError(f"a sensor of {height} × {width} pixels; each side must be 1 to {MAX_SIDE}")
