"""From a clip to its events on the grid that a network sees."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from snnpd.datasets.clips import Clip
from snnpd.datasets.events import Events, Recording, Sensor
from snnpd.datasets.neuromorphic.origin import file_stamp
from snnpd.datasets.readers.any import read_events
from snnpd.errors import UsageError

# A few stray events at addresses that the sensor does not have are left out; more say that it is another sensor.
STRAY_SHARE = 0.01


# Fewer than came in.
SomeEvents = Shaped[np.ndarray, "_"]
# Reads one file; its `repr` is part of the cache's key.
Read = Callable[[Path], Recording]


@dataclass(frozen=True)
class AnyFormat:
    """Any format that cameras write, by suffix and content; `columns` and `unit` as `read_events` takes them.

    `transposed` exchanges x and y, for a camera that lay on its side; `flipped` counts y from the other edge of
    so many rows.
    """

    columns: str | None = None
    unit: str | None = None
    transposed: bool = False
    flipped: int | None = None

    def __call__(self, path: Path) -> Recording:
        """The recording in `path`."""
        events, sensor = read_events(path, columns=self.columns, unit=self.unit)
        if not self.transposed and self.flipped is None:
            return Recording(events, sensor)
        turned = events.copy()
        if self.flipped is not None:
            turned["y"] = self.flipped - 1 - events["y"]
        if self.transposed:
            turned["x"], turned["y"] = turned["y"].copy(), turned["x"].copy()
            sensor = None if sensor is None else Sensor(sensor.width, sensor.height, sensor.num_polarities)
        return Recording(turned, sensor)


@dataclass(frozen=True)
class Decoder:
    """The events of a clip on a sensor of `size` (height, width): read, cut, checked, moved to the coarser grid.

    Stray events outside of the recorded `sensor` are left out, up to `STRAY_SHARE` of a recording. On a
    coarser grid an event goes to the pixel where it lies: none is lost.
    """

    sensor: Sensor
    size: tuple[int, int]
    read: Read = AnyFormat()

    def __call__(self, clip: Clip) -> Events:
        """The events, times from the clip's first one on.

        Raises:
            UsageError: a damaged recording, another sensor, no event.
        """
        events = _read_cached(self.read, clip.path, file_stamp(clip.path), self.sensor)
        if clip.cut is not None:
            events = self._cut(events, clip)
        if not len(events):
            raise UsageError(f"{clip.path}: holds no event; fetch the file again, or remove it")
        return self._on_grid(events)

    @property
    def grid(self) -> Sensor:
        """The sensor that the events are on."""
        return Sensor(*self.size, self.sensor.num_polarities)

    def _cut(self, events: Events, clip: Clip) -> SomeEvents:
        start, stop = clip.cut or (0, 0)
        first, last = np.searchsorted(events["t"], [start, stop])
        if first == last:
            span = f"{events['t'][0]} to {events['t'][-1]} µs" if len(events) else "no time at all"
            raise UsageError(
                f"{clip.path}: no event from {start} to {stop} µs, where its labels have class {clip.label + 1}; "
                f"the recording spans {span}: take labels and recording from one archive"
            )
        return events[first:last]

    def _on_grid(self, events: Events) -> Events:
        moved = events.copy()
        moved["t"] -= events["t"][0]
        height, width = self.size
        if self.size != (self.sensor.height, self.sensor.width):
            moved["x"] = events["x"].astype(np.int64) * width // self.sensor.width
            moved["y"] = events["y"].astype(np.int64) * height // self.sensor.height
        return moved


# The cuts of one recording follow each other: it is read once for all of them.
@lru_cache(maxsize=1)
def _read_cached(read: Read, path: Path, stamp: tuple[int, int], sensor: Sensor) -> Events:
    recording = read(path)
    found = recording.sensor
    if found is not None and (found.height, found.width) != (sensor.height, sensor.width):
        raise UsageError(
            f"{path}: recorded on {found.height} × {found.width} pixels, the set on {sensor.height} × "
            f"{sensor.width}; the file belongs to another set"
        )
    events = without_strays(recording.events, sensor, path)
    events.flags.writeable = False
    return events


def without_strays(events: Events, sensor: Sensor, path: Path) -> SomeEvents:
    """The events on the sensor.

    Raises:
        UsageError: more than `STRAY_SHARE` of them lie outside.
    """
    x, y = events["x"], events["y"]
    inside = (x >= 0) & (x < sensor.width) & (y >= 0) & (y < sensor.height)
    num_outside = len(events) - int(inside.sum())
    if num_outside > STRAY_SHARE * len(events):
        first = events[int(np.argmin(inside))]
        raise UsageError(
            f"{path}: {num_outside} of {len(events)} events lie outside of the sensor of {sensor.height} × "
            f"{sensor.width} pixels, the first at x {first['x']}, y {first['y']}; the file belongs to another set, "
            f"or fetch it again"
        )
    return events[inside] if num_outside else events
