"""A representation of a part of the sensor, or of a coarser one."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from snnpd.datasets.events import Events, Sensor
from snnpd.datasets.representations import kernels
from snnpd.datasets.representations.form import Representation, checked, run, whole
from snnpd.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Downsample:
    """Another representation on pixels of `factor` × `factor`: counts add up, signs are those of the sum.

    A last row or column of fewer pixels counts as one: no event is lost.

    Raises:
        UsageError: events off the sensor or back in time; a factor below 1.
    """

    of: Representation
    factor: int

    def __post_init__(self) -> None:
        whole("downsampling factor", self.factor)

    def __call__(self, events: Events, sensor: Sensor) -> Any:
        """See the class."""
        events, factor = checked(events, sensor), min(self.factor, max(sensor.height, sensor.width, 1))
        coarse = np.empty_like(events)
        run(kernels.coarsen, events, factor, coarse)
        height, width = -(-sensor.height // factor), -(-sensor.width // factor)
        return self.of(coarse, replace(sensor, height=height, width=width))


@dataclass(frozen=True, kw_only=True)
class Crop:
    """Another representation of a window of the sensor, as if there were no other pixels; by default of its middle.

    Slices over the whole recording begin and end with the first and last event of the window.

    Raises:
        UsageError: events off the sensor or back in time; a window that does not lie on the sensor.
    """

    of: Representation
    height: int
    width: int
    top: int | None = None
    left: int | None = None

    def __post_init__(self) -> None:
        whole("height of the crop", self.height)
        whole("width of the crop", self.width)

    def __call__(self, events: Events, sensor: Sensor) -> Any:
        """See the class."""
        top = max(sensor.height - self.height, 0) // 2 if self.top is None else self.top
        left = max(sensor.width - self.width, 0) // 2 if self.left is None else self.left
        if min(top, left) < 0 or top + self.height > sensor.height or left + self.width > sensor.width:
            raise UsageError(
                f"a crop of {self.height} × {self.width} at row {top}, column {left} of a sensor of "
                f"{sensor.height} × {sensor.width} pixels; give one that lies on it"
            )
        events = checked(events, sensor)
        kept, num_kept = np.empty_like(events), np.empty(1, dtype=np.int64)
        run(kernels.cut_out, events, top, left, self.height, self.width, kept, num_kept)
        return self.of(kept[: num_kept[0]], replace(sensor, height=self.height, width=self.width))
