"""From clips to samples: decoded, represented, cached."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from snnpd.datasets import representations
from snnpd.datasets.cache.arrays import ArrayCache
from snnpd.datasets.cache.samples import CachedSamples
from snnpd.datasets.cache.sources import SourceItem
from snnpd.datasets.clips import Clip
from snnpd.datasets.events import Events, Sensor

# Their `repr` says everything, besides the files, that the result depends on: the cache knows it by that.
Decode = Callable[[Clip], Events]
Represent = Callable[[Events, Sensor], np.ndarray]


@dataclass(frozen=True)
class Pipeline:
    """How clips become samples: events on `sensor`, then a representation of them.

    With `log_counts`, a value v becomes sign(v) · log(1 + |v|); with `scale`, samples are divided by the train
    part's standard deviation later. `cache` is None where nothing is to be stored.
    """

    decode: Decode
    represent: Represent
    sensor: Sensor
    log_counts: bool = True
    scale: bool = True
    cache: ArrayCache | None = None


class Recordings:
    """The clips of a data set, each with its events and its sample at hand; pickles to workers.

    The cache holds the events if `keep_events` (for those who change them each epoch), else what comes of them.

    Raises:
        UsageError: a damaged recording, when it is decoded: here for those that the cache lacks, else later.
    """

    def __init__(self, name: str, clips: Sequence[Clip], pipeline: Pipeline, *, keep_events: bool = False):
        self.clips = tuple(clips)
        self.pipeline = pipeline
        self.keep_events = keep_events
        self._cached = self._open(name, pipeline.cache) if pipeline.cache is not None else None

    def events(self, number: int) -> Events:
        """The events of a clip."""
        if self._cached is not None and self.keep_events:
            return self._cached[number]["events"]
        return self.pipeline.decode(self.clips[number])

    def sample(self, number: int) -> Tensor:
        """A clip's sample, float32, before augmentation and standardisation."""
        if self._cached is not None and not self.keep_events:
            return self._tensor(self._cached[number]["x"])
        return self.represent(self.events(number))

    def represent(self, events: Events) -> Tensor:
        """What a sample is with these events."""
        return self._tensor(self._array(events))

    def _array(self, events: Events) -> np.ndarray:
        array = self.pipeline.represent(events, self.pipeline.sensor)
        # Half the room; no pixel has more events than that in a frame, unless it is broken.
        return np.clip(array, -32768, 32767).astype(np.int16) if array.dtype == np.int32 else array

    def _tensor(self, array: np.ndarray) -> Tensor:
        # A copy: what the cache gives is read-only. In numpy: torch would wake all its threads for one sample.
        x = np.array(array, dtype=np.float32)
        return torch.from_numpy(np.copysign(np.log1p(np.abs(x)), x) if self.pipeline.log_counts else x)

    def _open(self, name: str, cache: ArrayCache) -> CachedSamples:
        decode, represent = self.pipeline.decode, self.pipeline.represent
        steps = (decode,) if self.keep_events else (decode, represent)
        samples = cache.open(
            f"{name}-events" if self.keep_events else name,
            [SourceItem(clip.path, clip.item) for clip in self.clips],
            " ".join(repr(step) for step in (*steps, self.pipeline.sensor)),
            # What holds another representation does not import its module.
            [representations, *(sys.modules[type(step).__module__] for step in steps)],
            self._build,
        )
        samples.prepare()
        return samples

    def _build(self, number: int) -> dict[str, np.ndarray]:
        events = self.pipeline.decode(self.clips[number])
        return {"events": events} if self.keep_events else {"x": self._array(events)}


def make_cache(choice: bool | str) -> ArrayCache | None:
    """The cache in the folder `choice`; True stands for the usual folder, False for no cache."""
    if isinstance(choice, bool):
        return ArrayCache() if choice else None
    return ArrayCache(Path(choice).expanduser())
