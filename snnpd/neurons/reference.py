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
from snnpd.neurons.values import DECLARED, Numbers, Values, in_force
from snnpd.spikes import surrogate


def run(
    spec: NeuronSpec, x_seq: Tensor, state: Tensor | float | None = None, values: Values = DECLARED
) -> tuple[Tensor, Tensor]:
    """The spikes of a sequence times their amplitude, in the input's dtype, and the state after its last step.

    `values` (learned, say) take the place of the declared numbers.

    Shapes:
        x_seq and spikes: `[T, ...]`; state: `[...]`, in at least float32.

    Raises:
        UsageError: see `initial_state`; numbers for channels that a step does not have.
    """
    state = initial_state(spec, x_seq, state)
    heaviside = surrogate(spec.surrogate, spec.surrogate_scale) if spec.surrogate else None
    numbers = in_force(spec, values, state)
    spikes = []
    # unbind, not indexing: its gradient is one stack, where each index would fill a whole zero sequence.
    for x in x_seq.unbind(0):
        # In the state's dtype from here on: (1 − decay) · x would else be rounded to the input's.
        spike, state = one_step(spec, x.to(state.dtype), state, numbers, heaviside)
        spikes.append((spike if numbers.amplitude is None else numbers.amplitude * spike).to(x.dtype))
    return torch.stack(spikes), state


def one_step(
    spec: NeuronSpec, x: Tensor, state: Tensor, numbers: Numbers, heaviside: Heaviside | None
) -> tuple[Tensor, Tensor]:
    """The spike, in the state's dtype, and the next state; an integer neuron needs no `heaviside`.

    `numbers` are those `in_force`.
    """
    potential = charge(x, state, numbers.decay, spec.reset_potential, spec.decay_input)
    return FIRE_AND_RESET[spec.alphabet.name](spec, potential, numbers, heaviside)


def _binary(
    spec: NeuronSpec, potential: Tensor, numbers: Numbers, heaviside: Heaviside
) -> tuple[Tensor, Tensor]:
    spike = fire_binary(potential, numbers.threshold, heaviside)
    if spec.reset == "hard":
        return spike, reset_hard(potential, spike, spec.reset_potential, spec.detach_reset)
    return spike, reset_soft(potential, spike, numbers.threshold, spec.detach_reset)


def _ternary(
    spec: NeuronSpec, potential: Tensor, numbers: Numbers, heaviside: Heaviside
) -> tuple[Tensor, Tensor]:
    positive, negative = fire_ternary(potential, numbers.threshold, numbers.negative_threshold, heaviside)
    spike = positive - negative
    if spec.reset == "hard":
        event = positive + negative
        return spike, reset_hard(potential, event, spec.reset_potential, spec.detach_reset)
    lowered = reset_soft(potential, positive, numbers.threshold, spec.detach_reset)
    return spike, reset_soft(lowered, negative, -numbers.negative_threshold, spec.detach_reset)


def _integer(spec: NeuronSpec, potential: Tensor, numbers: Numbers, heaviside: None) -> tuple[Tensor, Tensor]:
    count = fire_integer(potential, numbers.threshold, spec.alphabet.high)
    return count, reset_soft(potential, count, numbers.threshold, spec.detach_reset)


FIRE_AND_RESET: dict[str, Callable[..., tuple[Tensor, Tensor]]] = {
    "binary": _binary,
    "ternary": _ternary,
    "integer": _integer,
}
