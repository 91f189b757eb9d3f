"""The machine that runs one batch: names of layers, the ledger, and the operations that all layers share."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from snnpd.energy.costs import Kind, Operation
from snnpd.energy.executor.geometry import Reach
from snnpd.energy.executor.map_kernels import add_events, multiply_words, sum_events
from snnpd.energy.executor.wires import ONE, Ints, Letters, Spikes, Words, integers
from snnpd.energy.fixed_point import ToPotential
from snnpd.energy.ledger import Account, Count, Ledger


@dataclass
class Machine:
    """What the layers of one run write to: counts by the layer's name, spikes by the neuron's."""

    names: dict[nn.Module, str]
    steps: int
    samples: int
    ledger: Ledger = field(default_factory=Ledger)
    spikes: dict[str, Spikes] = field(default_factory=dict)

    def counter(self) -> Ints:
        """Zeros, one for each row."""
        return np.zeros(self.steps * self.samples, dtype=np.int64)

    def zeros(self, *sizes: int) -> Ints:
        """Empty sums for each row."""
        return np.zeros((self.steps * self.samples, *sizes), dtype=np.int64)

    def words(self, rows: Ints, *sizes: int, letters: Letters | None = None) -> Words:
        """Rows as words of these sizes."""
        return Words(rows.reshape(self.steps, self.samples, *sizes), letters)

    def write(
        self, layer: nn.Module, role: str, kind: Kind, bits: int, done: Ints, skipped: Ints | None = None
    ) -> None:
        """Enters what a layer did, row by row."""
        numbers = (done, self.counter() if skipped is None else skipped)
        count = Count(*(torch.from_numpy(rows.reshape(self.steps, self.samples).copy()) for rows in numbers))
        self.ledger.add(Account(self.names[layer], role, Operation(kind, bits)), count)


def map_events(
    machine: Machine, layer: nn.Linear | nn.Conv1d | nn.Conv2d, reach: Reach, spikes: Spikes, bits: int
) -> Ints:
    """Bias and weights of all events: sums `[R, P_out, K]` of spikes whose places are `[P_in, C]`."""
    weight, sums = _weight(layer), _biased(machine, layer, reach)
    done, met = machine.counter(), machine.counter()
    lists = spikes.starts, spikes.places, spikes.letters
    add_events(*lists, reach.starts, reach.outputs, reach.taps, weight, sums, done, met)
    dense = len(reach.outputs) * weight.shape[1] * weight.shape[2]
    machine.write(layer, "linear", "ac", bits, done, dense - met)
    return sums


def map_words(
    machine: Machine, layer: nn.Linear | nn.Conv1d | nn.Conv2d, reach: Reach, words: Ints, bits: int
) -> Ints:
    """Bias and products of all words: sums `[R, P_out, K]` of words `[R, P_in, C]`."""
    sums, done = _biased(machine, layer, reach), machine.counter()
    multiply_words(words, reach.starts, reach.outputs, reach.taps, _weight(layer), sums, done)
    machine.write(layer, "linear", "mac", bits, done)
    return sums


def _weight(layer: nn.Linear | nn.Conv1d | nn.Conv2d) -> Ints:
    """Weights as `[taps, C, K]`."""
    weight = integers(layer.weight)
    return np.ascontiguousarray(weight.reshape(*weight.shape[:2], -1).transpose(2, 1, 0))


def _biased(machine: Machine, layer: nn.Linear | nn.Conv1d | nn.Conv2d, reach: Reach) -> Ints:
    assert layer.bias is not None
    sums = machine.zeros(len(reach.windows) - 1, len(layer.bias))
    sums += integers(layer.bias)
    return sums


def settled(to_potential: ToPotential, sums: Ints) -> Ints:
    """Complete sums at the potentials' binary point, saturated."""
    return np.clip(moved(sums, to_potential.places), to_potential.potential.low, to_potential.potential.high)


def moved(words: Ints, places: int) -> Ints:
    """Wires moved to the left, or to the right."""
    return words << places if places > 0 else words >> -places


def add_residual(machine: Machine, layer: nn.Module, to_potential: ToPotential, a: Words, b: Words) -> Words:
    """a + b, saturated: an addition for each element."""
    done = machine.counter()
    done += a.rows.shape[1]
    machine.write(layer, "residual", "ac", to_potential.potential.bits, done)
    return Words(settled(to_potential, a.values + b.values))


def sum_over(machine: Machine, layer: nn.Module, spikes: Spikes, axis: int) -> Words:
    """Events added up along one axis, which keeps the size 1."""
    sizes = tuple(1 if a == axis else size for a, size in enumerate(spikes.sizes))
    own = np.arange(np.prod(sizes)).reshape(sizes)
    targets = np.ascontiguousarray(np.broadcast_to(own, spikes.sizes)).ravel()
    sums, done = machine.zeros(own.size), machine.counter()
    sum_events(spikes.starts, spikes.places, spikes.letters, targets, sums, done)
    letters = spikes.alphabet.times(ONE, spikes.sizes[axis])
    if spikes.sizes[axis] > 1:  # of one term nothing is added
        machine.write(layer, "pool", "ac", letters.bits, done, spikes.num_places - done)
    return machine.words(sums, *sizes, letters=letters)
