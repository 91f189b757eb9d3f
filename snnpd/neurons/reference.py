"""The loop over time that defines what every neuron computes, in plain PyTorch."""

from collections.abc import Callable

import torch
from torch import Tensor

from snnpd.neurons.equations import (
    Heaviside,
    charge,
    fire_binary,
    fire_integer,
    fire_ternary,
    reset_hard,
    reset_soft,
)
from snnpd.neurons.spec import NeuronSpec
from snnpd.neurons.state import initial_state
from snnpd.spikes import surrogate


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
    heaviside = surrogate(spec.surrogate, spec.surrogate_scale) if spec.surrogate else None
    leak = spec.decay if decay is None else decay
    spikes = []
    # unbind, not indexing: its gradient is one stack, where each index would fill a whole zero sequence.
    for x in x_seq.unbind(0):
        spike, state = one_step(spec, x, state, leak, heaviside)
        spikes.append(spike.to(x.dtype))
    return torch.stack(spikes), state


def one_step(
    spec: NeuronSpec, x: Tensor, state: Tensor, decay: float | Tensor | None, heaviside: Heaviside | None
) -> tuple[Tensor, Tensor]:
    """The spike, in the state's dtype, and the next state; an integer neuron needs no `heaviside`."""
    potential = charge(x, state, decay, spec.reset_potential, spec.decay_input)
    return FIRE_AND_RESET[spec.alphabet.name](spec, potential, heaviside)


def _binary(spec: NeuronSpec, potential: Tensor, heaviside: Heaviside) -> tuple[Tensor, Tensor]:
    spike = fire_binary(potential, spec.threshold, heaviside)
    if spec.reset == "hard":
        return spike, reset_hard(potential, spike, spec.reset_potential, spec.detach_reset)
    return spike, reset_soft(potential, spike, spec.threshold, spec.detach_reset)


def _ternary(spec: NeuronSpec, potential: Tensor, heaviside: Heaviside) -> tuple[Tensor, Tensor]:
    positive, negative = fire_ternary(potential, spec.threshold, spec.lower_threshold, heaviside)
    spike = positive - negative
    if spec.reset == "hard":
        event = positive + negative
        return spike, reset_hard(potential, event, spec.reset_potential, spec.detach_reset)
    if spec.lower_threshold == spec.threshold:
        return spike, reset_soft(potential, spike, spec.threshold, spec.detach_reset)
    lowered = reset_soft(potential, positive, spec.threshold, spec.detach_reset)
    return spike, reset_soft(lowered, negative, -spec.lower_threshold, spec.detach_reset)


def _integer(spec: NeuronSpec, potential: Tensor, heaviside: None) -> tuple[Tensor, Tensor]:
    count = fire_integer(potential, spec.threshold, spec.alphabet.high)
    return count, reset_soft(potential, count, spec.threshold, spec.detach_reset)


FIRE_AND_RESET: dict[str, Callable[..., tuple[Tensor, Tensor]]] = {
    "binary": _binary,
    "ternary": _ternary,
    "integer": _integer,
}
