"""Which output reads which input through which tap: written out, pair by pair."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from typing import NamedTuple

import numpy as np

from snnpd.energy.executor.wires import Ints

Sizes = tuple[int, ...]


class Reach(NamedTuple):
    """The taps inside the image, sorted by input and by output.

    Shapes: input i is read by `outputs[starts[i] : starts[i + 1]]` through `taps`; output o reads
    `inputs[windows[o] : windows[o + 1]]`.
    """

    starts: Ints
    outputs: Ints
    taps: Ints
    windows: Ints
    inputs: Ints
    output_sizes: tuple[int, ...]


def everywhere(places: int) -> Reach:
    """A linear map of each place by itself."""
    own, starts = np.arange(places), np.arange(places + 1)
    return Reach(starts, own, np.zeros(places, dtype=np.int64), starts, own, (places,))


@lru_cache(maxsize=64)
def sliding(sizes: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes) -> Reach:
    """A kernel that slides over an image (or a sequence) of these sizes."""
    axes = list(zip(sizes, kernel, stride, padding, strict=True))
    output_sizes = tuple((size + 2 * border - width) // step + 1 for size, width, step, border in axes)
    pairs = []
    for output, places in enumerate(product(*map(range, output_sizes))):
        for tap, offsets in enumerate(product(*map(range, kernel))):
            read = [p * s - b + o for p, s, b, o in zip(places, stride, padding, offsets, strict=True)]
            if all(0 <= place < size for place, size in zip(read, sizes, strict=True)):
                pairs.append((_flat(read, sizes), output, tap))
    inputs, outputs, taps = np.array(pairs, dtype=np.int64).reshape(-1, 3).T
    order = np.argsort(inputs, kind="stable")
    return Reach(
        _starts(inputs[order], int(np.prod(sizes))),
        outputs[order],
        taps[order],
        _starts(outputs, int(np.prod(output_sizes))),
        np.ascontiguousarray(inputs),
        output_sizes,
    )


def _flat(places: Sequence[int], sizes: Sequence[int]) -> int:
    flat = 0
    for place, size in zip(places, sizes, strict=True):
        flat = flat * size + place
    return flat


def _starts(sorted_numbers: Ints, count: int) -> Ints:
    return np.searchsorted(sorted_numbers, np.arange(count + 1)).astype(np.int64)
