"""How a sequence lies in memory: dense in some order of its dimensions, or as rows of something wider."""

from collections import Counter
from typing import NamedTuple

import torch
from torch import Tensor

# How often a kernel had to copy a sequence because of its layout, by what was copied, since the process began.
copies: Counter[str] = Counter()


# Rows shorter than this are cheaper to copy than to visit one by one.
SHORTEST_ROW = 4


class Layout(NamedTuple):
    """The order of a step's dimensions in memory, outermost first, and how its rows lie; see `Place`."""

    order: tuple[int, ...]
    rows: int
    inner: int
    pitch: int
    step: int

    @property
    def is_plain(self) -> bool:
        """Whether the dimensions lie in their own order."""
        return all(d == place for place, d in enumerate(self.order))


def find_layout(x_seq: Tensor) -> Layout | None:
    """The layout of `[T, ...]` where a step is runs of neighbours at one distance; None where it is not.

    So is what convolutions give (channels last too), a permutation of it, and a part of a wider last dimension, as
    queries cut from `[T, B, N, 3 C]`. A sequence expanded over time has a `step` of 0. Steps that overlap in another
    way, or have gaps at two levels, are not.
    """
    sizes, strides = x_seq.shape[1:], x_seq.stride()[1:]
    if x_seq.is_contiguous():
        inner = sizes.numel()
        return Layout(tuple(range(len(sizes))), 1, inner, inner, inner)
    order = tuple(sorted(range(len(sizes)), key=lambda d: (-strides[d], d)))
    inner, rows, pitch = 1, 1, 0
    for d in reversed(order):
        if sizes[d] == 1:
            continue
        if rows == 1 and strides[d] == inner:
            inner *= sizes[d]
        elif rows == 1 and strides[d] > inner:
            rows, pitch = sizes[d], strides[d]
        elif rows > 1 and strides[d] == pitch * rows:
            rows *= sizes[d]
        else:
            return None
    if rows > 1 and inner < SHORTEST_ROW:
        return None
    return Layout(order, rows, inner, pitch or inner, x_seq.stride(0))


def arrange(x_seq: Tensor) -> tuple[Tensor, Layout]:
    """The sequence as a kernel can read it, copied if it must be, and its layout."""
    layout = find_layout(x_seq)
    if layout is None:
        if not torch.compiler.is_compiling():
            copies["input"] += 1
        x_seq = x_seq.contiguous()
        layout = find_layout(x_seq)
        assert layout is not None
    return x_seq, layout


def extent(x_seq: Tensor, layout: Layout) -> Tensor:
    """The memory that the sequence spans, as one row."""
    last = (x_seq.shape[0] - 1) * layout.step + (layout.rows - 1) * layout.pitch + layout.inner
    return x_seq.as_strided((last,), (1,))


def dense(x_seq: Tensor, layout: Layout, what: str) -> Tensor:
    """A sequence or a step (one dimension less) as one row in the order of `layout`; copied where it lies otherwise."""
    if layout.is_plain and x_seq.is_contiguous():
        return x_seq.view(-1)
    ahead = x_seq.ndim - len(layout.order)
    ordered = x_seq.permute(*range(ahead), *(d + ahead for d in layout.order))
    if not ordered.is_contiguous():
        copies[what] += 1
    return ordered.reshape(-1)


def empty_like(x_seq: Tensor, layout: Layout, dtype: torch.dtype) -> Tensor:
    """An empty sequence or step of this shape, dense in the order of `layout`."""
    ahead = x_seq.ndim - len(layout.order)
    if layout.is_plain:
        return x_seq.new_empty(x_seq.shape, dtype=dtype)
    strides, run = [0] * x_seq.ndim, 1
    for d in reversed((*range(ahead), *(d + ahead for d in layout.order))):
        strides[d] = run
        run *= x_seq.shape[d]
    return x_seq.new_empty_strided(x_seq.shape, strides, dtype=dtype)


def channel_inner(sizes: tuple[int, ...], layout: Layout, dim: int) -> int:
    """How many neurons in a row belong to one channel along dimension `dim` of a step."""
    behind = layout.order[layout.order.index(dim % len(sizes)) + 1 :]
    run = 1
    for d in behind:
        run *= sizes[d]
    return run
