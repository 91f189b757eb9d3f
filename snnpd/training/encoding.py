"""From static data to time steps: how a batch becomes the network's time-first input."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from snntorch import spikegen
from torch import Tensor

from snnpd.errors import UsageError, unknown
from snnpd.training.config import Encoding

Kind = Literal["image", "frames", "series"]


@dataclass(frozen=True)
class Encoder:
    """Batches to network input: static data in T steps, event frames as they are.

    - `direct` shows the same values at every step.
    - `rate` draws a spike with the value as probability, `latency` lets larger values spike earlier; both
      read each sample scaled onto [0, 1] by its own smallest and largest value.
    - `delta` spikes, with sign, where a value changes by 0.1 or more: along the tokens of a series, which
      then stay for all steps; a picture changes once, when it appears at the first step.

    Source: snntorch.spikegen (rate, latency with linear code, delta with off-spikes).
    Shapes:
        x: image `[B, C, H, W]`, series `[B, N, C]` with mask `[B, N]`, to `[T, B, ...]`; frames stay `[T, B,
        C, H, W]`.

    Raises:
        UsageError: no time step, an unknown encoding, or event frames with another T or encoding than asked
        for.
    """

    encoding: Encoding = "direct"
    time_steps: int = 4
    kind: Kind = "image"

    def __post_init__(self) -> None:
        if self.time_steps < 1:
            raise UsageError(f"time_steps is {self.time_steps}; give a whole number from 1 upwards")
        if self.encoding not in get_args(Encoding):
            raise unknown("encoding", self.encoding, get_args(Encoding))
        if self.kind == "frames" and self.encoding != "direct":
            raise UsageError(
                f"encoding {self.encoding!r} with event frames, which are spikes already; use 'direct'"
            )

    def __call__(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """The network's input, time first."""
        if self.kind == "frames":
            if len(x) != self.time_steps:
                raise UsageError(
                    f"time_steps is {self.time_steps}, but the data have {len(x)} frames a sample; "
                    f"set time_steps to {len(x)}, or the data set's own to {self.time_steps}"
                )
            return x
        if self.encoding == "direct":
            return _repeat(x, self.time_steps)
        if self.encoding == "delta":
            return self._changes(x, mask)
        spikes = self._draw(_onto_unit_interval(x, mask))
        return spikes if mask is None else spikes * mask.unsqueeze(-1)

    def _draw(self, x: Tensor) -> Tensor:
        if self.encoding == "rate":
            return spikegen.rate(x, num_steps=self.time_steps)
        if self.time_steps == 1:
            # One step has no earlier and later, and snnTorch's code divides by T − 1.
            return torch.ones_like(x).unsqueeze(0)
        # The linear code: the logarithmic one is scaled by the largest time of the batch, so that a sample's
        # spikes would depend on its batch mates.
        return spikegen.latency(x, num_steps=self.time_steps, normalize=True, linear=True)

    def _changes(self, x: Tensor, mask: Tensor | None) -> Tensor:
        if self.kind == "image":
            return spikegen.delta(_repeat(x, self.time_steps), off_spike=True)
        changes = spikegen.delta(x.transpose(0, 1), padding=True, off_spike=True).transpose(0, 1)
        return _repeat(changes if mask is None else changes * mask.unsqueeze(-1), self.time_steps)


def _repeat(x: Tensor, time_steps: int) -> Tensor:
    return x.unsqueeze(0).expand(time_steps, *x.shape)


def _onto_unit_interval(x: Tensor, mask: Tensor | None) -> Tensor:
    dims = tuple(range(1, x.ndim))
    if mask is None:
        low, high = x.amin(dims, keepdim=True), x.amax(dims, keepdim=True)
    else:
        padding = ~mask.unsqueeze(-1)
        low = x.masked_fill(padding, float("inf")).amin(dims, keepdim=True)
        high = x.masked_fill(padding, float("-inf")).amax(dims, keepdim=True)
    return ((x - low) / (high - low).clamp_min(torch.finfo(x.dtype).tiny)).clamp(0, 1)
