"""Products of spikes and Shiftmax on integers, each operation counted where it is done."""

import numpy as np
from numba import njit

from snnpd.energy.executor.wires import Ints

OPTIONS = {"nogil": True, "cache": True}
# A row's sum of powers of two is as wide as its scores are large: an adder of as many limbs as it takes.
LIMB = 32


@njit(**OPTIONS)
def add_pairs(
    starts: Ints, places: Ints, letters: Ints, other: Ints, sums: Ints, done: Ints, met: Ints
) -> None:
    """For each event of the driver, and each unit of it, adds the other's letters that are not zero.

    Shapes: places `(h I + i) K + k`; other `[R, H, K, J]`; sums `[R, H, I, J]`; done, met `[R]`.
    """
    _, _, terms, width = other.shape
    queries = sums.shape[2]
    for r in range(len(starts) - 1):
        for event in range(starts[r], starts[r + 1]):
            row, k = divmod(places[event], terms)
            h, i = divmod(row, queries)
            for j in range(width):
                letter = other[r, h, k, j]
                if letter == 0:
                    continue
                met[r] += 1
                for _ in range(letters[event]):
                    sums[r, h, i, j] += letter
                    done[r] += 1
                for _ in range(-letters[event]):
                    sums[r, h, i, j] -= letter
                    done[r] += 1


@njit(**OPTIONS)
def add_power(limbs: Ints, place: int) -> None:
    """Adds 2^place to the wide sum."""
    limb, carry = place // LIMB, np.int64(1) << (place % LIMB)
    while carry:
        total = limbs[limb] + carry
        limbs[limb] = total & ((np.int64(1) << LIMB) - 1)
        carry = total >> LIMB
        limb += 1


@njit(**OPTIONS)
def leading_one(limbs: Ints) -> tuple[int, bool]:
    """The place of the highest bit of the wide sum, and whether it is the only one."""
    limb = len(limbs) - 1
    while limbs[limb] == 0:
        limb -= 1
    place = 0
    while limbs[limb] >> (place + 1):
        place += 1
    is_only = limbs[limb] == np.int64(1) << place
    for lower in range(limb):
        is_only = is_only and limbs[lower] == 0
    return limb * LIMB + place, is_only


@njit(**OPTIONS)
def shift_counts(scores: Ints, peak: int, shifts: Ints, counters: tuple[Ints, Ints, Ints]) -> None:
    """Shiftmax: how far the values of each pair are shifted, γ − x with γ = ⌈log2 Σ 2^x⌉.

    Shapes: scores and shifts `[R, rows, M]`; counters (exponents, one-hot additions, leading ones) `[R]`.
    """
    exponents, additions, leading = counters
    points = scores.shape[2]
    limbs = np.zeros((2 * peak + 64) // LIMB + 1, dtype=np.int64)
    for r in range(scores.shape[0]):
        for row in range(scores.shape[1]):
            limbs[:] = 0
            for j in range(points):
                add_power(limbs, scores[r, row, j] + peak)
                additions[r] += 1
            place, is_only = leading_one(limbs)
            leading[r] += 1
            gamma = place - peak + (0 if is_only else 1)
            for j in range(points):
                shifts[r, row, j] = gamma - scores[r, row, j]
                exponents[r] += 1


@njit(**OPTIONS)
def add_shifted(shifts: Ints, values: Ints, bits: int, sums: Ints, done: Ints, skipped: Ints) -> None:
    """Σ_j v_j >> n_ij; a shift by the width of a word, or more, leaves nothing to add.

    Shapes: shifts `[R, H, N, M]`; values `[R, H, M, E]`; sums `[R, H, N, E]`; done, skipped `[R]`.
    """
    for r, h, i, j in np.ndindex(shifts.shape):
        places = shifts[r, h, i, j]
        for e in range(values.shape[3]):
            if places >= bits:
                skipped[r] += 1
            else:
                sums[r, h, i, e] += values[r, h, j, e] >> places
                done[r] += 1
