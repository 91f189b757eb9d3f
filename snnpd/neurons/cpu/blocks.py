"""What happens to one block of neighbouring neurons at one step, compiled by numba into vector code.

Every function loops over short one-dimensional arrays that stay in the first-level cache. Branches on the declaration
stand outside the loops, all numbers have the state's type (a literal would widen them to double precision), and
arrays are cut by slices, not by offsets: what keeps the compiler from vector instructions otherwise.
"""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, overload

OPTIONS = {"nogil": True, "error_model": "numpy", "cache": True}
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
        x = max(np.float32(-87.0), x)
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
def charge(y, state, decay, rest, decay_input):
    """Turns what arrives, y, into the potential before the reset."""
    one = y.dtype.type(1)
    if decay_input:
        for j in range(len(y)):
            y[j] = fma(decay[j], state[j] - rest, (one - decay[j]) * y[j]) + rest
    else:
        for j in range(len(y)):
            y[j] = fma(decay[j], state[j] - rest, y[j]) + rest


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
def reset(state, spikes, u, plus, minus, is_hard, rest):
    """The state after these spikes."""
    zero = u.dtype.type(0)
    if is_hard:
        for j in range(len(u)):
            state[j] = u[j] if spikes[j] == zero else rest
    else:
        for j in range(len(u)):
            worth = minus[j] if spikes[j] < zero else plus[j]
            state[j] = fma(-worth, spikes[j], u[j])


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
    """∂p/∂u and −∂n/∂u at these potentials: of the positive and of the negative events."""
    zero, one = u.dtype.type(0), u.dtype.type(1)
    if alphabet <= TERNARY:
        for j in range(len(u)):
            above[j] = u[j] - plus[j]
        derivative(above, code, a)
        if alphabet == TERNARY:
            for j in range(len(u)):
                below[j] = -minus[j] - u[j]
            derivative(below, code, a)
        else:
            below[:] = zero
    else:
        for j in range(len(u)):
            count = u[j] / plus[j]
            above[j] = one / plus[j] if (count >= zero) & (count <= levels) else zero
        below[:] = zero


@njit(**OPTIONS)
def potential_gradient(grad, grad_state, spikes, u, above, below, plus, minus, is_hard, rest, through):
    """∂L/∂u, from those of the spikes (`grad`, overwritten) and of the state; `through` is 0 if the reset is cut."""
    zero, one = u.dtype.type(0), u.dtype.type(1)
    if is_hard:
        for j in range(len(u)):
            kept = one if spikes[j] == zero else zero
            to_state = kept + through * ((rest - u[j]) * (above[j] - below[j]))
            grad[j] = grad[j] * (above[j] + below[j]) + grad_state[j] * to_state
    else:
        for j in range(len(u)):
            to_state = one - through * (plus[j] * above[j] + minus[j] * below[j])
            grad[j] = grad[j] * (above[j] + below[j]) + grad_state[j] * to_state


@njit(**OPTIONS)
def threshold_gradients(
    to_plus,
    to_minus,
    grad,
    grad_state,
    spikes,
    u,
    above,
    below,
    plus,
    minus,
    is_hard,
    rest,
    through,
    alphabet,
):
    """Adds ∂L/∂θ₊ and ∂L/∂θ₋ of this step; `grad` and `grad_state` are those of the spikes and of the state."""
    zero = u.dtype.type(0)
    for j in range(len(u)):
        # An integer spike counts in units of its threshold: ∂s/∂θ = −(u/θ) ∂s/∂u.
        unit = u[j] / plus[j] if alphabet > TERNARY else u.dtype.type(1)
        rise, fall = above[j] * unit, below[j]
        if is_hard:
            back = through * (rest - u[j]) * grad_state[j]
            to_plus[j] -= (grad[j] + back) * rise
            to_minus[j] += (grad[j] - back) * fall
        else:
            to_plus[j] += grad_state[j] * (through * plus[j] * rise - max(spikes[j], zero)) - grad[j] * rise
            to_minus[j] += grad[j] * fall + grad_state[j] * (
                max(-spikes[j], zero) - through * minus[j] * fall
            )
