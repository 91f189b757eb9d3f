"""Sensors that are shown frames of intensity, and what comes out of them as events."""

import numpy as np
from jaxtyping import Float

from snnpd.datasets.events import EVENT_DTYPE, Events
from snnpd.datasets.simulator.intensity import log_levels
from snnpd.datasets.simulator.noise import ShotNoise
from snnpd.datasets.simulator.pixels import Circuit, Fired, PixelArray

# Numpy sorts 16-bit numbers by radix, in a fraction of the time.
_SHORT = 2**16 - 2


class SensorArray:
    """Sensors of one camera side by side, each in a recording of its own: what one sees is nothing to the others.

    Frames are `[B, H, W]`; pixels are numbered through. `eps` is None where frames are logarithms already, `noise` is
    None where there is none, `phase` as for `PixelArray`.
    """

    def __init__(
        self,
        circuit: Circuit,
        *,
        eps: float | None,
        dark_cutoff: float = 1.0,
        resolution_us: int = 1,
        noise: ShotNoise | None = None,
        phase: Float[np.ndarray, "P"] | None = None,
    ):
        self.circuit = circuit
        self.eps = eps
        self.dark_cutoff = dark_cutoff
        self.resolution_us = resolution_us
        self.noise = noise
        self.phase = phase
        self.pixels: PixelArray | None = None

    def show(self, frames: Float[np.ndarray, "B H W"], time_us: float) -> Fired:
        """The events since the last frame, times rounded and ascending."""
        frames = frames.ravel()
        levels = log_levels(frames, self.eps)
        noise = self.noise.until(time_us) if self.noise else None
        if self.pixels is None:
            self.pixels = PixelArray(levels, time_us, self.circuit, self.phase)
            return Fired(np.empty(0, dtype=np.int64), np.empty(0), np.empty(0, dtype=bool))
        start_us = self.pixels.time_us
        pixel, times, brighter = self.pixels.show(levels, time_us, noise, self._bandwidth(frames))
        ticks = np.rint(times / self.resolution_us)
        since = ticks - np.rint(start_us / self.resolution_us)
        short = (time_us - start_us) / self.resolution_us < _SHORT
        order = np.argsort(since.astype(np.uint16) if short else since, kind="stable")
        return Fired(pixel[order], ticks[order] * self.resolution_us, brighter[order])

    def _bandwidth(self, frames: Float[np.ndarray, "P"]) -> Float[np.ndarray, "P"] | float:
        """The share of the cut-off frequency that each pixel has at its intensity."""
        if self.dark_cutoff == 1.0 or self.circuit.cutoff_hz is None:
            return 1.0
        intensity = np.maximum(np.exp(frames) if self.eps is None else frames, 0.0)
        return self.dark_cutoff + (1.0 - self.dark_cutoff) * intensity


def join(parts: list[Fired]) -> Fired:
    """The events of one portion after the other."""
    return Fired(*map(np.concatenate, zip(*parts, strict=True)))


def to_events(fired: Fired, width: int) -> Events:
    """The events of one sensor."""
    events = np.empty(len(fired.pixel), dtype=EVENT_DTYPE)
    events["y"], events["x"] = np.divmod(fired.pixel, width)
    events["t"], events["p"] = fired.time_us, fired.brighter
    return events


def split_sensors(parts: list[Fired], num_sensors: int, height: int, width: int) -> list[Events]:
    """The events of each of several sensors, from those of all in the order of time."""
    fired = join(parts)
    sensor, pixel = np.divmod(fired.pixel, height * width)
    order = np.argsort(sensor.astype(np.uint16) if num_sensors <= _SHORT else sensor, kind="stable")
    events = to_events(Fired(pixel[order], fired.time_us[order], fired.brighter[order]), width)
    return np.split(events, np.cumsum(np.bincount(sensor, minlength=num_sensors))[:-1])
