"""What a user chooses of how the recordings of an event camera become samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from snnpd.datasets.events import EVENT_DTYPE, Sensor
from snnpd.datasets.neuromorphic.decode import Decoder, Read
from snnpd.datasets.pipeline import Pipeline, Represent, make_cache
from snnpd.datasets.representations.table import REPRESENTATIONS, create_representation
from snnpd.errors import UsageError
from snnpd.registry import resolve

Size = int | Sequence[int] | None
Options = Mapping[str, Any] | None
# Its values are the ternary spikes themselves, which a network is to see as they are.
_ALPHABET = "signed"


@dataclass(frozen=True)
class Framing:
    """The options that all sets of event cameras share.

    `time_steps` frames by `representation` and `slicing`, both by name, with more `options` of either (see
    `snnpd.datasets.representations`); `size` is the side of a coarser square grid, or its height and width,
    None the sensor's own; `cache` True, False or a folder.
    """

    time_steps: int
    representation: str
    slicing: str
    options: Options
    size: Size
    cache: bool | str

    def pipeline(self, sensor: Sensor, read: Read) -> Pipeline:
        """The pipeline from recordings on `sensor` to samples: log(1 + count) to be scaled, or ternary spikes.

        Raises:
            UsageError: an unknown name, options that do not fit, or a grid that is no coarser one.
        """
        decode = Decoder(sensor, self._grid(sensor), read)
        raw = self.representation == _ALPHABET
        return Pipeline(
            decode,
            self._represent(),
            decode.grid,
            log_counts=not raw,
            scale=not raw,
            cache=make_cache(self.cache),
        )

    def _represent(self) -> Represent:
        maker: Any = resolve("representation", self.representation, REPRESENTATIONS)
        known = {field.name for field in fields(maker)}
        if not known & {"slicing", "num_slices"}:
            frames = ", ".join(name for name in REPRESENTATIONS if "token" not in name)
            raise UsageError(f"representation {self.representation!r} gives no frames; take one of {frames}")
        # A voxel grid has no slices, and a set's usual slicing is none that the user asked of it.
        slicing = self.slicing if "slicing" in known else None
        options: dict[str, Any] = {"slicing": slicing, "num_slices": self.time_steps}
        return create_representation(self.representation, **options | dict(self.options or {}))

    def _grid(self, sensor: Sensor) -> tuple[int, int]:
        largest = (sensor.height, sensor.width)
        if self.size is None:
            return largest
        sides = [self.size, self.size] if isinstance(self.size, int) else list(self.size)
        if len(sides) != 2 or not all(1 <= side <= most for side, most in zip(sides, largest, strict=False)):
            raise UsageError(
                f"size is {self.size}; give one number, or height and width, from 1 to the sensor's "
                f"{sensor.height} × {sensor.width}"
            )
        return sides[0], sides[1]


def frame_shape(pipeline: Pipeline) -> tuple[int, ...]:
    """The shape `(P, H, W)` of a frame."""
    return np.shape(pipeline.represent(np.zeros(1, dtype=EVENT_DTYPE), pipeline.sensor))[1:]
