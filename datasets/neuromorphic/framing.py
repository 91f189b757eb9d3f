"""What a user chooses of how the recordings of an event camera become samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from snnpd.datasets.events import EVENT_DTYPE, Sensor
from snnpd.datasets.neuromorphic.decode import Decoder, Read
from snnpd.datasets.pipeline import Pipeline, Represent, make_cache
from snnpd.datasets.representations.table import REPRESENTATIONS, create_representation
from snnpd.datasets.representations.tokens import EventTokens
from snnpd.errors import UsageError
from snnpd.registry import resolve

Size = int | Sequence[int] | None
Options = Mapping[str, Any] | None
# Its values are the ternary spikes themselves, which a network is to see as they are.
_ALPHABET = "signed"
_COUNTS = ("frames", "signed_counts", "voxel")
TOKENS = ("tokens", "token_groups")


@dataclass(frozen=True)
class Framing:
    """The options that all sets of event cameras share.

    `time_steps` frames by `representation` and `slicing`, both by name, with more `options` of either (see
    `snnpd.datasets.representations`); or up to so many tokens with time stamps, for `tokens` and `token_groups`.
    `size` is the side of a coarser square grid, or its height and width, None the sensor's own; `cache` True,
    False or a folder.
    """

    time_steps: int
    representation: str
    slicing: str
    options: Options
    size: Size
    cache: bool | str

    def pipeline(self, sensor: Sensor, read: Read) -> Pipeline:
        """The pipeline from recordings on `sensor` to samples: log(1 + count) or surface, to be scaled; ternary spikes.

        Raises:
            UsageError: an unknown name, options that do not fit, or a grid that is no coarser one.
        """
        decode = Decoder(sensor, self._grid(sensor), read)
        return Pipeline(
            decode,
            self._represent(),
            decode.grid,
            log_counts=self.representation in _COUNTS,
            scale=self.representation not in (_ALPHABET, *TOKENS),
            cache=make_cache(self.cache),
        )

    def _represent(self) -> Represent:
        maker: Any = resolve("representation", self.representation, REPRESENTATIONS)
        known = {field.name for field in fields(maker)}
        # A voxel grid has no slices, and a set's usual slicing is none that the user asked of it.
        slicing = self.slicing if "slicing" in known else None
        length = "max_tokens" if "max_tokens" in known else "num_slices"
        options: dict[str, Any] = {"slicing": slicing, length: self.time_steps}
        return create_representation(self.representation, **options | dict(self._more()))

    def _more(self) -> Mapping[str, Any]:
        given = self.options or {}
        if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
            raise UsageError(
                f"representation_options is {given!r}; give names and values, as {{window_us: 50000}}"
            )
        return given

    def _grid(self, sensor: Sensor) -> tuple[int, int]:
        largest = (sensor.height, sensor.width)
        if self.size is None:
            return largest
        sides = list(self.size) if isinstance(self.size, Sequence) else [self.size, self.size]
        whole = all(isinstance(side, int) and not isinstance(side, bool) for side in sides)
        if (
            len(sides) != 2
            or not whole
            or not all(1 <= side <= most for side, most in zip(sides, largest, strict=True))
        ):
            raise UsageError(
                f"size is {self.size}; give one number, or height and width, from 1 to the sensor's "
                f"{sensor.height} × {sensor.width}"
            )
        return sides[0], sides[1]


def input_shape(pipeline: Pipeline, time_steps: int) -> tuple[int, ...]:
    """The shape `(P, H, W)` of a frame, or `(N, C)` of up to `time_steps` tokens."""
    made = pipeline.represent(np.zeros(1, dtype=EVENT_DTYPE), pipeline.sensor)
    if isinstance(made, EventTokens):
        return time_steps, made.features.shape[1]
    return made.shape[1:]
