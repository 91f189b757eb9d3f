"""From clips to samples: decoded, represented, cached."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from snnpd.datasets import representations
from snnpd.datasets.cache.arrays import ArrayCache
from snnpd.datasets.cache.samples import CachedSamples
from snnpd.datasets.cache.sources import SourceItem
from snnpd.datasets.clips import Clip
from snnpd.datasets.events import Events, Sensor
from snnpd.datasets.representations.tokens import EventTokens
from snnpd.datasets.roots import folder_of

# Their `repr` says everything, besides the files, that the result depends on: the cache knows it by that.
Decode = Callable[[Clip], Events]
Represent = Callable[[Events, Sensor], np.ndarray | EventTokens]


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


class Made(NamedTuple):
    """A sample, float32, and the time stamps of its tokens in seconds, where each sample has its own."""

    x: Tensor
    times: Tensor | None


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

    def sample(self, number: int) -> Made:
        """A clip's sample before augmentation and standardisation."""
        if self._cached is not None and not self.keep_events:
            return self._made(self._cached[number])
        return self.represent(self.events(number))

    def represent(self, events: Events) -> Made:
        """What a sample is with these events."""
        return self._made(self._arrays(events))

    def _arrays(self, events: Events) -> dict[str, np.ndarray]:
        made = self.pipeline.represent(events, self.pipeline.sensor)
        if isinstance(made, EventTokens):
            return {"x": made.features, "times": made.times_ms / 1000}
        # Half the room; no pixel has more events than that in a frame, unless it is broken.
        return {"x": np.clip(made, -32768, 32767).astype(np.int16) if made.dtype == np.int32 else made}

    def _made(self, arrays: Mapping[str, np.ndarray]) -> Made:
        times = torch.from_numpy(np.array(arrays["times"])) if "times" in arrays else None
        return Made(self._tensor(arrays["x"]), times)

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
            [representations, sys.modules[__name__], *(sys.modules[type(step).__module__] for step in steps)],
            self._build,
        )
        samples.prepare()
        return samples

    def _build(self, number: int) -> dict[str, np.ndarray]:
        events = self.pipeline.decode(self.clips[number])
        return {"events": events} if self.keep_events else self._arrays(events)


def make_cache(choice: bool | str) -> ArrayCache | None:
    """The cache in the folder `choice`; True stands for the usual folder, False for no cache."""
    if isinstance(choice, bool):
        return ArrayCache() if choice else None
    return ArrayCache(folder_of(choice))
