"""Standardisation: subtract the mean, divide by the standard deviation, both taken from the train part."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor


@dataclass(frozen=True)
class Standard:
    """One mean and one standard deviation per channel, in a shape that broadcasts against a sample."""

    mean: Tensor
    std: Tensor

    def apply(self, x: Tensor) -> Tensor:
        """The standardised samples."""
        return (x - self.mean) / self.std

    def undo(self, x: Tensor) -> Tensor:
        """The samples as they were before `apply`, to be shown, say."""
        return x * self.std + self.mean


def fit_pixels(pixels: UInt8[Tensor, "B C H W"], divisor: float) -> Standard:
    """Statistics per channel of `pixels / divisor`, from a histogram: exact, with no float copy of them."""
    histogram = torch.zeros(pixels.shape[1], 256, dtype=torch.int64)
    for part in pixels.split(4096):
        for channel in range(pixels.shape[1]):
            histogram[channel] += torch.bincount(part[:, channel].flatten(), minlength=256)
    weights = histogram.double() / histogram.sum(dim=1, keepdim=True)
    values = torch.arange(256, dtype=torch.float64) / divisor
    mean = weights @ values
    variance = weights @ values.square() - mean.square()
    return Standard(mean.float().view(-1, 1, 1), _positive(variance.clamp(min=0).sqrt()).view(-1, 1, 1))


def fit_scale(data: Tensor) -> Standard:
    """One standard deviation for everything and no mean: zero, a pixel without an event, stays zero."""
    return Standard(torch.zeros(()), _positive(data.std(correction=0)))


def fit_series(series: Sequence[Float[Tensor, "_ C"]]) -> Standard:
    """Statistics per channel over all real tokens of series `[N, C]` of any lengths."""
    tokens = torch.cat(list(series)).double()
    return Standard(tokens.mean(dim=0).float(), _positive(tokens.std(dim=0, correction=0)))


def _positive(std: Tensor) -> Tensor:
    """A constant channel has no scale: it is left as it is, instead of becoming NaN."""
    return torch.where(std > 0, std, torch.ones_like(std)).float()
