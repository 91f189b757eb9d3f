"""The loop over time that defines what every neuron computes, in plain PyTorch."""

from collections.abc import Callable

import torch
from torch import Tensor

from snnpd.neurons import equations
from snnpd.neurons.equations import Step
from snnpd.neurons.spec import NeuronSpec
from snnpd.neurons.state import initial_state
from snnpd.spikes import surrogate

Decay = float | Tensor | None


def run(
    spec: NeuronSpec, x_seq: Tensor, state: Tensor | float | None = None, decay: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The spikes of a sequence, in the input's dtype, and the state after its last step.

    A `decay` given as a tensor (learned) takes the place of the declared one.

    Shapes:
        x_seq and spikes: `[T, ...]`; state: `[...]`, in at least float32.

    Raises:
        UsageError: see `initial_state`.
    """
    state = initial_state(spec, x_seq, state)
    fire_and_reset = FIRE_AND_RESET[spec.alphabet.name]
    step = surrogate(spec.surrogate, spec.surrogate_scale) if spec.surrogate else None
    leak: Decay = spec.decay if decay is None else decay
    spikes = []
    # unbind, not indexing: its gradient is one stack, where each index would fill a whole zero sequence.
    for x in x_seq.unbind(0):
        potential = equations.charge(x, state, leak, spec.reset_potential, spec.decay_input)
        spike, state = fire_and_reset(spec, potential, step)
        spikes.append(spike.to(x.dtype))
    return torch.stack(spikes), state


def _binary(spec: NeuronSpec, potential: Tensor, step: Step) -> tuple[Tensor, Tensor]:
    spike = equations.fire_binary(potential, spec.threshold, step)
    if spec.reset == "hard":
        return spike, equations.reset_hard(potential, spike, spec.reset_potential, spec.detach_reset)
    return spike, equations.reset_soft(potential, spike, spec.threshold, spec.detach_reset)


def _ternary(spec: NeuronSpec, potential: Tensor, step: Step) -> tuple[Tensor, Tensor]:
    positive, negative = equations.fire_ternary(potential, spec.threshold, spec.lower_threshold, step)
    spike = positive - negative
    if spec.reset == "hard":
        event = spike if spec.detach_reset else positive + negative
        return spike, equations.reset_hard(potential, event, spec.reset_potential, spec.detach_reset)
    if spec.negative_threshold is None:
        return spike, equations.reset_soft(potential, spike, spec.threshold, spec.detach_reset)
    lowered = equations.reset_soft(potential, positive, spec.threshold, spec.detach_reset)
    return spike, equations.reset_soft(lowered, negative, -spec.lower_threshold, spec.detach_reset)


def _integer(spec: NeuronSpec, potential: Tensor, step: None) -> tuple[Tensor, Tensor]:
    count = equations.fire_integer(potential, spec.threshold, spec.alphabet.high)
    return count, equations.reset_soft(potential, count, spec.threshold, spec.detach_reset)


FIRE_AND_RESET: dict[str, Callable[..., tuple[Tensor, Tensor]]] = {
    "binary": _binary,
    "ternary": _ternary,
    "integer": _integer,
}
