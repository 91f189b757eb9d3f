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

    Units: pJ an operation, pJ a word moved.
    """

    name: str
    source: str
    assumptions: tuple[str, ...]
    price: Callable[[Operation], float]
    access_price: Callable[[Access], float] = lambda access: 0.0

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
        if is_float:
            return _of_floats(_MULTIPLY_FLOAT, bits) + add
        return _between(_MULTIPLY, bits, 2) + _between(_ADD, max(bits, 32), 1)
    return add / _SHIFTS_AN_ADD if kind == "shift" else add


# SRAM, pJ for 64 bits, by kilobytes.
_SRAM = {8: 10.0, 32: 20.0, 1024: 100.0}


def _sram(access: Access) -> float:
    kilobytes = max(access.bits * access.capacity / 8 / 1024, 1 / 1024)
    measured = min(max(kilobytes, 8), 1024)
    log = {math.log2(size): math.log2(energy) for size, energy in _SRAM.items()}
    low, high = (3, 5) if measured <= 32 else (5, 10)
    share = (math.log2(measured) - low) / (high - low)
    energy = 2 ** (log[low] + share * (log[high] - log[low])) * math.sqrt(kilobytes / measured)
    return energy * access.bits / 64


def _lemaire(access: Access) -> float:
    addresses = _ADD[32] if access.what == "weight" else 0.0
    return _sram(access) + addresses


_MOVED_PJ_A_BIT = 3.12


def _step(access: Access) -> float:
    return _MOVED_PJ_A_BIT * access.bits if access.what == "potential" else 0.0


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
                "products of whole numbers are summed in 32 bits",
                "a comparison and the search for the leading one cost an addition",
                "a shift costs a twentieth of an addition: bipolar self-attention's claim, not a measurement",
            ),
            _horowitz,
        ),
        CostModel(
            "community",
            "E = 4.6 pJ · MAC + 0.9 pJ · AC, as in Spikformer (Zhou et al., 2023) and its successors",
            (
                "45 nm, 32-bit floats whatever the width: narrower words, of a quantised ANN say, cost as much",
                "no shift, comparison, memory or control; published figures have linear maps and products alone, "
                "here the additions of neurons, residual sums, pools and normalisations are in it too",
            ),
            _community,
        ),
        CostModel(
            "lemaire",
            "Lemaire et al., An analytical estimation of spiking neural networks energy efficiency, ICONIP 2022",
            (
                "arithmetic as in horowitz45, and every word that is read or written, at Horowitz's SRAM figures "
                "(64 bits: 8 KB 10 pJ, 32 KB 20 pJ, 1 MB 100 pJ; a power law between, the square root of the size "
                "below and beyond; in proportion to the width)",
                "each tensor of a sample lies in a memory of just its own size, each weight matrix too",
                "events: an input is read once, a weight (or the other operand) is read and an accumulator read and "
                "written for each addition; analog words: both operands are read for each product, an output is "
                "written once",
                "neurons read and write their potential at each step; Shiftmax writes its scores and reads them",
                "addressing: a 32-bit addition for each weight that is read",
                "fully connected layers of events: additions in proportion to the outputs alone (the paper's "
                "equation 2.4 has the inputs too, an erratum)",
            ),
            _horowitz,
            _lemaire,
        ),
        CostModel(
            "step",
            "STEP: a unified spiking transformer evaluation platform, 2025",
            (
                "arithmetic as in community; and 3.12 pJ for each bit of a membrane potential, which is read and "
                "written at each step (24.96 pJ a byte)",
                "no other memory",
            ),
            _community,
            _step,
        ),
    )
}
