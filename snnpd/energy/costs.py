"""What an operation costs, in picojoules: published figures as data, with what each model leaves out."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from snnpd.errors import UsageError, unknown

Kind = Literal["mac", "ac", "shift", "compare", "and", "leading_one"]


class Operation(NamedTuple):
    """A class of operations: what is done, on words of how many bits, whole numbers or floats.

    `mac` multiplies and adds, `ac` adds (what an event does with a weight), `shift` shifts a word, `compare` decides
    a threshold, `and` gates one spike by another, `leading_one` finds the highest bit of a sum.
    """

    kind: Kind
    bits: int
    is_float: bool = False


class Access(NamedTuple):
    """A class of memory accesses: words of `bits` to or from a memory that holds `capacity` of them."""

    what: str
    mode: Literal["read", "write"]
    bits: int
    capacity: int


@dataclass(frozen=True)
class CostModel:
    """Prices of operations; `assumptions` are to stand beside every figure that comes of them.

    Units: pJ an operation.
    """

    name: str
    source: str
    assumptions: tuple[str, ...]
    price: Callable[[Operation], float]

    def energy_pj(self, operation: Operation) -> float:
        """The price of one operation.

        Raises:
            UsageError: no such kind, no width, or floats of a width that nobody has measured.
        """
        if operation.kind not in get_args(Kind):
            raise unknown("operation", operation.kind, get_args(Kind))
        if operation.bits < 1:
            raise UsageError(f"an operation on {operation.bits} bits; give at least 1")
        return self.price(operation)


# Horowitz, "Computing's energy problem", ISSCC 2014: 45 nm, 0.9 V.
_ADD = {8: 0.03, 16: 0.05, 32: 0.1}
_MULTIPLY = {8: 0.2, 32: 3.1}
_ADD_FLOAT = {16: 0.4, 32: 0.9}
_MULTIPLY_FLOAT = {16: 1.1, 32: 3.7}
_SHIFTS_AN_ADD = 20


def _between(table: Mapping[int, float], bits: int, power: int) -> float:
    """A power law between the neighbours in the table; beyond its ends, bits to the given power."""
    if bits in table:
        return table[bits]
    low, high = min(table), max(table)
    if not low < bits < high:
        end = low if bits < low else high
        return table[end] * (bits / end) ** power
    below = max(width for width in table if width < bits)
    above = min(width for width in table if width > bits)
    exponent = math.log(table[above] / table[below]) / math.log(above / below)
    return table[below] * (bits / below) ** exponent


def _of_floats(table: Mapping[int, float], bits: int) -> float:
    if bits not in table:
        raise UsageError(f"no price of floats of {bits} bits; there are {', '.join(map(str, table))}")
    return table[bits]


def _horowitz(operation: Operation) -> float:
    kind, bits, is_float = operation
    add = _of_floats(_ADD_FLOAT, bits) if is_float else _between(_ADD, bits, 1)
    if kind == "mac":
        multiply = _of_floats(_MULTIPLY_FLOAT, bits) if is_float else _between(_MULTIPLY, bits, 2)
        return multiply + add
    return add / _SHIFTS_AN_ADD if kind == "shift" else add


def _community(operation: Operation) -> float:
    return {"mac": 4.6, "ac": 0.9}.get(operation.kind, 0.0)


COST_MODELS = {
    model.name: model
    for model in (
        CostModel(
            "horowitz45",
            "Horowitz, Computing's energy problem (and what we can do about it), ISSCC 2014, figure 1.1.9",
            (
                "45 nm, 0.9 V; arithmetic alone, no memory, no control",
                "whole numbers between the measured widths (8, 16, 32 bits; multiplications 8, 32) by a power law; "
                "below and beyond, additions in proportion to the width, multiplications to its square",
                "a comparison and the search for the leading one cost an addition",
                "a shift costs a twentieth of an addition: bipolar self-attention's claim, not a measurement",
            ),
            _horowitz,
        ),
        CostModel(
            "community",
            "E = 4.6 pJ · MAC + 0.9 pJ · AC, as in Spikformer (Zhou et al., 2023) and its successors",
            (
                "45 nm, 32-bit floats whatever the width",
                "nothing but products of analog values and additions of events: no neuron, shift, memory or control",
            ),
            _community,
        ),
    )
}
