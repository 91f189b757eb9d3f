"""What a neuron may emit (alphabets), and what stands in for the derivative of its firing (surrogates)."""

import math
from dataclasses import dataclass

from spikingjelly.activation_based import surrogate as library
from torch import Tensor

from snnpd.errors import UsageError, unknown


@dataclass(frozen=True)
class Alphabet:
    """The integers `low..high` that a spike may be."""

    name: str
    low: int
    high: int

    @property
    def values(self) -> range:
        """The letters, in rising order."""
        return range(self.low, self.high + 1)

    def contains(self, tensor: Tensor) -> bool:
        """True if every element of `tensor` is a letter (NaN is none)."""
        return bool(((tensor >= self.low) & (tensor <= self.high) & (tensor == tensor.round())).all())


BINARY = Alphabet("binary", 0, 1)
TERNARY = Alphabet("ternary", -1, 1)


def integer(levels: int) -> Alphabet:
    """The alphabet {0, 1, ..., levels} of spike counts.

    Raises:
        UsageError: `levels` is no whole number above zero.
    """
    if not isinstance(levels, int) or levels < 1:
        raise UsageError(f"levels must be a whole number of at least 1, got {levels!r}")
    return Alphabet("integer", 0, levels)


# Each class fires inclusively, Θ(0) = 1, and takes one `alpha`: larger is narrower and, but for `super_spike`
# where it is the height alone, higher in proportion.
SURROGATES: dict[str, type[library.SurrogateFunctionBase]] = {
    "atan": library.ATan,
    "erf": library.Erf,
    "piecewise_exp": library.PiecewiseExp,
    "rectangle": library.Rect,
    "sigmoid": library.Sigmoid,
    "soft_sign": library.SoftSign,
    "super_spike": library.SuperSpike,
    "triangle": library.PiecewiseQuadratic,
}


def surrogate(name: str, scale: float | None = None) -> library.SurrogateFunctionBase:
    """The Heaviside step, Θ(0) = 1, with the named derivative; `scale` None keeps the library's default.

    Equation: derivative at x, with a = scale and its default in brackets
        atan [2]           a/2 / (1 + (π a x / 2)²)
        erf [2]            a/√π · exp(−a² x²)
        piecewise_exp [1]  a/2 · exp(−a |x|)
        rectangle [1]      a if |x| < 1/(2a), else 0
        sigmoid [4]        a σ(a x) (1 − σ(a x))
        soft_sign [2]      1 / (2a (1/a + |x|)²)
        super_spike [1]    a / (1 + |x|)²
        triangle [1]       a − a² |x| if |x| ≤ 1/a, else 0

    Raises:
        UsageError: no such surrogate, or a scale that is not a positive number.
    """
    if name not in SURROGATES:
        raise unknown("surrogate", name, SURROGATES)
    if scale is None:
        return SURROGATES[name]()
    if not (math.isfinite(scale) and scale > 0):
        raise UsageError(f"surrogate {name!r}: scale must be a positive number, got {scale}")
    return SURROGATES[name](alpha=scale)
