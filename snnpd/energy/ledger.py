"""What was counted: exact integers for each layer, role and class of operation, time step and sample."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from jaxtyping import Int64
from torch import Tensor

from snnpd.energy.costs import Access, Operation
from snnpd.spikes import Alphabet


class Account(NamedTuple):
    """Where operations happen (a module's qualified name), what for, and of which class.

    Roles: linear, product (of two activations), shiftmax, values (Shiftmax · V), neuron, pool, residual, gate, norm.
    """

    layer: str
    role: str
    operation: Operation


@dataclass
class Count:
    """Operations done, and those that an event-driven machine skips.

    Shapes: both `[T, B]`, int64.
    """

    done: Int64[Tensor, "T B"]
    skipped: Int64[Tensor, "T B"]

    def __add__(self, other: "Count") -> "Count":
        return Count(_sum(self.done, other.done), _sum(self.skipped, other.skipped))


def _sum(a: Tensor, b: Tensor) -> Tensor:
    """What runs once, not at every step, counts to the first."""
    if len(a) < len(b):
        a, b = b, a
    total = a.clone()
    total[: len(b)] += b
    return total


class DenseMap(NamedTuple):
    """A linear map or a product of one sample at one time step, were no input zero: products, and memories in words."""

    products: int
    inputs: int
    weights: int
    outputs: int


class Rate(NamedTuple):
    """The outputs of a neuron: its letters, how many were not zero, how many there were."""

    alphabet: Alphabet
    spiking: int
    elements: int


@dataclass
class Ledger:
    """Accounts of one batch, in the order of the forward pass."""

    accounts: dict[Account, Count] = field(default_factory=dict)
    accesses: dict[tuple[str, Access], Tensor] = field(default_factory=dict)
    dense: dict[str, list[DenseMap]] = field(default_factory=dict)
    loops: int = 1
    rates: dict[str, Rate] = field(default_factory=dict)
    unpriced: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))

    def add(self, account: Account, count: Count) -> None:
        """Adds to an account, which the first entry opens."""
        if account in self.accounts:
            self.accounts[account] = self.accounts[account] + count
        else:
            self.accounts[account] = count

    def add_access(self, layer: str, access: Access, words: Int64[Tensor, "T B"]) -> None:
        """Words moved."""
        old = self.accesses.get((layer, access))
        self.accesses[layer, access] = words if old is None else _sum(old, words)

    def unroll(self, loops: int) -> None:
        """Notes that a network was called step by step, and keeps the maps of one step."""
        self.loops = loops
        for layer, maps in self.dense.items():
            if len(maps) % loops == 0:
                self.dense[layer] = maps[: len(maps) // loops]

    def add_dense(self, layer: str, dense: DenseMap) -> None:
        """A linear map or a product as an ANN would compute it."""
        self.dense.setdefault(layer, []).append(dense)

    def add_rate(self, layer: str, alphabet: Alphabet, spiking: int, elements: int) -> None:
        """Outputs of a neuron, over all steps and samples."""
        old = self.rates.get(layer, Rate(alphabet, 0, 0))
        self.rates[layer] = Rate(alphabet, old.spiking + spiking, old.elements + elements)

    def add_unpriced(self, layer: str, function: str, elements: int) -> None:
        """Elements of a function that has no price: never silently zero."""
        self.unpriced[layer, function] += elements

    def __iter__(self) -> Iterator[tuple[Account, Count]]:
        return iter(self.accounts.items())
