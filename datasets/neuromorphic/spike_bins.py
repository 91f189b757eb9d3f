"""A cochlea's spikes as a series of counts: windows of time by bands of channels."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import UInt16
from torch import Tensor

from snnpd.datasets.events import Events, Sensor
from snnpd.datasets.readers.spikes import NUM_UNITS
from snnpd.errors import UsageError

COCHLEA = Sensor(height=1, width=NUM_UNITS, num_polarities=1)


@dataclass(frozen=True)
class ChannelBins:
    """Spike counts `[N, C]`: a row for each window from time 0 to the last spike, a column for each band."""

    window_ms: float
    max_tokens: int
    channels: int

    def __post_init__(self) -> None:
        if self.channels < 1 or COCHLEA.width % self.channels:
            raise UsageError(
                f"channels is {self.channels}; give a number that divides the cochlea's {COCHLEA.width}: 70, 140, 700"
            )
        if not 0.001 <= self.window_ms < float("inf") or self.max_tokens < 1:
            raise UsageError(
                f"{self.max_tokens} tokens of {self.window_ms} ms; give at least one token of at least 0.001 ms"
            )

    def __call__(self, events: Events, sensor: Sensor) -> UInt16[np.ndarray, "N C"]:
        """The counts; spikes after `max_tokens` windows are left out."""
        window = (events["t"] / (1000 * self.window_ms)).astype(np.int64)
        kept = window < self.max_tokens
        num_tokens = int(window[kept].max(initial=0)) + 1
        band = events["x"][kept].astype(np.int64) * self.channels // sensor.width
        counts = np.bincount(window[kept] * self.channels + band, minlength=num_tokens * self.channels)
        return np.minimum(counts, 65535).astype(np.uint16).reshape(num_tokens, self.channels)

    def times(self) -> Tensor:
        """The middle of each window, in seconds."""
        return (torch.arange(self.max_tokens, dtype=torch.float64) + 0.5) * (self.window_ms / 1000)
