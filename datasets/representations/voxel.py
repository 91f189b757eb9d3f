"""The voxel grid: events shared between the two nearest of several moments."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from snnpd.datasets.events import Events, Sensor
from snnpd.datasets.representations import kernels
from snnpd.datasets.representations.form import checked, max_slices, run, signs
from snnpd.datasets.representations.slicing import check_room, check_spread, span_of


@dataclass(frozen=True, kw_only=True)
class VoxelGrid:
    """Net events around each of `num_slices` moments, spread evenly over [start_us, stop_us], ends included.

    Equation: V[k, y, x] = Σ_n p_n max(0, 1 − |k − t*_n|), t*_n = (num_slices − 1) (t_n − start) / (stop − start).

    The span is by default from the first event to the last; events outside are left out. The sum over k is the net
    count. Where all events share one moment, or with one slice, they count fully in the first.

    Source: Zhu et al., "Unsupervised Event-based Learning of Optical Flow, Depth, and Egomotion", CVPR 2019, eqs.
    1-3; B is our num_slices. tonic's ToVoxelGrid of B bins spreads times over B + 1 moments and drops the last of
    them: it is our first B of B + 1.

    Raises:
        UsageError: events off the sensor or back in time, more than two polarities, more cells than `form.MAX_CELLS`.
    """

    num_slices: int
    start_us: int | None = None
    stop_us: int | None = None

    def __post_init__(self) -> None:
        check_spread(self.num_slices, self.start_us, self.stop_us)

    def __call__(self, events: Events, sensor: Sensor) -> Float32[np.ndarray, "T 1 H W"]:
        """See the class."""
        events, weights = checked(events, sensor), signs(sensor)
        start, stop = span_of(events["t"], self.start_us, self.stop_us)
        check_room(self.num_slices, max_slices(1, sensor))
        first = np.searchsorted(events["t"], start)
        end = np.searchsorted(events["t"], stop, side="right")
        total = np.zeros((self.num_slices, sensor.height, sensor.width))
        run(kernels.add_between, events[first:end], start, max(stop - start, 1), weights, total)
        return total[:, None].astype(np.float32)
