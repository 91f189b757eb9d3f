"""Neurons step by step on integers, each operation counted where it is done."""

from numba import njit

from snnpd.energy.executor.wires import Ints

OPTIONS = {"nogil": True, "cache": True}
NO_LEAK, SHIFT, SHIFT_AND_SUBTRACT = 0, 1, 2


@njit(**OPTIONS)
def leave(state: int, leak: int, leak_places: int, r: int, shifts: Ints, adds: Ints) -> int:
    """What a leak leaves of a potential."""
    if leak == NO_LEAK:
        return state
    shifted = state >> leak_places
    shifts[r] += 1
    if leak == SHIFT:
        return shifted
    adds[r] += 1
    return state - shifted


@njit(**OPTIONS)
def compare(potential: int, above: Ints, below: Ints, place: int, r: int, compares: Ints) -> int:
    """The letter of a potential: one comparison for each letter but zero."""
    letter = 0
    for bound in range(above.shape[0]):
        compares[r] += 1
        if potential >= above[bound, place]:
            letter += 1
    for bound in range(below.shape[0]):
        compares[r] += 1
        if potential <= below[bound, place]:
            letter -= 1
    return letter


@njit(**OPTIONS)
def subtract(
    potential: int, letter: int, worth: int, worth_below: int, r: int, adds: Ints, silent: Ints
) -> int:
    """What a soft reset leaves of a potential: its spikes taken off one by one."""
    for _ in range(letter):
        potential -= worth
        adds[r] += 1
    for _ in range(-letter):
        potential += worth_below
        adds[r] += 1
    if letter == 0:
        silent[r] += 1
    return potential


@njit(**OPTIONS)
def fire(
    x: Ints,
    state: Ints,
    bounds: tuple[Ints, Ints],
    worths: tuple[Ints, Ints],
    leak: tuple[int, int],
    is_soft: bool,
    limits: tuple[int, int],
    events: tuple[Ints, Ints, Ints],
    counters: tuple[Ints, Ints, Ints, Ints],
) -> None:
    """Leak, input, comparisons, reset of every neuron at every step; events in the order in which they happen.

    Shapes: x `[T, B, S]`; state `[B, S]`; bounds `[letters, S]`; worths `[S]`; events: starts `[T B + 1]`, places and
        letters `[T B S]`; counters (shifts, adds, compares, neurons that a soft reset passes over) `[T B]`.
    """
    above, below = bounds
    starts, places, letters = events
    shifts, adds, compares, silent = counters
    count = 0
    for t in range(x.shape[0]):
        for b in range(x.shape[1]):
            r = t * x.shape[1] + b
            for s in range(x.shape[2]):
                potential = leave(state[b, s], leak[0], leak[1], r, shifts, adds) + x[t, b, s]
                adds[r] += 1
                potential = min(max(potential, limits[0]), limits[1])
                letter = compare(potential, above, below, s, r, compares)
                if is_soft:
                    potential = subtract(potential, letter, worths[0][s], worths[1][s], r, adds, silent)
                elif letter != 0:
                    potential = 0
                state[b, s] = potential
                if letter != 0:
                    places[count], letters[count] = s, letter
                    count += 1
            starts[r + 1] = count
