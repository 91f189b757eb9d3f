"""A still image in front of an eye that makes N-MNIST's three saccades."""

import numpy as np
from jaxtyping import Float

SACCADE_US = 100_000
NUM_SACCADES = 3
DURATION_US = NUM_SACCADES * SACCADE_US

# (right, down) in units of the amplitude: down to the middle, up to the right, back along the base.
_CORNERS = np.array([(-1.0, -1.0), (0.0, 1.0), (1.0, -1.0), (-1.0, -1.0)])


def saccade_path(times_us: Float[np.ndarray, "F"], amplitude: float) -> Float[np.ndarray, "F 2"]:
    """Where the image lies at each time, `[F, 2]` as (right, down): a triangle, one side a saccade.

    Source: Orchard et al., Converting static image datasets to spiking neuromorphic datasets using saccades,
    2015:
        three saccades of 100 ms along an isosceles triangle. From memory of the paper; constant speed is
        ours.
    Units:
        amplitude in pixels: the path spans twice it each way.
    """
    corners_us = np.arange(NUM_SACCADES + 1) * SACCADE_US
    return amplitude * np.stack([np.interp(times_us, corners_us, corner) for corner in _CORNERS.T], axis=1)


def moving_images(
    images: Float[np.ndarray, "B h w"], path: Float[np.ndarray, "F 2"], sensor: int, zoom: float
) -> Float[np.ndarray, "F B S S"]:
    """Films of images that move along `path` over a square sensor, at sub-pixel steps.

    The image is continuous (linear between its pixels, zero around), `zoom` sensor pixels to each of its
    pixels, and centred where the path is (0, 0).
    """
    columns = _tents(path[:, 0], images.shape[2], sensor, zoom)
    rows = _tents(path[:, 1], images.shape[1], sensor, zoom)
    return rows[:, None] @ images @ columns[:, None].swapaxes(-1, -2)


def _tents(shift: Float[np.ndarray, "F"], size: int, sensor: int, zoom: float) -> Float[np.ndarray, "F S h"]:
    """Weights of linear interpolation along one axis."""
    place = (np.arange(sensor) - (sensor - 1) / 2 - shift[:, None]) / zoom + (size - 1) / 2
    return np.maximum(0.0, 1.0 - np.abs(place[:, :, None] - np.arange(size)))
