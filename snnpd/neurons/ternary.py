"""The ternary (bipolar) neurons as modules."""

import torch
from torch import Tensor, nn

from snnpd.errors import unknown
from snnpd.neurons.base import Neuron
from snnpd.neurons.spec import NeuronSpec
from snnpd.spikes import TERNARY

AMPLITUDES = ("fixed", "learned")


class TernaryNeuron(Neuron):
    """A ternary neuron; abstract. With amplitude "learned" the output is amplitude · spikes.

    The amplitude, one number that starts at 1, folds into the next weight once trained: the spikes
    themselves, the state and `alphabet` stay ternary.
    """

    def __init__(self, spec: NeuronSpec, amplitude: str, implementation: str, step_mode: str) -> None:
        super().__init__(spec, implementation, step_mode)
        if amplitude not in AMPLITUDES:
            raise unknown("amplitude", amplitude, AMPLITUDES)
        self.amplitude = nn.Parameter(torch.tensor(1.0)) if amplitude == "learned" else None

    def emit(self, spikes: Tensor) -> Tensor:
        """The spikes, times the amplitude where it is learned."""
        return spikes if self.amplitude is None else self.amplitude * spikes


class TernaryIF(TernaryNeuron):
    """Integrate-and-fire with spikes −1, 0, 1: no leak.

    Equation: u = h + x; s = Θ(u − threshold) − Θ(−u − negative_threshold), both inclusive; None is symmetric.
    """

    def __init__(
        self,
        *,
        threshold: float = 1.0,
        negative_threshold: float | None = None,
        amplitude: str = "fixed",
        reset: str = "hard",
        reset_potential: float = 0.0,
        detach_reset: bool = True,
        surrogate: str = "sigmoid",
        surrogate_scale: float | None = None,
        implementation: str = "auto",
        step_mode: str = "m",
    ) -> None:
        spec = NeuronSpec(
            TERNARY,
            decay=None,
            threshold=threshold,
            negative_threshold=negative_threshold,
            reset=reset,
            reset_potential=reset_potential,
            detach_reset=detach_reset,
            surrogate=surrogate,
            surrogate_scale=surrogate_scale,
        )
        super().__init__(spec, amplitude, implementation, step_mode)


class TernaryLIF(TernaryNeuron):
    """Leaky integrate-and-fire with spikes −1, 0, 1.

    Equation: u = reset_potential + decay · (h − reset_potential) + gain · x, gain as in `LIF`;
        s = Θ(u − threshold) − Θ(−u − negative_threshold), both inclusive; None is symmetric.
    Source: BSA eq. 9–11 for reset_potential = 0. The Ternary Spike neuron (Guo et al., AAAI 2024) is
        decay=0.25, threshold=0.5, amplitude="learned", surrogate="rectangle": the two unit windows make up
        its straight-through window [−1, 1].
    """

    def __init__(
        self,
        *,
        decay: float = 0.5,
        threshold: float = 1.0,
        negative_threshold: float | None = None,
        amplitude: str = "fixed",
        reset: str = "hard",
        reset_potential: float = 0.0,
        detach_reset: bool = True,
        surrogate: str = "sigmoid",
        surrogate_scale: float | None = None,
        decay_input: bool = False,
        implementation: str = "auto",
        step_mode: str = "m",
    ) -> None:
        spec = NeuronSpec(
            TERNARY,
            decay=decay,
            threshold=threshold,
            negative_threshold=negative_threshold,
            reset=reset,
            reset_potential=reset_potential,
            detach_reset=detach_reset,
            surrogate=surrogate,
            surrogate_scale=surrogate_scale,
            decay_input=decay_input,
        )
        super().__init__(spec, amplitude, implementation, step_mode)
