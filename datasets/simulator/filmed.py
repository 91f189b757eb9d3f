"""The images of a data set, each filmed by a simulated event camera when its events are asked for."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from snnpd.datasets.clips import Clip
from snnpd.datasets.events import Events, Sensor
from snnpd.datasets.progress import track_slow
from snnpd.datasets.simulator.event_camera import EventCamera
from snnpd.datasets.simulator.images import events_of_images
from snnpd.datasets.simulator.intensity import grey
from snnpd.datasets.simulator.motion import Path

# The part of the sensor that the image at rest fills; the path uses the margin.
FILLED = 0.8
# Pixels of all sensors that are simulated at once: enough to keep numpy busy, few enough for the processor's cache.
_PIXELS_AT_ONCE = 60_000


@dataclass(frozen=True, eq=False)
class Stills:
    """Some images of a part of a data set, by their `numbers` in it; image i of the part is recording `first + i`."""

    part: Any
    numbers: NDArray[np.int64]
    first: int = 0

    def __len__(self) -> int:
        return len(self.numbers)

    def grey(self, places: Iterable[int]) -> Float[np.ndarray, "B h w"]:
        """The images at some places of `numbers`, from 0 to 1."""
        samples = (self.part[int(self.numbers[place])][0] for place in places)
        return np.stack([grey(self.part.standard.undo(x).clamp(0.0, 1.0).numpy()) for x in samples])

    def clips(self) -> list[Clip]:
        """A clip for each image.

        A cache asks for the file that a clip lies in; these lie nowhere, their content is in a digest.
        """
        labels = np.asarray(self.part.labels)[self.numbers].tolist()
        return [Clip(FilePath(__file__), label, entry=self.first + i) for i, label in enumerate(labels)]


@dataclass(frozen=True, eq=False)
class Filmed:
    """The events of the clips of some images.

    Asked for one image after the other it films many at once, which takes a fifth of the time and changes nothing.
    `digest` stands for the images where a cache asks what the events depend on.
    """

    train: Stills = field(repr=False)
    test: Stills = field(repr=False)
    camera: EventCamera
    path: Path
    border: str
    sensor: Sensor
    digest: str = ""
    _next: dict[int, Events] = field(default_factory=dict, init=False, repr=False)
    _last: list[int] = field(default_factory=list, init=False, repr=False)

    def __call__(self, clip: Clip) -> Events:
        """The events of an image, from 0 to `path.duration_us`."""
        assert clip.entry is not None
        entry, follows = clip.entry, self._last == [clip.entry - 1]
        if entry not in self._next:
            stills = self.test if entry >= self.test.first else self.train
            num = max(1, _PIXELS_AT_ONCE // (self.sensor.height * self.sensor.width)) if follows else 1
            place = entry - stills.first
            events = self._film(stills, range(place, min(place + num, len(stills))))
            self._next.clear()
            self._next.update(enumerate(events, entry))
        self._last[:] = [entry]
        return self._next.pop(entry)

    def _film(self, stills: Stills, places: range) -> list[Events]:
        images = stills.grey(places)
        zoom = FILLED * min(self.sensor.height, self.sensor.width) / max(images.shape[1:])
        indices = [stills.first + int(stills.numbers[place]) for place in places]
        return events_of_images(
            images, self.path, indices, camera=self.camera, sensor=self.sensor, zoom=zoom, border=self.border
        )


def digest_images(parts: Sequence[Stills], what: str) -> str:
    """A digest of all images of some parts, with their numbers."""
    digest = hashlib.blake2b(digest_size=20)
    for stills in parts:
        digest.update(stills.numbers.tobytes())
        for place in track_slow(range(len(stills)), what):
            digest.update(stills.grey([place]).tobytes())
    return digest.hexdigest()
