"""What runs between the layers of the executor: words, and lists of events."""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Ints = NDArray[np.int64]


class Letters(NamedTuple):
    """The whole numbers `low..high` that an event may be."""

    low: int
    high: int

    @property
    def peak(self) -> int:
        """The largest magnitude."""
        return max(abs(self.low), abs(self.high))

    @property
    def bits(self) -> int:
        """The width of a letter, a sign included where there are negative ones."""
        return max(1, self.peak.bit_length()) + (self.low < 0)

    def times(self, other: "Letters", terms: int = 1) -> "Letters":
        """What a sum of `terms` products of two letters can be."""
        ends = [a * b * terms for a in self for b in other]
        return Letters(min(ends), max(ends))


ONE = Letters(1, 1)


@dataclass(frozen=True)
class Words:
    """Whole numbers at every place; `letters` where they are sums of events and no potentials.

    Shapes: values `[T, B, ...]`.
    """

    values: Ints
    letters: Letters | None = None

    @property
    def rows(self) -> Ints:
        """The same as `[T B, places]`."""
        steps, samples = self.values.shape[:2]
        return self.values.reshape(steps * samples, -1)

    def arranged(self, *axes: int) -> "Words":
        """The axes behind T and B in another order."""
        order = (0, 1, *(axis + 2 for axis in axes))
        return replace(self, values=np.ascontiguousarray(self.values.transpose(order)))

    def shaped(self, *sizes: int) -> "Words":
        """The axes behind T and B cut into others."""
        return replace(self, values=self.values.reshape(*self.values.shape[:2], *sizes))


@dataclass(frozen=True)
class Spikes:
    """Events of each time step of each sample: where, and which letter; a place has one event at most.

    Shapes: row r = t B + b has the events `starts[r]` to `starts[r + 1]` of `places` (flat, in `sizes`) and `letters`.
    """

    starts: Ints
    places: Ints
    letters: Ints
    steps: int
    sizes: tuple[int, ...]
    alphabet: Letters

    @property
    def num_places(self) -> int:
        """How many events a row could have."""
        return math.prod(self.sizes)

    @property
    def num_rows(self) -> int:
        """T B."""
        return len(self.starts) - 1

    @property
    def counts(self) -> Ints:
        """The events of each row."""
        return np.diff(self.starts)

    def arranged(self, *axes: int) -> "Spikes":
        """The axes of a row in another order."""
        places = np.arange(self.num_places).reshape(self.sizes).transpose(axes)
        target = np.empty(self.num_places, dtype=np.int64)
        target[places.ravel()] = np.arange(self.num_places)
        return replace(self, places=target[self.places], sizes=places.shape)

    def shaped(self, *sizes: int) -> "Spikes":
        """The axes of a row cut into others."""
        return replace(self, sizes=sizes)

    def words(self) -> Words:
        """Every place, silent ones too."""
        rows = np.zeros((self.num_rows, self.num_places), dtype=np.int64)
        rows[np.repeat(np.arange(self.num_rows), self.counts), self.places] = self.letters
        return Words(rows.reshape(self.steps, -1, *self.sizes), self.alphabet)

    def dense(self) -> Tensor:
        """Every place as a tensor `[T, B, *sizes]`."""
        return torch.from_numpy(self.words().values)


def events_of(words: Words) -> Spikes:
    """The places that are not zero."""
    assert words.letters is not None
    row, place = np.nonzero(words.rows)
    starts = np.searchsorted(row, np.arange(len(words.rows) + 1)).astype(np.int64)
    letters = words.rows[row, place]
    return Spikes(starts, place, letters, len(words.values), words.values.shape[2:], words.letters)


def integers(tensor: Tensor) -> Ints:
    """A tensor of whole numbers, held in float64, as such."""
    return np.ascontiguousarray(tensor.detach().cpu().numpy().astype(np.int64))
