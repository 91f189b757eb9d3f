"""A still image that moves before a sensor: paths, and the film that it makes."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from snnpd.datasets.simulator.saccade import DURATION_US, saccade_path
from snnpd.errors import UsageError

# Where the image lies at some times, `[F, 2]` as (right, down) in pixels of the sensor; (0, 0) is centred.
Path = Callable[[np.ndarray], np.ndarray]
BORDERS = ("black", "edge")

_LOOKS = 4097
_MAX_FRAMES = 1_000_000


@dataclass(frozen=True)
class Saccade:
    """N-MNIST's three saccades along a triangle, `saccade_path`; `amplitude` in pixels."""

    amplitude: float

    duration_us = DURATION_US

    def __call__(self, times_us: Float[np.ndarray, "F"]) -> Float[np.ndarray, "F 2"]:
        """Where the image lies."""
        return saccade_path(times_us, self.amplitude)


@dataclass(frozen=True)
class Pan:
    """A straight way at constant speed, through the centre at half time.

    Units:
        velocity as (right, down) in pixels a second.
    """

    velocity: tuple[float, float]
    duration_us: int = DURATION_US

    def __call__(self, times_us: Float[np.ndarray, "F"]) -> Float[np.ndarray, "F 2"]:
        """Where the image lies."""
        return (np.asarray(times_us)[:, None] - self.duration_us / 2) * 1e-6 * np.array(self.velocity)


def frame_times(path: Path, duration_us: float, step_px: float) -> Float[np.ndarray, "F"]:
    """Equally spaced times from 0 to `duration_us`, so that the image moves by up to `step_px` from one to the next.

    The speed is that of the path seen at 4,097 times.

    Raises:
        UsageError: a duration or step that is not above 0, a path that is none, or over a million frames.
    """
    for name, value in (("duration_us", duration_us), ("step_px", step_px)):
        if not (value > 0 and math.isfinite(value)):
            raise UsageError(f"{name} is {value}; give a number above 0")
    places = places_at(path, np.linspace(0.0, duration_us, _LOOKS))
    fastest = np.linalg.norm(np.diff(places, axis=0), axis=1).max() * (_LOOKS - 1)
    # A path of three sides keeps its corners; rounding must not add a frame to a step that just fits.
    count = 3 * max(1, math.ceil(fastest / step_px / 3 - 1e-9))
    if count > _MAX_FRAMES:
        raise UsageError(f"{count} frames for steps of {step_px} px; give a slower path or a larger step_px")
    return np.linspace(0.0, duration_us, count + 1)


def places_at(path: Path, times_us: Float[np.ndarray, "F"]) -> Float[np.ndarray, "F 2"]:
    """The places of a path.

    Raises:
        UsageError: it gives something else than `[F, 2]` finite numbers.
    """
    places = np.asarray(path(times_us), dtype=np.float64)
    if places.shape != (len(times_us), 2) or not np.isfinite(places).all():
        raise UsageError(
            f"the path gives {places.shape} for {len(times_us)} times; expected finite [{len(times_us)}, 2], "
            f"(right, down) in pixels"
        )
    return places


def film(
    images: Float[np.ndarray, "B h w"],
    places: Float[np.ndarray, "F 2"],
    height: int,
    width: int,
    zoom: float = 1.0,
    border: str = "black",
) -> Iterator[Float[np.ndarray, "B H W"]]:
    """What sensors of `height` × `width` pixels see of images at each place, frame by frame.

    The image is continuous (linear between its pixels), `zoom` sensor pixels to each of its pixels; around it all is
    black, or its edge goes on.
    """
    for right, down in places:
        left, x = _taps(right, images.shape[2], width, zoom, border)
        top, y = _taps(down, images.shape[1], height, zoom, border)
        rows = images[:, top[0]] * y[0][:, None] + images[:, top[1]] * y[1][:, None]
        yield rows[:, :, left[0]] * x[0] + rows[:, :, left[1]] * x[1]


def _taps(
    shift: float, size: int, sensor: int, zoom: float, border: str
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """For each sensor pixel along one axis, the two image pixels that it looks between, and their weights."""
    place = (np.arange(sensor) - (sensor - 1) / 2 - shift) / zoom + (size - 1) / 2
    if border == "edge":
        place = np.clip(place, 0.0, size - 1.0)
    first = np.floor(place)
    part = place - first
    pairs = [(first, 1.0 - part), (first + 1.0, part)]
    (near, near_weight), (far, far_weight) = (
        (np.clip(at, 0, size - 1).astype(np.intp), np.where((at >= 0) & (at < size), weight, 0.0))
        for at, weight in pairs
    )
    return (near, far), (near_weight, far_weight)
