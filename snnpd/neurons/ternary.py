"""The ternary (bipolar) neurons as modules."""

from typing import Any

from snnpd.neurons.base import Neuron
from snnpd.neurons.modules import Number
from snnpd.neurons.spec import NeuronSpec, numbers
from snnpd.spikes import TERNARY


class TernaryIF(Neuron):
    """Integrate-and-fire with spikes −1, 0, 1: no leak.

    Equation: u = h + x; s = Θ(u − threshold) − Θ(−u − negative_threshold), both inclusive; None is symmetric.
    """

    def __init__(
        self,
        *,
        threshold: Number = 1.0,
        negative_threshold: Number | None = None,
        reset: str = "hard",
        reset_potential: float = 0.0,
        detach_reset: bool = True,
        surrogate: str = "sigmoid",
        surrogate_scale: float | None = None,
        **options: Any,
    ) -> None:
        spec = NeuronSpec(
            TERNARY,
            decay=None,
            threshold=numbers(threshold),
            negative_threshold=None if negative_threshold is None else numbers(negative_threshold),
            reset=reset,
            reset_potential=reset_potential,
            detach_reset=detach_reset,
            surrogate=surrogate,
            surrogate_scale=surrogate_scale,
        )
        super().__init__(spec, **options)


class TernaryLIF(Neuron):
    """Leaky integrate-and-fire with spikes −1, 0, 1.

    Equation: u = reset_potential + decay · (h − reset_potential) + gain · x, gain as in `LIF`;
        s = Θ(u − threshold) − Θ(−u − negative_threshold), both inclusive; None is symmetric.
    Source: BSA eq. 9–11 for reset_potential = 0. The Ternary Spike neuron (Guo et al., AAAI 2024) is
        decay=0.25, threshold=0.5, learned="amplitude", surrogate="rectangle": the two unit windows make up
        its straight-through window [−1, 1].
    """

    def __init__(
        self,
        *,
        decay: Number = 0.5,
        threshold: Number = 1.0,
        negative_threshold: Number | None = None,
        reset: str = "hard",
        reset_potential: float = 0.0,
        detach_reset: bool = True,
        surrogate: str = "sigmoid",
        surrogate_scale: float | None = None,
        decay_input: bool = False,
        **options: Any,
    ) -> None:
        spec = NeuronSpec(
            TERNARY,
            decay=numbers(decay),
            threshold=numbers(threshold),
            negative_threshold=None if negative_threshold is None else numbers(negative_threshold),
            reset=reset,
            reset_potential=reset_potential,
            detach_reset=detach_reset,
            surrogate=surrogate,
            surrogate_scale=surrogate_scale,
            decay_input=decay_input,
        )
        super().__init__(spec, **options)
