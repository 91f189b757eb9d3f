"""Where an operator runs: its layer, its batch, its words; and what the rules write down there."""

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from snnpd.energy.costs import Access, Kind, Operation
from snnpd.energy.ledger import Account, Count, DenseMap, Ledger
from snnpd.energy.signals import Signal, Signals
from snnpd.energy.sums import nonzeros, units
from snnpd.errors import UsageError


class Word(NamedTuple):
    """The width of what is not events: weights, potentials, values."""

    bits: int = 32
    is_float: bool = True


@dataclass
class Scene:
    """The batch that is being counted, and the layer that runs."""

    batch_size: int
    word: Word
    signals: Signals = field(default_factory=Signals)
    ledger: Ledger = field(default_factory=Ledger)
    layer: str = ""

    def rows(self, signal: Signal) -> int:
        """Time steps × samples in front of an activation."""
        return signal.steps * self.batch_size

    def per_row(self, numel: int, signal: Signal) -> int:
        """Elements of each row.

        Raises:
            UsageError: the rows do not divide them: a layer that is called for each step or sample on its own.
        """
        rows = self.rows(signal)
        if numel % rows:
            raise UsageError(
                f"{self.layer}: {numel} elements are not those of {signal.steps} time steps x {self.batch_size} "
                "samples; a layer that runs on parts of a batch can be counted with batches of one"
            )
        return numel // rows

    def count(
        self,
        role: str,
        kind: Kind,
        signal: Signal,
        done: Tensor | int,
        skipped: Tensor | int = 0,
        bits: int | None = None,
    ) -> None:
        """Writes operations down, one number a row or the same for all; on words unless `bits` says otherwise."""
        word = self.word if bits is None else Word(bits, is_float=False)
        operation = Operation(kind, word.bits, word.is_float)
        count = Count(*(self._per_sample(number, signal) for number in (done, skipped)))
        self.ledger.add(Account(self.layer, role, operation), count)

    def access(
        self,
        what: str,
        mode: Literal["read", "write"],
        words: Tensor | int,
        signal: Signal,
        capacity: int,
        bits: int | None = None,
    ) -> None:
        """Writes down words moved to or from a memory of `capacity` words, one number a row or the same for all."""
        width = self.word.bits if bits is None else bits
        self.ledger.add_access(
            self.layer, Access(what, mode, width, capacity), self._per_sample(words, signal)
        )

    def dense(self, products: int, inputs: int, weights: int, outputs: int) -> None:
        """Writes a linear map or a product down as an ANN would compute it, for one sample at one step."""
        self.ledger.add_dense(self.layer, DenseMap(products, inputs, weights, outputs))

    def units(self, x: Tensor, signal: Signal) -> Tensor:
        """Unit events of each row."""
        seen = self.signals.seen(x, self.rows(signal))
        return units(x, signal, self.rows(signal)) if seen is None else seen.events

    def nonzeros(self, x: Tensor, signal: Signal) -> Tensor:
        """Elements of each row that are not zero."""
        seen = self.signals.seen(x, self.rows(signal))
        return nonzeros(x, signal, self.rows(signal)) if seen is None else seen.spiking

    def _per_sample(self, number: Tensor | int, signal: Signal) -> Tensor:
        if isinstance(number, int):
            return torch.full((signal.steps, self.batch_size), number, dtype=torch.int64)
        return number.long().cpu().view(signal.steps, self.batch_size)


class Call(NamedTuple):
    """An operator that has run: arguments and result."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    out: Any

    def argument(self, position: int, name: str, default: Any = None) -> Any:
        """An argument, however it was given."""
        if position < len(self.args):
            return self.args[position]
        return self.kwargs.get(name, default)

    @property
    def result(self) -> Tensor:
        """The first tensor of the result."""
        first = self.out[0] if isinstance(self.out, tuple | list) else self.out
        assert isinstance(first, Tensor)
        return first
