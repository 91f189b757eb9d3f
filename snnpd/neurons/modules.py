"""The binary and the integer neurons as modules."""

import math

import torch
from torch import Tensor, nn

from snnpd.errors import UsageError
from snnpd.neurons.base import Neuron
from snnpd.neurons.spec import NeuronSpec
from snnpd.spikes import BINARY, integer


class IF(Neuron):
    """Integrate-and-fire with binary spikes: no leak.

    Equation: u = h + x; s = Θ(u − threshold).
    """

    def __init__(
        self,
        *,
        threshold: float = 1.0,
        reset: str = "hard",
        reset_potential: float = 0.0,
        detach_reset: bool = True,
        surrogate: str = "sigmoid",
        surrogate_scale: float | None = None,
        implementation: str = "auto",
        step_mode: str = "m",
    ) -> None:
        spec = NeuronSpec(
            BINARY,
            decay=None,
            threshold=threshold,
            reset=reset,
            reset_potential=reset_potential,
            detach_reset=detach_reset,
            surrogate=surrogate,
            surrogate_scale=surrogate_scale,
        )
        super().__init__(spec, implementation, step_mode)


class LIF(Neuron):
    """Leaky integrate-and-fire with binary spikes.

    Equation: u = reset_potential + decay · (h − reset_potential) + gain · x; s = Θ(u − threshold);
        gain = 1 − decay if `decay_input`, else 1. `decay_from_tau` converts SpikingJelly's `tau`.
    """

    def __init__(
        self,
        *,
        decay: float = 0.5,
        threshold: float = 1.0,
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
            BINARY,
            decay=decay,
            threshold=threshold,
            reset=reset,
            reset_potential=reset_potential,
            detach_reset=detach_reset,
            surrogate=surrogate,
            surrogate_scale=surrogate_scale,
            decay_input=decay_input,
        )
        super().__init__(spec, implementation, step_mode)


class ParametricLIF(Neuron):
    """LIF with one learned decay for the layer; `decay`, strictly between 0 and 1, is where it starts.

    Equation: LIF's, with decay = σ(w).
    Source: PLIF (Fang et al., ICCV 2021). There, as in SpikingJelly, σ(w) = 1/tau: our w is minus theirs.
    """

    def __init__(
        self,
        *,
        decay: float = 0.5,
        threshold: float = 1.0,
        reset: str = "hard",
        reset_potential: float = 0.0,
        detach_reset: bool = True,
        surrogate: str = "sigmoid",
        surrogate_scale: float | None = None,
        decay_input: bool = False,
        implementation: str = "auto",
        step_mode: str = "m",
    ) -> None:
        if not 0 < decay < 1:
            raise UsageError(f"a learned decay starts strictly between 0 and 1, got {decay}")
        spec = NeuronSpec(
            BINARY,
            decay=decay,
            threshold=threshold,
            reset=reset,
            reset_potential=reset_potential,
            detach_reset=detach_reset,
            surrogate=surrogate,
            surrogate_scale=surrogate_scale,
            decay_input=decay_input,
        )
        super().__init__(spec, implementation, step_mode)
        self.w = nn.Parameter(torch.tensor(math.log(decay / (1 - decay))))

    def learned_decay(self) -> Tensor:
        """σ(w), in at least float32."""
        return self.w.to(torch.promote_types(self.w.dtype, torch.float32)).sigmoid()


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
        decay: float = 0.5,
        threshold: float = 1.0,
        detach_reset: bool = True,
        decay_input: bool = False,
        implementation: str = "auto",
        step_mode: str = "m",
    ) -> None:
        spec = NeuronSpec(
            integer(levels),
            decay=decay,
            threshold=threshold,
            reset="soft",
            detach_reset=detach_reset,
            surrogate=None,
            decay_input=decay_input,
        )
        super().__init__(spec, implementation, step_mode)
