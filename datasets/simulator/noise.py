"""Shot noise: events that no change of brightness caused."""

from collections.abc import Sequence

import numpy as np

from snnpd.datasets.seeding import rng_for
from snnpd.datasets.simulator.pixels import Fired

_BLOCK_US = 100_000.0


class ShotNoise:
    """Events at a mean rate in each pixel, of either polarity alike, Poisson in time.

    They are drawn for a tenth of a second at a time, each from its own generator: they depend on the key and the time
    since the first call, and not on the frames. Each key stands for one sensor of `num_pixels` pixels, numbered on.
    """

    def __init__(self, rate_hz: float, num_pixels: int, keys: Sequence[tuple[int, ...]]):
        self.mean = rate_hz * _BLOCK_US * 1e-6 * num_pixels
        self.num_pixels = num_pixels
        self.start_us: float | None = None
        self.keys = keys
        self.num_blocks = 0
        self.waiting = Fired(np.empty(0, dtype=np.int64), np.empty(0), np.empty(0, dtype=bool))

    def until(self, time_us: float) -> Fired:
        """The events after those of the last call up to `time_us`, sorted by time."""
        if self.start_us is None:
            self.start_us = time_us
        blocks = [self.waiting]
        while self.start_us + self.num_blocks * _BLOCK_US <= time_us:
            blocks.append(self._block(self.num_blocks, self.start_us))
            self.num_blocks += 1
        waiting = blocks[0] if len(blocks) == 1 else Fired(*map(np.concatenate, zip(*blocks, strict=True)))
        cut = np.searchsorted(waiting.time_us, time_us, side="right")
        self.waiting = Fired(*(column[cut:] for column in waiting))
        return Fired(*(column[:cut] for column in waiting))

    def _block(self, number: int, start_us: float) -> Fired:
        pixels, times, polarities = [], [], []
        for lane, key in enumerate(self.keys):
            rng = rng_for(*key, number)
            count = rng.poisson(self.mean)
            pixels.append(lane * self.num_pixels + rng.integers(self.num_pixels, size=count))
            times.append(rng.random(count))
            polarities.append(rng.random(count) < 0.5)
        time_us = start_us + (number + np.concatenate(times)) * _BLOCK_US
        order = np.argsort(time_us, kind="stable")
        return Fired(np.concatenate(pixels)[order], time_us[order], np.concatenate(polarities)[order])
