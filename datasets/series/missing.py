"""Missing values of series: refused, or told to the network by channels of their own."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from snnpd.datasets.series.ts_files import LabelledSeries
from snnpd.datasets.standard import Standard
from snnpd.errors import UsageError, unknown

CHOICES = ("refuse", "indicate")


def settle_missing(part: LabelledSeries, missing: str, where: str) -> LabelledSeries:
    """The series as they may be trained on; NaN is a missing value.

    "refuse" passes whole series only. "indicate" passes missing values too, cuts tokens without any value from
    the ends (some archives pad so), and leaves the rest to `with_indicators`.

    Raises:
        UsageError: an unknown choice, an infinite value, a missing one under "refuse", or a series without any.
    """
    if missing not in CHOICES:
        raise unknown("choice of missing", missing, CHOICES)
    for number, one in enumerate(part.series, start=1):
        if one.isinf().any():
            raise UsageError(f"{where}: case {number} has infinite values; mend the file")
        if missing == "refuse" and one.isnan().any():
            raise UsageError(
                f"{where}: case {number} has missing values; fill them in, or set missing='indicate'"
            )
    if missing == "refuse":
        return part
    ends = [_end(one, f"{where}: case {number}") for number, one in enumerate(part.series, start=1)]
    times = part.times and [stamps[:end] for stamps, end in zip(part.times, ends, strict=True)]
    return LabelledSeries([one[:end] for one, end in zip(part.series, ends, strict=True)], part.names, times)


def with_indicators(x: Float[Tensor, "N C"]) -> Float[Tensor, "N D"]:
    """Standardised values, 0 (the mean) where they are missing, and behind them 1 where they are there, else 0.

    A network can so tell a value that is missing from one that is average; D = 2 C.
    """
    there = ~x.isnan()
    return torch.cat([x.nan_to_num(nan=0.0), there.to(x.dtype)], dim=1)


def fit_observed(series: Sequence[Float[Tensor, "_ C"]], where: str) -> Standard:
    """Statistics per channel over the values that are there.

    Raises:
        UsageError: a channel has no value at all.
    """
    tokens = torch.cat(list(series)).double()
    there = ~tokens.isnan()
    counts = there.sum(0)
    if not counts.all():
        channel = int(counts.argmin()) + 1
        raise UsageError(f"{where}: channel {channel} has no value in any series; leave it out of the files")
    mean = tokens.nan_to_num(nan=0.0).sum(0) / counts
    variance = (tokens - mean).nan_to_num(nan=0.0).square().sum(0) / counts
    std = variance.sqrt()
    return Standard(mean.float(), torch.where(std > 0, std, torch.ones_like(std)).float())


def _end(one: Float[Tensor, "N C"], where: str) -> int:
    filled = (~one.isnan()).any(1).nonzero()
    if not len(filled):
        raise UsageError(f"{where} has no value at all; leave it out of the file")
    return int(filled[-1]) + 1
