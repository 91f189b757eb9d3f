"""The binary and the integer neurons as modules."""

from collections.abc import Sequence
from typing import Any

from snnpd.neurons.base import Neuron
from snnpd.neurons.spec import NeuronSpec, numbers
from snnpd.spikes import BINARY, integer

Number = float | Sequence[float]


class IF(Neuron):
    """Integrate-and-fire with binary spikes: no leak.

    Equation: u = h + x; s = Θ(u − threshold).
    """

    def __init__(
        self,
        *,
        threshold: Number = 1.0,
        reset: str = "hard",
        reset_potential: float = 0.0,
        detach_reset: bool = True,
        surrogate: str = "sigmoid",
        surrogate_scale: float | None = None,
        **options: Any,
    ) -> None:
        spec = NeuronSpec(
            BINARY,
            decay=None,
            threshold=numbers(threshold),
            reset=reset,
            reset_potential=reset_potential,
            detach_reset=detach_reset,
            surrogate=surrogate,
            surrogate_scale=surrogate_scale,
        )
        super().__init__(spec, **options)


class LIF(Neuron):
    """Leaky integrate-and-fire with binary spikes.

    Equation: u = reset_potential + decay · (h − reset_potential) + gain · x; s = Θ(u − threshold);
        gain = 1 − decay if `decay_input`, else 1. `decay_from_tau` converts SpikingJelly's `tau`.
    """

    def __init__(
        self,
        *,
        decay: Number = 0.5,
        threshold: Number = 1.0,
        reset: str = "hard",
        reset_potential: float = 0.0,
        detach_reset: bool = True,
        surrogate: str = "sigmoid",
        surrogate_scale: float | None = None,
        decay_input: bool = False,
        **options: Any,
    ) -> None:
        spec = NeuronSpec(
            BINARY,
            decay=numbers(decay),
            threshold=numbers(threshold),
            reset=reset,
            reset_potential=reset_potential,
            detach_reset=detach_reset,
            surrogate=surrogate,
            surrogate_scale=surrogate_scale,
            decay_input=decay_input,
        )
        super().__init__(spec, **options)


class ParametricLIF(LIF):
    """LIF with a learned decay, one for the layer or (`channels`) for each channel; `decay` is where it starts.

    Equation: LIF's, with decay = σ(w).
    Source: PLIF (Fang et al., ICCV 2021). There, as in SpikingJelly, σ(w) = 1/tau: our w is minus theirs.
    """

    def __init__(self, *, learned: str | Sequence[str] = (), **options: Any) -> None:
        more = (learned,) if isinstance(learned, str) else learned
        super().__init__(learned=("decay", *more), **options)


class IntegerLIF(Neuron):
    """I-LIF: each step emits a count of 0 to `levels` spikes and keeps the remainder (soft reset).

    Equation: u = decay · h + gain · x; s = round(clip(u / threshold, 0, levels)); h = u − threshold · s;
        gain = 1 − decay if `decay_input`, else 1; straight-through gradient inside [0, levels].
    Source: I-LIF (Luo et al., ECCV 2024), whose code has decay = 0.25.
    """

    def __init__(
        self,
        *,
        levels: int = 4,
        decay: Number = 0.5,
        threshold: Number = 1.0,
        detach_reset: bool = True,
        decay_input: bool = False,
        **options: Any,
    ) -> None:
        spec = NeuronSpec(
            integer(levels),
            decay=numbers(decay),
            threshold=numbers(threshold),
            reset="soft",
            detach_reset=detach_reset,
            surrogate=None,
            decay_input=decay_input,
        )
        super().__init__(spec, **options)
