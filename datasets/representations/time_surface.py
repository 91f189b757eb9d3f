"""The time surface: how recently each pixel has fired."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from snnpd.datasets.events import Events, Sensor
from snnpd.datasets.representations import kernels
from snnpd.datasets.representations.form import checked, max_slices, run
from snnpd.datasets.representations.slicing import Slicing
from snnpd.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class TimeSurface:
    """At the end of each slice, e^(−age / tau_us) of the last event of each polarity and pixel; 0 before the first.

    The age counts from the last event in this slice or an earlier one to the slice's end, so all values lie in
    [0, 1]. Events outside of all slices are not seen.

    Source: Lagorce et al., "HOTS: A Hierarchy of Event-Based Time-Surfaces for Pattern Recognition", TPAMI 2017; ours
    spans the sensor, not an event's neighbourhood. Of slices by duration, tonic's ToTimesurface.

    Raises:
        UsageError: events off the sensor or back in time, more cells than `form.MAX_CELLS`, no positive tau_us.
    """

    slicing: Slicing
    tau_us: float

    def __post_init__(self) -> None:
        if not 0 < self.tau_us < np.inf:
            raise UsageError(f"tau_us is {self.tau_us}; give a positive number of microseconds")

    def __call__(self, events: Events, sensor: Sensor) -> Float32[np.ndarray, "T P H W"]:
        """See the class."""
        events = checked(events, sensor)
        shape = sensor.num_polarities, sensor.height, sensor.width
        borders, stops_us = self.slicing(events["t"], max_slices(shape[0], sensor))
        exponents, last = np.empty((len(stops_us), *shape), dtype=np.float32), np.empty(shape, dtype=np.int64)
        run(kernels.exponents_since_last, events, borders, stops_us, float(self.tau_us), last, exponents)
        return np.exp(exponents, out=exponents)
