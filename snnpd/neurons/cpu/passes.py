"""The forward and the backward pass over all time steps of the neurons from `start` to `stop`, block by block.

Arrays that are not there have length zero. Sequences are read once: a block's states and gradients wait in cache.
"""

import numpy as np
from numba import njit

from snnpd.neurons.cpu.blocks import (
    OPTIONS,
    charge,
    columns,
    fire,
    fma,
    gather,
    load,
    potential_gradient,
    read,
    reset,
    slopes,
    store,
    stored_as,
    threshold_gradients,
)

# Neurons a block: a dozen buffers of this length stay in cache, and the calls between them cost little beside the work.
BLOCK = 1024


@njit(**OPTIONS)
def arrive(y, t, at, x, skip, total, table, place, is_affine):
    """What the neurons from `at` on integrate at step t: the input, normalised, plus the skipped; kept in `total`."""
    num_neurons, inner, pitch, step = place[1], place[2], place[3], place[4]
    gather(y, x, t * step, at, inner, pitch)
    begin = t * num_neurons + at
    if is_affine:
        scale, shift = table[4], table[5]
        for j in range(len(y)):
            y[j] = fma(scale[j], y[j], shift[j])
    if len(skip):
        skipped = skip[begin : begin + len(y)]
        for j in range(len(y)):
            y[j] += read(skipped[j])
    if len(total):
        kept = total[begin : begin + len(y)]
        for j in range(len(y)):
            kept[j] = stored_as(y[j], kept[j])
            y[j] = read(kept[j])


@njit(**OPTIONS)
def forward(
    x, skip, state, values, spikes, next_state, potentials, total, place, equation, numbers, start, stop
):
    """Spikes, and where asked for the potentials and the residual sums; see `snnpd.neurons.launch`."""
    num_steps, num_neurons, channel_inner = place[0], place[1], place[5]
    alphabet, is_hard, decay_input, is_affine = equation[0], equation[1], equation[2], equation[5]
    rest, levels = numbers[0], numbers[1]
    table = np.empty((6, BLOCK), state.dtype)
    buffers = np.empty((3, BLOCK), state.dtype)
    columns(table, values, start, channel_inner)
    for at in range(start, stop, BLOCK):
        width = min(BLOCK, stop - at)
        y, h, s = buffers[0, :width], buffers[1, :width], buffers[2, :width]
        if values.shape[1] > 1:
            columns(table, values, at, channel_inner)
        h[:] = state[at : at + width]
        for t in range(num_steps):
            begin = t * num_neurons + at
            arrive(y, t, at, x, skip, total, table, place, is_affine)
            charge(y, h, table[0], rest, decay_input)
            if len(potentials):
                potentials[begin : begin + width] = y
            fire(s, y, table[1], table[2], alphabet, levels)
            reset(h, s, y, table[1], table[2], is_hard, rest)
            emitted, amplitude = spikes[begin : begin + width], table[3]
            for j in range(width):
                emitted[j] = stored_as(amplitude[j] * s[j], emitted[j])
        next_state[at : at + width] = h


@njit(**OPTIONS)
def potentials_of(u_all, at, x, potentials, total, state, table, place, equation, numbers):
    """The potentials of a block at all steps: those saved, or computed again from the input or the residual sum."""
    num_steps, num_neurons = place[0], place[1]
    width = u_all.shape[1]
    nothing = x[:0]
    buffers = np.empty((2, width), state.dtype)
    h, s = buffers[0], buffers[1]
    h[:] = state[at : at + width]
    for t in range(num_steps):
        u, begin = u_all[t], t * num_neurons + at
        if len(potentials):
            u[:] = potentials[begin : begin + width]
            continue
        if len(total):
            load(u, total[begin : begin + width])
        else:
            arrive(u, t, at, x, nothing, nothing, table, place, equation[5])
        charge(u, h, table[0], numbers[0], equation[2])
        fire(s, u, table[1], table[2], equation[0], numbers[1])
        reset(h, s, u, table[1], table[2], equation[1], numbers[0])


@njit(**OPTIONS)
def backward(
    x, potentials, total, state, values, grad_spikes, grad_sum, grad_next_state,
    grad_total, grad_state, sums, place, equation, numbers, learned, start, stop,
):  # fmt: skip
    """Gradients of what was integrated, of the first state and, by neuron, of the learned rows."""
    num_steps, num_neurons, channel_inner = place[0], place[1], place[5]
    alphabet, is_hard, decay_input, code = equation[0], equation[1], equation[2], equation[4]
    rest, levels, scale, through = numbers[0], numbers[1], numbers[2], numbers[3]
    one = state.dtype.type(1)
    table = np.empty((6, BLOCK), state.dtype)
    buffers = np.empty((7, BLOCK), state.dtype)
    gathered = np.empty((6, BLOCK), state.dtype)
    columns(table, values, start, channel_inner)
    for at in range(start, stop, BLOCK):
        width = min(BLOCK, stop - at)
        if values.shape[1] > 1:
            columns(table, values, at, channel_inner)
        u_all = np.empty((num_steps, width), state.dtype)
        potentials_of(u_all, at, x, potentials, total, state, table, place, equation, numbers)
        if learned:
            gathered[:] = 0
        grad, gh, s, above, below = (
            buffers[0, :width], buffers[1, :width], buffers[2, :width], buffers[3, :width], buffers[4, :width],
        )  # fmt: skip
        decay, plus, minus, amplitude = table[0], table[1], table[2], table[3]
        gh[:] = 0
        if len(grad_next_state):
            gh[:] = grad_next_state[at : at + width]
        for t in range(num_steps - 1, -1, -1):
            u, begin = u_all[t], t * num_neurons + at
            load(grad, grad_spikes[begin : begin + width])
            fire(s, u, plus, minus, alphabet, levels)
            slopes(above, below, u, plus, minus, alphabet, levels, code, scale)
            if learned & 8:
                for j in range(width):
                    gathered[3, j] += grad[j] * s[j]
            for j in range(width):
                grad[j] *= amplitude[j]
            if learned & 6:
                threshold_gradients(
                    gathered[1], gathered[2], grad, gh, s, u, above, below, plus, minus, is_hard, rest,
                    through, alphabet,
                )  # fmt: skip
            potential_gradient(grad, gh, s, u, above, below, plus, minus, is_hard, rest, through)
            if learned & 1:
                before, arrived = buffers[5, :width], buffers[6, :width]
                state_before(before, s, u_all, t, at, state, plus, minus, equation, numbers)
                for j in range(width):
                    gathered[0, j] += grad[j] * (before[j] - rest)
                if decay_input:
                    arrived_again(arrived, t, at, x, total, table, place, equation[5])
                    for j in range(width):
                        gathered[0, j] -= grad[j] * arrived[j]
            for j in range(width):
                gh[j] = decay[j] * grad[j]
            if decay_input:
                for j in range(width):
                    grad[j] *= one - decay[j]
            if len(grad_sum):
                passed = grad_sum[begin : begin + width]
                for j in range(width):
                    grad[j] += read(passed[j])
            if learned & 48:
                raw = buffers[6, :width]
                gather(raw, x, t * place[4], at, place[2], place[3])
                for j in range(width):
                    gathered[4, j] += grad[j] * raw[j]
                    gathered[5, j] += grad[j]
            store(grad_total[begin : begin + width], grad)
        grad_state[at : at + width] = gh
        for row in range(6):
            if learned >> row & 1:
                sums[row, at : at + width] = gathered[row, :width]


@njit(**OPTIONS)
def state_before(before, spikes, u_all, t, at, state, plus, minus, equation, numbers):
    """The state that step t started from; `spikes` is overwritten."""
    if t == 0:
        before[:] = state[at : at + len(before)]
        return
    fire(spikes, u_all[t - 1], plus, minus, equation[0], numbers[1])
    reset(before, spikes, u_all[t - 1], plus, minus, equation[1], numbers[0])


@njit(**OPTIONS)
def arrived_again(y, t, at, x, total, table, place, is_affine):
    """What was integrated at step t, from the residual sum where there is one."""
    begin = t * place[1] + at
    if len(total):
        load(y, total[begin : begin + len(y)])
    else:
        arrive(y, t, at, x, x[:0], x[:0], table, place, is_affine)


@njit(**OPTIONS)
def affine_backward(factors, x, grad, out, place, start, stop):
    """`out = factors[0] · grad + factors[1] · x + factors[2]` for the neurons from `start` to `stop`."""
    num_steps, num_neurons, channel_inner = place[0], place[1], place[5]
    table = np.empty((3, BLOCK), factors.dtype)
    buffers = np.empty((2, BLOCK), factors.dtype)
    for at in range(start, stop, BLOCK):
        width = min(BLOCK, stop - at)
        raw, g = buffers[0, :width], buffers[1, :width]
        columns(table, factors, at, channel_inner)
        for t in range(num_steps):
            begin = t * num_neurons + at
            load(g, grad[begin : begin + width])
            if len(x):
                gather(raw, x, t * place[4], at, place[2], place[3])
            else:
                raw[:] = 0
            for j in range(width):
                g[j] = fma(table[0, j], g[j], fma(table[1, j], raw[j], table[2, j]))
            store(out[begin : begin + width], g)
