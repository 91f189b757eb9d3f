"""Exact sums of events over everything but time and batch, without a copy of the activation."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float64, Int64, Shaped
from torch import Tensor

from snnpd.energy.signals import Signal
from snnpd.errors import UsageError

# Sums of integers below this are exact in single precision, whatever the order.
_EXACT = 1 << 24


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
    return magnitudes(x, signal, rows).round().long()


def magnitudes(x: Shaped[Tensor, "..."], signal: Signal, rows: int) -> Float64[Tensor, "rows"]:
    """The same before it is rounded: whole if all values are letters."""
    return _norms(leading(x, rows), 1, signal)


def nonzeros(x: Shaped[Tensor, "..."], signal: Signal, rows: int) -> Int64[Tensor, "rows"]:
    """Elements of each row that are not zero."""
    return _norms(leading(x, rows), 0, signal).long()


def sums_along(x: Tensor, order: int, dims: Sequence[int], signal: Signal) -> Int64[Tensor, "..."]:
    """Unit events (`order` 1) or elements that are not zero (0), summed over some axes."""
    return _norm(x, order, dims, signal).round().long()


def _norm(x: Tensor, order: int, dims: Sequence[int], signal: Signal) -> Float64[Tensor, "..."]:
    bound = math.prod(x.shape[dim] for dim in dims) * (signal.peak if order else 1)
    if order and not _is_dyadic(signal.scale):
        # thirds and the like: a sum of them is not exact, a sum of what they stand for is
        return (x / signal.scale).abs().double().sum(tuple(dims))
    dtype = torch.float64 if bound >= _EXACT or x.dtype == torch.float64 else torch.float32
    total = torch.linalg.vector_norm(_as_float(x), order, dim=tuple(dims), dtype=dtype).double()
    return total / signal.scale if order else total


def _norms(x: Tensor, order: int, signal: Signal) -> Float64[Tensor, "rows"]:
    dims = range(1, x.ndim)
    if not dims:
        return (x / signal.scale).abs().double() if order else (x != 0).double()
    if math.prod(x.shape[1:]) * (signal.peak if order else 1) < _EXACT:
        return _norm(x, order, dims, signal)
    # a sample at a time: in double precision the norm makes a copy
    return torch.cat([_norm(row, order, dims, signal) for row in x.split(1)])


def _is_dyadic(scale: float) -> bool:
    return math.frexp(scale)[0] == 0.5


def _as_float(x: Tensor) -> Tensor:
    return x if x.is_floating_point() else x.to(torch.float32)


def _mergeable(x: Tensor) -> bool:
    return x.stride(0) == x.stride(1) * x.shape[1]
