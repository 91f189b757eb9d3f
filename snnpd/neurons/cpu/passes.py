"""The neurons' passes over all time steps, compiled by numba into vector code.

The first half is what happens to one block of neighbouring neurons at one step: loops over short one-dimensional arrays
that stay in cache. Branches on the declaration stand outside the loops, all numbers have the state's type (a literal
would widen them to double precision), and arrays are cut by slices, not by offsets: what keeps the compiler from vector
instructions otherwise. The second half walks blocks and steps; a sequence that is not there has length zero.

One file, because numba's cache notices changes of a function's own file only.
"""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, overload

OPTIONS = {"nogil": True, "error_model": "numpy", "cache": True}
# Neurons a block: a dozen buffers of this length stay in cache, and the calls between them cost little beside the work.
BLOCK = 1024
BINARY, TERNARY = 0, 1
ATAN, ERF, PIECEWISE_EXP, RECTANGLE, SIGMOID, SOFT_SIGN, SUPER_SPIKE = range(1, 8)


@intrinsic
def fma(context, a, b, c):
    """a · b + c, rounded once."""
    return a(a, a, a), lambda context, builder, signature, args: builder.fma(*args)


@intrinsic
def bits_of(context, number):
    """The 32 bits of a float32 as an unsigned integer."""
    return types.uint32(types.float32), lambda _, builder, signature, args: builder.bitcast(
        args[0], ir.IntType(32)
    )


@intrinsic
def from_bits(context, bits):
    """The float32 with these 32 bits."""
    return types.float32(types.uint32), lambda _, builder, signature, args: builder.bitcast(
        args[0], ir.FloatType()
    )


def read(stored):
    """A stored element as a number; bfloat16 is stored as uint16."""


@overload(read, jit_options=OPTIONS)
def _read(stored):
    if stored == types.uint16:
        return lambda stored: from_bits(np.uint32(stored) << np.uint32(16))
    return lambda stored: stored


def stored_as(number, like):
    """A number as it is stored among elements like `like`: rounded to the nearest, ties to even, NaN kept."""


@overload(stored_as, jit_options=OPTIONS)
def _stored_as(number, like):
    if like != types.uint16:
        return lambda number, like: number

    def to_bfloat16(number, like):
        bits = bits_of(number)
        rounded = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
        return np.uint16(rounded if number == number else np.uint32(0x7FC0))

    return to_bfloat16


def exponential(x):
    """e^x for x ≤ 0."""


@overload(exponential, jit_options=OPTIONS)
def _exponential(x):
    if x == types.float64:
        return lambda x: np.exp(x)

    def single(x):
        # e^x = 2^k e^r, |r| ≤ ln(2)/2, with ln 2 in two parts; below -87 the result is no normal number any more.
        x = np.float32(-87.0) if x < np.float32(-87.0) else x  # NaN stays
        k = np.floor(fma(x, np.float32(1.44269504), np.float32(0.5)))
        r = fma(k, np.float32(2.12194440e-4), fma(k, np.float32(-0.693359375), x))
        p = np.float32(1 / 5040)
        p = fma(p, r, np.float32(1 / 720))
        p = fma(p, r, np.float32(1 / 120))
        p = fma(p, r, np.float32(1 / 24))
        p = fma(p, r, np.float32(1 / 6))
        p = fma(p, r, np.float32(0.5))
        p = fma(p, r, np.float32(1.0))
        p = fma(p, r, np.float32(1.0))
        return p * from_bits(np.uint32(np.int32(k) + np.int32(127)) << np.uint32(23))

    return single


@njit(**OPTIONS)
def columns(into, table, at, channel_inner):
    """Fills `into` `[rows, block]` with the table's columns for the neurons from `at` on."""
    num_channels, width = table.shape[1], into.shape[1]
    for row in range(into.shape[0]):
        done = 0
        while done < width:
            channel = (at + done) // channel_inner % num_channels
            if num_channels == 1:
                run = width
            elif channel_inner == 1:
                run = min(num_channels - channel, width - done)
            else:
                run = min(channel_inner - (at + done) % channel_inner, width - done)
            part = into[row, done : done + run]
            if channel_inner == 1 and num_channels > 1:
                part[:] = table[row, channel : channel + run]
            else:
                part[:] = table[row, channel]
            done += run


@njit(**OPTIONS)
def gather(into, x, base, at, inner, pitch):
    """The neurons from `at` on of the step that begins at `base`, row by row."""
    done, width = 0, len(into)
    while done < width:
        row, column = (at + done) // inner, (at + done) % inner
        run = min(inner - column, width - done)
        begin = base + row * pitch + column
        part, source = into[done : done + run], x[begin : begin + run]
        for j in range(run):
            part[j] = read(source[j])
        done += run


@njit(**OPTIONS)
def load(into, source):
    """Stored elements as numbers."""
    for j in range(len(into)):
        into[j] = read(source[j])


@njit(**OPTIONS)
def store(into, numbers):
    """Numbers as stored elements."""
    for j in range(len(into)):
        into[j] = stored_as(numbers[j], into[j])


@njit(**OPTIONS)
def advance(y, state, spikes, decay, plus, minus, alphabet, levels, is_hard, rest):
    """One step: what arrives, y, becomes the potential before the reset; `state` and `spikes` follow."""
    zero, one = y.dtype.type(0), y.dtype.type(1)
    if alphabet == BINARY and is_hard:
        for j in range(len(y)):
            u = fma(decay[j], state[j] - rest, y[j]) + rest
            fires = u >= plus[j]
            y[j] = u
            spikes[j] = one if fires else zero
            state[j] = rest if fires else u
    elif alphabet == TERNARY and is_hard:
        for j in range(len(y)):
            u = fma(decay[j], state[j] - rest, y[j]) + rest
            positive = one if u >= plus[j] else zero
            negative = one if -u >= minus[j] else zero
            y[j] = u
            spikes[j] = positive - negative
            state[j] = u if positive + negative == zero else rest
    elif alphabet == BINARY:
        for j in range(len(y)):
            u = fma(decay[j], state[j] - rest, y[j]) + rest
            y[j] = u
            spikes[j] = one if u >= plus[j] else zero
            state[j] = u - (plus[j] if u >= plus[j] else zero)
    elif alphabet == TERNARY:
        for j in range(len(y)):
            u = fma(decay[j], state[j] - rest, y[j]) + rest
            positive = one if u >= plus[j] else zero
            negative = one if -u >= minus[j] else zero
            y[j] = u
            spikes[j] = positive - negative
            state[j] = fma(minus[j], negative, fma(-plus[j], positive, u))
    else:
        for j in range(len(y)):
            u = fma(decay[j], state[j] - rest, y[j]) + rest
            count = np.rint(min(max(u / plus[j], zero), levels))
            y[j] = u
            spikes[j] = count
            state[j] = fma(-plus[j], count, u)


@njit(**OPTIONS)
def dampen(y, decay):
    """Multiplies by 1 − decay: an input that the leak goes for as well, or its gradient."""
    one = y.dtype.type(1)
    for j in range(len(y)):
        y[j] *= one - decay[j]


@njit(**OPTIONS)
def fire(spikes, u, plus, minus, alphabet, levels):
    """The spikes of these potentials."""
    zero, one = u.dtype.type(0), u.dtype.type(1)
    if alphabet == BINARY:
        for j in range(len(u)):
            spikes[j] = one if u[j] >= plus[j] else zero
    elif alphabet == TERNARY:
        for j in range(len(u)):
            positive = one if u[j] >= plus[j] else zero
            negative = one if -u[j] >= minus[j] else zero
            spikes[j] = positive - negative
    else:
        for j in range(len(u)):
            spikes[j] = np.rint(min(max(u[j] / plus[j], zero), levels))


@njit(**OPTIONS)
def derivative(v, code, a):
    """Turns v, the distance to a threshold, into the derivative of the spike there; formulas as in `snnpd.spikes`."""
    one, zero, half = v.dtype.type(1), v.dtype.type(0), v.dtype.type(0.5)
    scale = v.dtype.type(np.pi) * half * a if code == ATAN else a / v.dtype.type(np.sqrt(np.pi))
    if code == ATAN:
        for j in range(len(v)):
            v[j] = half * a / (one + (scale * v[j]) * (scale * v[j]))
    elif code == ERF:
        for j in range(len(v)):
            v[j] = scale * exponential(-(a * v[j]) * (a * v[j]))
    elif code == PIECEWISE_EXP:
        for j in range(len(v)):
            v[j] = half * a * exponential(-a * abs(v[j]))
    elif code == RECTANGLE:
        for j in range(len(v)):
            v[j] = a if abs(v[j]) < half / a else zero
    elif code == SIGMOID:
        for j in range(len(v)):
            e = exponential(-a * abs(v[j]))
            v[j] = a * e / ((one + e) * (one + e))
    elif code == SOFT_SIGN:
        for j in range(len(v)):
            reach = one / a + abs(v[j])
            v[j] = half / (a * reach * reach)
    elif code == SUPER_SPIKE:
        for j in range(len(v)):
            v[j] = a / ((one + abs(v[j])) * (one + abs(v[j])))
    else:
        for j in range(len(v)):
            v[j] = max(zero, a - a * a * abs(v[j]))


@njit(**OPTIONS)
def slopes(above, below, u, plus, minus, alphabet, levels, code, a):
    """∂p/∂u and −∂n/∂u, of the positive and of the negative events; the latter is left alone where there are none."""
    zero, one = u.dtype.type(0), u.dtype.type(1)
    if alphabet > TERNARY:
        for j in range(len(u)):
            count = u[j] / plus[j]
            above[j] = one / plus[j] if (count >= zero) & (count <= levels) else zero
        return
    # One call in a loop, not two calls: it is compiled into this place once.
    for side in range(2 if alphabet == TERNARY else 1):
        distance = above if side == 0 else below
        if side == 0:
            for j in range(len(u)):
                distance[j] = u[j] - plus[j]
        else:
            for j in range(len(u)):
                distance[j] = -minus[j] - u[j]
        derivative(distance, code, a)


@njit(**OPTIONS)
def potential_gradient(
    grad, grad_state, u, above, below, plus, minus, amplitude, decay, alphabet, is_hard, rest, through
):
    """Turns the gradient of what was emitted into ∂L/∂u, and that of the state into the state's before.

    `through` is 0 if the reset is cut, else 1.
    """
    zero, one = u.dtype.type(0), u.dtype.type(1)
    if is_hard and alphabet == BINARY:
        for j in range(len(u)):
            kept = zero if u[j] >= plus[j] else one
            to_state = kept + through * ((rest - u[j]) * above[j])
            to_potential = grad[j] * amplitude[j] * above[j] + grad_state[j] * to_state
            grad[j] = to_potential
            grad_state[j] = decay[j] * to_potential
    elif is_hard:
        for j in range(len(u)):
            kept = zero if (u[j] >= plus[j]) | (-u[j] >= minus[j]) else one
            to_state = kept + through * ((rest - u[j]) * (above[j] - below[j]))
            to_potential = grad[j] * amplitude[j] * (above[j] + below[j]) + grad_state[j] * to_state
            grad[j] = to_potential
            grad_state[j] = decay[j] * to_potential
    else:
        for j in range(len(u)):
            to_state = one - through * (plus[j] * above[j] + minus[j] * below[j])
            to_potential = grad[j] * amplitude[j] * (above[j] + below[j]) + grad_state[j] * to_state
            grad[j] = to_potential
            grad_state[j] = decay[j] * to_potential


@njit(**OPTIONS)
def threshold_gradients(
    to_plus, to_minus, emitted, grad_state, spikes, u, above, below, plus,
    minus, amplitude, is_hard, rest, through, alphabet,
):  # fmt: skip
    """Adds ∂L/∂θ₊ and ∂L/∂θ₋ of this step; `emitted` and `grad_state` are those of what left and of the state."""
    zero = u.dtype.type(0)
    for j in range(len(u)):
        # An integer spike counts in units of its threshold: ∂s/∂θ = −(u/θ) ∂s/∂u.
        unit = u[j] / plus[j] if alphabet > TERNARY else u.dtype.type(1)
        rise, fall, grad = above[j] * unit, below[j], emitted[j] * amplitude[j]
        if is_hard:
            back = through * (rest - u[j]) * grad_state[j]
            to_plus[j] -= (grad + back) * rise
            to_minus[j] += (grad - back) * fall
        else:
            to_plus[j] += grad_state[j] * (through * plus[j] * rise - max(spikes[j], zero)) - grad * rise
            to_minus[j] += grad * fall + grad_state[j] * (max(-spikes[j], zero) - through * minus[j] * fall)


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
            if decay_input:
                dampen(y, table[0])
            advance(y, h, s, table[0], table[1], table[2], alphabet, levels, is_hard, rest)
            if len(potentials):
                potentials[begin : begin + width] = y
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
        if equation[2]:
            dampen(u, table[0])
        advance(u, h, s, table[0], table[1], table[2], equation[0], numbers[1], equation[1], numbers[0])


@njit(**OPTIONS)
def backward(
    x, potentials, total, state, values, grad_spikes, grad_sum, grad_next_state,
    grad_total, grad_state, sums, place, equation, numbers, learned, start, stop,
):  # fmt: skip
    """Gradients of what was integrated, of the first state and, by neuron, of the learned rows."""
    num_steps, num_neurons, channel_inner = place[0], place[1], place[5]
    alphabet, is_hard, decay_input, code = equation[0], equation[1], equation[2], equation[4]
    rest, levels, scale, through = numbers[0], numbers[1], numbers[2], numbers[3]
    table = np.empty((6, BLOCK), state.dtype)
    buffers = np.empty((7, BLOCK), state.dtype)
    gathered = np.empty((6, BLOCK), state.dtype)
    columns(table, values, start, channel_inner)
    buffers[4, :] = 0  # only ternary neurons have negative events
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
            slopes(above, below, u, plus, minus, alphabet, levels, code, scale)
            if learned & 14:
                fire(s, u, plus, minus, alphabet, levels)
            if learned & 8:
                for j in range(width):
                    gathered[3, j] += grad[j] * s[j]
            if learned & 6:
                threshold_gradients(
                    gathered[1], gathered[2], grad, gh, s, u, above, below, plus, minus, amplitude, is_hard, rest,
                    through, alphabet,
                )  # fmt: skip
            potential_gradient(
                grad, gh, u, above, below, plus, minus, amplitude, decay, alphabet, is_hard, rest, through
            )
            if learned & 1:
                before, arrived = buffers[5, :width], buffers[6, :width]
                state_before(before, s, u_all, t, at, state, plus, minus, equation, numbers)
                for j in range(width):
                    gathered[0, j] += grad[j] * (before[j] - rest)
                if decay_input:
                    arrived_again(arrived, t, at, x, total, table, place, equation[5])
                    for j in range(width):
                        gathered[0, j] -= grad[j] * arrived[j]
            if decay_input:
                dampen(grad, decay)
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
    u, zero = u_all[t - 1], state.dtype.type(0)
    fire(spikes, u, plus, minus, equation[0], numbers[1])
    for j in range(len(u)):
        if equation[1]:
            before[j] = u[j] if spikes[j] == zero else numbers[0]
        else:
            before[j] = fma(-(minus[j] if spikes[j] < zero else plus[j]), spikes[j], u[j])


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
