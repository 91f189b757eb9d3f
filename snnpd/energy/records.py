"""A report's contents: what every layer did, by class of operation, with its energy under each cost model."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from snnpd.energy.costs import Access, CostModel, Operation
from snnpd.energy.ledger import Account, DenseMap, Ledger, Rate


class Column(NamedTuple):
    """A count of each sample, `[S]`, and its sum over samples at each time step, `[T]`."""

    samples: np.ndarray
    steps: np.ndarray


@dataclass
class Tables:
    """The ledgers of all batches, added up: one number for each sample."""

    num_samples: int = 0
    done: dict[Account, list[tuple[int, np.ndarray]]] = field(default_factory=dict)
    skipped: dict[Account, list[tuple[int, np.ndarray]]] = field(default_factory=dict)
    moved: dict[tuple[str, Access], list[tuple[int, np.ndarray]]] = field(default_factory=dict)
    dense: dict[DenseMap, int] = field(default_factory=dict)
    rates: dict[str, Rate] = field(default_factory=dict)
    unpriced: dict[tuple[str, str], int] = field(default_factory=dict)
    time_steps: int = 1

    def add(self, ledger: Ledger, num_samples: int) -> None:
        """Another batch."""
        start = self.num_samples
        for account, count in ledger:
            self.done.setdefault(account, []).append((start, count.done.numpy()))
            self.skipped.setdefault(account, []).append((start, count.skipped.numpy()))
            self.time_steps = max(self.time_steps, len(count.done))
        for key, words in ledger.accesses.items():
            self.moved.setdefault(key, []).append((start, words.numpy()))
        for layer, rate in ledger.rates.items():
            old = self.rates.get(layer, Rate(rate.alphabet, 0, 0))
            self.rates[layer] = Rate(rate.alphabet, old.spiking + rate.spiking, old.elements + rate.elements)
        for name, elements in ledger.unpriced.items():
            self.unpriced[name] = self.unpriced.get(name, 0) + elements
        for maps in ledger.dense.values():
            for one in maps:
                self.dense[one] = self.dense.get(one, 0) + num_samples
        self.time_steps = max(self.time_steps, ledger.loops)
        self.num_samples += num_samples

    def column(self, parts: list[tuple[int, np.ndarray]]) -> Column:
        """The counts `[T, B]` of all batches as one number a sample and one a step."""
        samples = np.zeros(self.num_samples, dtype=np.int64)
        steps = np.zeros(self.time_steps, dtype=np.int64)
        for start, counts in parts:
            samples[start : start + counts.shape[1]] += counts.sum(0)
            steps[: len(counts)] += counts.sum(1)
        return Column(samples, steps)

    @property
    def dense_products(self) -> float:
        """Products of the linear maps and products of one sample at one time step, were no input zero: a mean."""
        return sum(one.products * samples for one, samples in self.dense.items()) / self.num_samples


class Energy(NamedTuple):
    """Mean and standard deviation over samples, in pJ."""

    mean: float
    std: float


def energy_of(tables: Tables, cost: CostModel, layer: str | None = None) -> Energy:
    """The energy of a sample under a cost model; of one layer, or of all."""
    total = np.zeros(tables.num_samples)
    for account, parts in tables.done.items():
        if layer in (None, account.layer):
            total += tables.column(parts).samples * cost.energy_pj(account.operation)
    for (place, access), parts in tables.moved.items():
        if layer in (None, place):
            total += tables.column(parts).samples * cost.access_price(access)
    return Energy(float(total.mean()), float(total.std()))


def dense_energy(tables: Tables, cost: CostModel, mac: Operation) -> float:
    """The same maps as an ANN computes them, once and dense, in pJ: products, and where the model has memory, words."""
    total = 0.0
    for one, samples in tables.dense.items():
        read = [
            Access("input", "read", mac.bits, one.inputs),
            Access("weight", "read", mac.bits, one.weights),
        ]
        moved = sum(cost.access_price(access) for access in read)
        written = cost.access_price(Access("output", "write", mac.bits, one.outputs))
        total += samples * (one.products * (cost.energy_pj(mac) + moved) + one.outputs * written)
    return total / tables.num_samples
