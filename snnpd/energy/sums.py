"""Exact sums of events over everything but time and batch, without a copy of the whole activation."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Int64, Shaped
from torch import Tensor

from snnpd.energy.signals import Signal
from snnpd.errors import UsageError

# Sums of integers below this are exact in single precision, whatever the order.
_EXACT = 1 << 24
# Elements that a temporary copy may hold.
_AT_ONCE = 1 << 20


def leading(x: Tensor, rows: int) -> Tensor:
    """x as `[rows, ...]`: time and batch are its first axis, its first two, or the outer part of its first.

    Raises:
        UsageError: its first axes do not hold so many rows.
    """
    if x.ndim > 1 and x.shape[0] * x.shape[1] == rows and x.shape[0] != rows:
        return x.flatten(0, 1) if _mergeable(x) else x.reshape(rows, *x.shape[2:])
    if x.ndim and rows and x.shape[0] % rows == 0:
        return x if x.shape[0] == rows else x.unflatten(0, (rows, -1))
    if x.ndim > 1 and x.shape[0] == 1:
        return leading(x.squeeze(0), rows)
    raise UsageError(f"an activation {list(x.shape)} has no leading axes of {rows} time steps x samples")


def units(x: Shaped[Tensor, "..."], signal: Signal, rows: int) -> Int64[Tensor, "rows"]:
    """Unit events of each row: Σ |x| / scale."""
    return _per_row(leading(x, rows), 1, signal)


def nonzeros(x: Shaped[Tensor, "..."], signal: Signal, rows: int) -> Int64[Tensor, "rows"]:
    """Elements of each row that are not zero."""
    return _per_row(leading(x, rows), 0, signal)


def sums_along(x: Tensor, order: int, dims: Sequence[int], signal: Signal) -> Int64[Tensor, "..."]:
    """Unit events (`order` 1) or elements that are not zero (0), summed over some axes but the first."""
    step = max(1, _AT_ONCE // max(1, x[:1].numel()))
    return torch.cat([_sum(part, order, tuple(dims), signal) for part in x.split(step)])


def _per_row(x: Tensor, order: int, signal: Signal) -> Int64[Tensor, "rows"]:
    if x.ndim == 1:
        return _sum(x.unsqueeze(-1), order, (1,), signal)
    return sums_along(x, order, range(1, x.ndim), signal)


def _sum(x: Tensor, order: int, dims: tuple[int, ...], signal: Signal) -> Int64[Tensor, "..."]:
    is_unit = signal.is_events and signal.peak == 1
    if x.dtype == torch.bool or not (order or is_unit):
        return (x != 0).sum(dims)
    low, _ = signal.letters
    if math.frexp(signal.scale)[0] != 0.5:  # sums of thirds and the like are not exact
        x = (x / signal.scale).round()
        scale = 1.0
    else:
        scale = signal.scale
    bound = math.prod(x.shape[dim] for dim in dims) * signal.peak
    dtype = torch.float64 if bound >= _EXACT or x.dtype == torch.float64 else torch.float32
    total = (x if low >= 0 else x.abs()).sum(dims, dtype=dtype)
    return (total / scale).round().long()


def _mergeable(x: Tensor) -> bool:
    return x.stride(0) == x.stride(1) * x.shape[1]
