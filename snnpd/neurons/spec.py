"""The declaration of a neuron: everything about it that is not learned."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from snnpd.errors import UsageError, unknown
from snnpd.spikes import Alphabet, surrogate

RESETS = ("hard", "soft")

# One number for each channel; a plain number serves them all.
PerChannel = tuple[float, ...]


@dataclass(frozen=True)
class NeuronSpec:
    """A neuron of the integrate-and-fire family; what is learned comes beside it, as tensors, at each call.

    `decay` None means no leak (IF); `reset` is "hard" or "soft". `negative_threshold` is a magnitude, of ternary
    neurons only; None means symmetric. `surrogate` None means straight-through, which is what integer neurons take.
    Decay and thresholds may be tuples, one number for each channel along dimension `channel_dim` of a time step.

    Raises:
        UsageError: a value out of its range, or options that contradict each other.
    """

    alphabet: Alphabet
    decay: float | PerChannel | None = 0.5
    threshold: float | PerChannel = 1.0
    negative_threshold: float | PerChannel | None = None
    reset: str = "hard"
    reset_potential: float = 0.0
    detach_reset: bool = True
    surrogate: str | None = "sigmoid"
    surrogate_scale: float | None = None
    decay_input: bool = False
    channel_dim: int = -1

    def __post_init__(self) -> None:
        _check_leak(self)
        _check_thresholds(self)
        _check_reset(self)
        _check_surrogate(self)

    @property
    def lower_threshold(self) -> float | PerChannel:
        """The magnitude θ₋ of the negative threshold of a ternary neuron."""
        return self.threshold if self.negative_threshold is None else self.negative_threshold


def every(value: float | PerChannel | None) -> PerChannel:
    """All the numbers of a value; none where it is None."""
    if value is None:
        return ()
    return value if isinstance(value, tuple) else (value,)


def numbers(value: float | Sequence[float]) -> float | PerChannel:
    """A number as it is, a sequence or tensor of them as a tuple."""
    if isinstance(value, float | int):
        return value
    return tuple(float(number) for number in value)


def decay_from_tau(tau: float) -> float:
    """The multiplicative decay 1 − 1/tau of a time constant of `tau` steps, SpikingJelly's `tau`.

    Raises:
        UsageError: `tau` is below one step.
    """
    if not (math.isfinite(tau) and tau >= 1):
        raise UsageError(f"tau must be a finite number of at least 1 time step, got {tau}")
    return 1.0 - 1.0 / tau


def _check_leak(spec: NeuronSpec) -> None:
    if spec.decay is None:
        if spec.decay_input:
            raise UsageError("decay_input needs a leak: give a decay, or leave decay_input off")
    elif not all(0 <= decay <= 1 for decay in every(spec.decay)):
        raise UsageError(f"decay must lie in [0, 1], got {spec.decay}; decay_from_tau converts a tau")


def _check_thresholds(spec: NeuronSpec) -> None:
    if spec.negative_threshold is not None and spec.alphabet.low >= 0:
        raise UsageError(f"negative_threshold is for ternary neurons; a {spec.alphabet.name} one has none")
    for name in ("threshold", "negative_threshold"):
        value = getattr(spec, name)
        if not all(math.isfinite(number) and number > 0 for number in every(value)):
            raise UsageError(f"{name} must be a positive number (a magnitude), got {value}")


def _check_reset(spec: NeuronSpec) -> None:
    if spec.reset not in RESETS:
        raise unknown("reset", spec.reset, RESETS)
    if spec.reset == "soft":
        if spec.reset_potential:
            raise UsageError(
                f"a soft reset has no reset_potential: leave out {spec.reset_potential}, or use reset='hard'"
            )
        return
    if spec.alphabet.name == "integer":
        raise UsageError("an integer neuron keeps the remainder of its potential: use reset='soft'")
    ceiling = min(every(spec.threshold))
    floor = -min(every(spec.lower_threshold)) if spec.alphabet.low < 0 else -math.inf
    if not floor < spec.reset_potential < ceiling or math.isinf(spec.reset_potential):
        raise UsageError(f"reset_potential must lie inside ({floor}, {ceiling}), got {spec.reset_potential}")


def _check_surrogate(spec: NeuronSpec) -> None:
    if spec.alphabet.name == "integer":
        if spec.surrogate is not None or spec.surrogate_scale is not None:
            raise UsageError("an integer neuron is straight-through: leave surrogate and its scale None")
    elif spec.surrogate is None:
        raise UsageError(f"a {spec.alphabet.name} neuron needs a surrogate; 'sigmoid' is the default")
    else:
        surrogate(spec.surrogate, spec.surrogate_scale)
