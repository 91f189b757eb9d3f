"""Neurons by a fused kernel: the declaration and the tensors of a module, put as the operator takes them."""

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from snnpd.neurons.launch import ALPHABETS, SCALE, SHIFT, SURROGATE_CODES
from snnpd.neurons.op import run as run_operator
from snnpd.neurons.spec import NeuronSpec
from snnpd.neurons.state import initial_state
from snnpd.neurons.values import Values, channels_of, check_channels, table
from snnpd.spikes import surrogate


class Before(NamedTuple):
    """What happens to the input in the same pass: y = scale · x + shift + skip; each may be missing.

    `scale`, `shift` are `[C]`; where they come from the batch's own `mean` and `inverse_deviation`, both `[C]` without
    a gradient, these are given too, and the gradient through the statistics is added. `skip` has the input's shape; the
    sum is put into `totals`. `channel_dim` is the step's dimension that `scale` runs along.
    """

    scale: Tensor | None = None
    shift: Tensor | None = None
    mean: Tensor | None = None
    inverse_deviation: Tensor | None = None
    skip: Tensor | None = None
    channel_dim: int = -1
    totals: list[Tensor] | None = None


NOTHING_BEFORE = Before()


class Outcome(NamedTuple):
    """Spikes, the state after the last step, and the residual sum where there was one."""

    spikes: Tensor
    state: Tensor
    total: Tensor | None


def run(
    implementation: str,
    spec: NeuronSpec,
    x_seq: Tensor,
    state: Tensor | float | None,
    values: Values,
    memory: str = "lean",
    before: Before = NOTHING_BEFORE,
) -> Outcome:
    """The neuron by the kernels of `implementation`; the arguments are `reference.run`'s."""
    state = initial_state(spec, x_seq, state)
    check_channels(channels_of(spec, values), tuple(state.shape), spec.channel_dim)
    rows, channel_dim = table(spec, values, state), spec.channel_dim
    if before.scale is not None:
        rows, channel_dim = _with_normalisation(rows, before), before.channel_dim
        check_channels(rows.shape[1], tuple(state.shape), channel_dim)
    learned = _learned(values, before)
    tensors = (x_seq, state, rows, before.skip)
    needs_grad = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)
    spikes, next_state, _, total = run_operator(
        x_seq,
        state,
        rows,
        before.skip,
        channel_dim,
        equation_numbers(spec),
        before.scale is not None,
        before.mean is not None,
        memory if needs_grad else "none",
        learned,
        implementation,
    )
    return Outcome(spikes, next_state, None if before.skip is None else total)


@cache
def equation_numbers(spec: NeuronSpec) -> list[float]:
    """The declaration as the numbers of `snnpd.neurons.launch.Equation`, in its order."""
    alphabet, code, scale = ALPHABETS.index(spec.alphabet.name), 0, 1.0
    if spec.surrogate is not None:
        code = SURROGATE_CODES[spec.surrogate]
        scale = float(surrogate(spec.surrogate, spec.surrogate_scale).alpha)
    flags = (spec.decay_input, spec.detach_reset)
    numbers = (alphabet, spec.alphabet.high, spec.reset == "hard", spec.reset_potential, *flags, code, scale)
    return [float(number) for number in numbers]


def _with_normalisation(rows: Tensor, before: Before) -> Tensor:
    assert before.scale is not None
    assert before.shift is not None
    upper = rows[:SCALE].expand(SCALE, len(before.scale))
    mean = torch.zeros_like(before.scale) if before.mean is None else before.mean
    inverse = torch.ones_like(before.scale) if before.inverse_deviation is None else before.inverse_deviation
    lower = torch.stack([before.scale, before.shift, mean, inverse]).to(rows.dtype)
    return torch.cat([upper, lower])


def _learned(values: Values, before: Before) -> int:
    """A bit for each row of the table whose gradient is wanted."""
    if not torch.is_grad_enabled():
        return 0
    bits = 0
    for row, tensor in enumerate((*values, before.scale, before.shift)):  # in the order of ROWS
        if tensor is not None and tensor.requires_grad:
            bits |= 1 << row
    if values.threshold is not None and values.negative_threshold is None:
        bits |= bits << 1 & 4  # a learned threshold is the negative one too
    # The gradient through a batch's statistics needs both sums, learned or not.
    return bits if before.mean is None else bits | 1 << SCALE | 1 << SHIFT
