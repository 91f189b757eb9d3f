"""The pixels of an event camera: what they remember from one frame to the next, and when they fire in between."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

Pixels = Int[np.ndarray, "E"]


class Fired(NamedTuple):
    """Events as columns: number of the pixel, time in microseconds, whether it became brighter."""

    pixel: Pixels
    time_us: Float[np.ndarray, "E"]
    brighter: Bool[np.ndarray, "E"]


@dataclass(frozen=True)
class Circuit:
    """The electronics of each pixel; `EventCamera` says what the numbers mean."""

    brighter: Float[np.ndarray, "P"]
    darker: Float[np.ndarray, "P"]
    refractory_us: float = 0.0
    cutoff_hz: float | None = None
    leak_hz: float | Float[np.ndarray, "P"] = 0.0


class _Line(NamedTuple):
    """One frame interval: each pixel's log-intensity runs straight from `before` to `after`."""

    before: Float[np.ndarray, "P"]
    after: Float[np.ndarray, "P"]
    start_us: float
    span_us: float

    def at(self, pixel: Pixels, fraction: Float[np.ndarray, "E"]) -> Float[np.ndarray, "E"]:
        """The log-intensity of some pixels at a fraction of the interval; at 1, `after` to the bit."""
        before, after = self.before[pixel], self.after[pixel]
        return np.where(fraction < 1.0, before + fraction * (after - before), after)


class PixelArray:
    """Pixels that are shown one frame after the other; frames are log-intensities `[P]`.

    What happens between two frames is solved exactly, however many events a pixel fires: between two shots of noise
    its log-intensity is a straight line, and so its crossings stand at equal distances.
    """

    def __init__(
        self,
        levels: Float[np.ndarray, "P"],
        time_us: float,
        circuit: Circuit,
        phase: Float[np.ndarray, "P"] | None = None,
    ):
        self.circuit = circuit
        self.leaks = bool(np.any(circuit.leak_hz))
        self.time_us = time_us
        self.shown = self.levels = levels
        # `phase` is the part of its threshold that a leaking pixel has already leaked.
        self.memory = levels.copy() if phase is None else levels - phase * circuit.brighter
        self.dead_until = np.full(levels.shape, -np.inf) if circuit.refractory_us else None

    def show(
        self,
        levels: Float[np.ndarray, "P"],
        time_us: float,
        noise: Fired | None = None,
        bandwidth: Float[np.ndarray, "P"] | float = 1.0,
    ) -> Fired:
        """The events since the last frame; those of a pixel in the order of time.

        `noise` is sorted by time, `bandwidth` the share of the cut-off frequency in this interval.
        """
        span = time_us - self.time_us
        filtered = self._low_pass(levels, span, bandwidth)
        # A memory that sinks is a line that climbs.
        leaked = self.circuit.brighter * (self.circuit.leak_hz * (span * 1e-6)) if self.leaks else None
        line = _Line(self.levels, filtered if leaked is None else filtered + leaked, self.time_us, span)
        moved = line.after - self.memory
        waiting = (moved >= self.circuit.brighter) | (moved <= -self.circuit.darker)
        if self.dead_until is not None:
            waiting |= self.dead_until > -np.inf
        parts = []
        if noise is not None and len(noise.pixel):
            waiting[noise.pixel] = False
            parts = self._between_shots(line, noise)
        pixel = np.flatnonzero(waiting)
        parts.append(self._straight(line, pixel, np.ones(len(pixel))))
        if leaked is not None:
            self.memory -= leaked
        self.shown, self.levels, self.time_us = levels, filtered, time_us
        return parts[0] if len(parts) == 1 else Fired(*map(np.concatenate, zip(*parts, strict=True)))

    def _low_pass(
        self,
        levels: Float[np.ndarray, "P"],
        span_us: float,
        bandwidth: Float[np.ndarray, "P"] | float,
    ) -> Float[np.ndarray, "P"]:
        """A first-order low-pass, exact at the frames for an input that runs straight between them.

        Equation: y' = (x − y) / τ, τ = 1 / (2 π f_c), a = span / τ:
            y1 = x1 + (y0 − x0) exp(−a) − (x1 − x0) (1 − exp(−a)) / a.
        """
        if self.circuit.cutoff_hz is None:
            return levels
        a = 2 * math.pi * self.circuit.cutoff_hz * bandwidth * (span_us * 1e-6)
        lag = (levels - self.shown) * (-np.expm1(-a) / a)
        return levels + (self.levels - self.shown) * np.exp(-a) - lag

    def _between_shots(self, line: _Line, noise: Fired) -> list[Fired]:
        """The events of the pixels that noise hits: one straight piece up to each shot, one to the end."""
        order = np.argsort(noise.pixel, kind="stable")
        pixel, brighter = noise.pixel[order], noise.brighter[order]
        fraction = (noise.time_us[order] - line.start_us) / line.span_us
        first = np.flatnonzero(np.diff(pixel, prepend=-1))
        number = np.arange(len(pixel)) - np.repeat(first, np.diff(first, append=len(pixel)))
        parts = []
        for turn in range(int(number.max()) + 1):
            hit = number == turn
            parts.append(self._straight(line, pixel[hit], fraction[hit]))
            parts.append(self._shot(line, pixel[hit], fraction[hit], brighter[hit]))
        parts.append(self._straight(line, pixel[first], np.ones(len(first))))
        return parts

    def _shot(
        self,
        line: _Line,
        pixel: Pixels,
        fraction: Float[np.ndarray, "E"],
        brighter: Bool[np.ndarray, "E"],
    ) -> Fired:
        """Noise events, which begin a pixel's memory anew like any event; a dead pixel has none."""
        if self.dead_until is not None:
            alive = self.dead_until[pixel] == -np.inf
            pixel, fraction, brighter = pixel[alive], fraction[alive], brighter[alive]
        self.memory[pixel] = line.at(pixel, fraction)
        time_us = line.start_us + fraction * line.span_us
        self._kill(pixel, time_us)
        return Fired(pixel, time_us, brighter)

    def _straight(self, line: _Line, pixel: Pixels, stop: Float[np.ndarray, "E"]) -> Fired:
        """The crossings of different pixels, each up to its own fraction `stop` of the interval."""
        if self.dead_until is None:
            return self._cross(line, pixel, stop)
        alive = self._wake(line, pixel, stop)
        pixel, stop = pixel[alive], stop[alive]
        fired = self._cross(line, pixel, stop)
        self._wake(line, pixel, stop)
        return fired

    def _cross(self, line: _Line, pixel: Pixels, stop: Float[np.ndarray, "E"]) -> Fired:
        """The crossings of pixels that are alive.

        Equation: L runs with slope s from before, memory m, threshold ±θ, dead for r after an event, while m follows L:
            n = floor((L(stop) − m + r s) / (±θ + r s)) events, the k-th at (m ± k θ − before) / s + (k − 1) r.
        """
        moved = line.at(pixel, stop) - self.memory[pixel]
        fires = (moved >= self.circuit.brighter[pixel]) | (moved <= -self.circuit.darker[pixel])
        pixel, moved = pixel[fires], moved[fires]
        step = np.where(moved > 0, self.circuit.brighter[pixel], -self.circuit.darker[pixel])
        before, memory = line.before[pixel], self.memory[pixel]
        slope = line.after[pixel] - before
        dead = self.circuit.refractory_us / line.span_us
        lost = dead * slope
        count = np.floor((moved + lost) / (step + lost)).astype(np.int64)
        # One row an event: `of` is its pixel's place in `pixel`, `k` its number within the pixel, from 1.
        of = np.repeat(np.arange(len(pixel)), count)
        k = np.arange(1, len(of) + 1) - np.repeat(np.cumsum(count) - count, count)
        # The line is flat where only rounding had kept a pixel from firing before.
        rise = memory[of] + k * step[of] - before[of]
        fraction = np.divide(rise, slope[of], out=np.zeros(len(of)), where=slope[of] != 0) + (k - 1) * dead
        # Rounding may put a crossing that falls on a frame a hair outside of its interval.
        time_us = line.start_us + np.clip(fraction, 0.0, 1.0) * line.span_us
        self.memory[pixel] += count * step
        self._kill(pixel, time_us[np.cumsum(count) - 1])
        return Fired(pixel[of], time_us, step[of] > 0)

    def _kill(self, pixel: Pixels, time_us: Float[np.ndarray, "E"]) -> None:
        if self.dead_until is not None:
            self.dead_until[pixel] = time_us + self.circuit.refractory_us

    def _wake(self, line: _Line, pixel: Pixels, stop: Float[np.ndarray, "E"]) -> Bool[np.ndarray, "E"]:
        """Wakes those whose dead time ends before `stop`, at the level of that moment; which are alive then."""
        assert self.dead_until is not None
        fraction = (self.dead_until[pixel] - line.start_us) / line.span_us
        alive = fraction < stop
        woken = alive & (fraction > -np.inf)
        self.memory[pixel[woken]] = line.at(pixel[woken], np.maximum(fraction[woken], 0.0))
        self.dead_until[pixel[woken]] = -np.inf
        return alive
