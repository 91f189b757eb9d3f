"""Rotation and shear of events about the middle of the sensor; what they give lies on it, sorted by time."""

import math
from dataclasses import dataclass

import numpy as np

from snnpd.datasets.augmentation.checks import check_below
from snnpd.datasets.augmentation.events import Kept
from snnpd.datasets.events import Events, Sensor


@dataclass(frozen=True)
class EventRotate:
    """Turns a recording by up to `degrees` each way, to the nearest pixels; what leaves the sensor is dropped.

    Where nothing would be left, all stay as they are.
    """

    degrees: float = 30.0

    def __post_init__(self) -> None:
        check_below(self, "degrees", float("inf"))

    def __call__(self, events: Events, sensor: Sensor, rng: np.random.Generator) -> Kept:
        """The turned recording; counter-clockwise where the drawn angle is positive."""
        angle = math.radians(rng.uniform(-self.degrees, self.degrees))
        cos, sin = math.cos(angle), math.sin(angle)
        return _moved(events, sensor, (cos, sin), (-sin, cos))


@dataclass(frozen=True)
class EventShear:
    """Slants a recording along the rows by up to `degrees` each way; what leaves the sensor is dropped.

    Where nothing would be left, all stay as they are.
    """

    degrees: float = 30.0

    def __post_init__(self) -> None:
        check_below(self, "degrees", 90)

    def __call__(self, events: Events, sensor: Sensor, rng: np.random.Generator) -> Kept:
        """The slanted recording; rows below the centre go to the left where the drawn angle is positive."""
        slope = math.tan(math.radians(rng.uniform(-self.degrees, self.degrees)))
        return _moved(events, sensor, (1.0, -slope), (0.0, 1.0))


def _moved(events: Events, sensor: Sensor, to_x: tuple[float, float], to_y: tuple[float, float]) -> Kept:
    """The linear map about the middle whose rows make the new x and y from the old x and y."""
    middle_x, middle_y = (sensor.width - 1) / 2, (sensor.height - 1) / 2
    from_left, from_top = events["x"] - middle_x, events["y"] - middle_y
    x = np.rint(to_x[0] * from_left + to_x[1] * from_top + middle_x)
    y = np.rint(to_y[0] * from_left + to_y[1] * from_top + middle_y)
    kept = (x >= 0) & (x < sensor.width) & (y >= 0) & (y < sensor.height)
    if not kept.any():
        return events
    moved = events[kept]
    moved["x"], moved["y"] = x[kept], y[kept]
    return moved
