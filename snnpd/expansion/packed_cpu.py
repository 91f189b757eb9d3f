"""Packed ternary attention on the CPU, compiled by numba: a thread holds one row of scores, no more of a map."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from snnpd.expansion.packed_lanes import (
    UNIT_BITS,
    at_least,
    compiled,
    load,
    lowest_bit,
    plus,
    popcount,
    shift_left,
    shift_right,
    shift_right_short,
    shift_right_unsigned,
    store,
)
from snnpd.expansion.packed_words import WORD, Operands, Rule
from snnpd.jit import in_threads

# The score of an absent support point; no score of packed vectors is as low.
ABSENT = -(1 << 15)
# As in `snnpd.expansion.integer_shiftmax`: a row's sum is two words of this many fraction bits.
FRACTION = 40
# A value costs so many times as much where its sign is set aside.
SIGN_ASIDE = 2


@compiled
def score(q_sign, q_nonzero, k_sign, k_nonzero, scores):
    """The scores of one query `[W]` against all keys `[W, M]`."""
    scores[:] = np.int16(0)
    for word in range(q_sign.shape[0]):
        own_sign, own_nonzero = q_sign[word], q_nonzero[word]
        sign, nonzero = k_sign[word], k_nonzero[word]
        for key in range(scores.shape[0]):
            both = own_nonzero & nonzero[key]
            opposed = both & (own_sign ^ sign[key])
            scores[key] += np.int16(popcount(both) - (popcount(opposed) << np.int64(1)))


@compiled
def settle(scores, present, score_shift):
    """Shifts the scores and marks the absent ones; the largest and the least of the others."""
    absent, highest = np.int16(ABSENT), np.int16(-(ABSENT + 1))
    top, least = absent, highest
    for key in range(scores.shape[0]):
        shifted, is_present = shift_right_short(scores[key], score_shift), present[key] != np.uint8(0)
        scores[key] = shifted if is_present else absent
        top = max(top, shifted if is_present else absent)
        least = min(least, shifted if is_present else highest)
    return np.int64(top), np.int64(least)


@compiled
def word_sum(scores, unit, most):
    """Σ 2^(score - unit) over the scores from `unit` to `unit + most`."""
    total = np.int64(0)
    for key in range(scores.shape[0]):
        place = np.int64(scores[key]) - unit
        term = np.int64(1) << (place & np.int64(63))
        total += term if (place >= np.int64(0)) & (place <= most) else np.int64(0)
    return total


@compiled
def gamma_of(scores, top, least):
    """γ = ⌈log2 Σ_j 2^(x_j)⌉ of a row whose largest and least scores are given, as `shift_counts` has it."""
    high, has_more = word_sum(scores, top - FRACTION, np.int64(FRACTION)), top - least > 2 * FRACTION
    if top - least > FRACTION:
        low = word_sum(scores, top - 2 * FRACTION, np.int64(FRACTION - 1))
        high += low >> FRACTION
        has_more |= low & ((1 << FRACTION) - 1) != 0
    length = FRACTION
    while high >> length > 1:
        length += 1
    is_power = high == (1 << length) and not has_more
    return top + length - FRACTION + (0 if is_power else 1)


@compiled
def count(scores, threshold):
    """How many scores are at least the threshold."""
    total = 0
    for at in range(0, scores.shape[0], WORD):
        total += popcount(at_least(scores, at, threshold))
    return total


@compiled
def choose(scores, threshold, order):
    """The keys that score at least the threshold, in order."""
    total = 0
    for at in range(0, scores.shape[0], WORD):
        bits = at_least(scores, at, threshold)
        while bits != 0:
            order[total] = at + lowest_bit(bits)
            bits &= bits - 1
            total += 1
    return order[:total]


@compiled
def add_shifted_right(sums, values, scores, keys, gamma, without_sign, units):
    """Adds v >> n of the keys, n = gamma - score; `without_sign` takes -1 off for a negative v."""
    width, last = sums.shape[0], sums.itemsize * 8 - 1
    for at in range(0, width, len(units) * UNIT_BITS // (8 * sums.itemsize)):
        total = load(sums, at, units)
        for key in keys:
            row = load(values, key * width + at, units)
            total = plus(total, shift_right(row, min(gamma - scores[key], last)))
            if without_sign:
                total = plus(total, shift_right_unsigned(row, last))
        store(sums, at, total)


@compiled
def add_signs(signs, values, keys, come, units):
    """Adds -1 for a negative v of keys that come, 1 of keys that go."""
    width, last = signs.shape[0], signs.itemsize * 8 - 1
    for at in range(0, width, len(units) * UNIT_BITS // (8 * signs.itemsize)):
        total = load(signs, at, units)
        for key in keys:
            row = load(values, key * width + at, units)
            total = plus(total, shift_right(row, last) if come else shift_right_unsigned(row, last))
        store(signs, at, total)


@compiled
def changed(scores, before, order, come):
    """The present keys that were not before, a bit each, or the absent ones that were."""
    total = 0
    for word in range(before.shape[0]):
        now = at_least(scores, word * WORD, ABSENT + 1)
        bits = now & ~before[word] if come else before[word] & ~now
        while bits != 0:
            order[total] = word * WORD + lowest_bit(bits)
            bits &= bits - 1
            total += 1
    return order[:total]


@compiled
def add_shifted_left(sums, values, scores, keys, unit, units):
    """Adds v << (score - unit) of the keys."""
    width = sums.shape[0]
    for at in range(0, width, len(units) * UNIT_BITS // (8 * sums.itemsize)):
        total = load(sums, at, units)
        for key in keys:
            total = plus(total, shift_left(load(values, key * width + at, units), scores[key] - unit))
        store(sums, at, total)


@compiled
def score_row(scores, points, present, which, row, score_shift):
    """The settled scores of a row, counted through all groups: the largest, the least, and the row's group."""
    q_sign, q_nonzero, k_sign, k_nonzero = points
    group, query = divmod(row, q_sign.shape[1])
    of_q, of_k, of_present = which[0, group], which[1, group], which[3, group]
    real = scores[: k_sign.shape[2]]
    score(q_sign[of_q, query], q_nonzero[of_q, query], k_sign[of_k], k_nonzero[of_k], real)
    top, least = settle(real, present[of_present, min(query, present.shape[1] - 1)], score_shift)
    return top, least, group


@compiled
def buffers(values, num_points):
    """Scores, absent up to a whole word; places for keys; sums."""
    scores = np.full(-(-num_points // WORD) * WORD, ABSENT, np.int16)
    return scores, np.empty(num_points, np.int64), np.zeros(values.shape[1] // num_points, values.dtype)


@compiled
def follow(signs, before, values, scores, order, units):
    """Brings the sum of the signs from the keys that were present before to those of a row."""
    add_signs(signs, values, changed(scores, before, order, True), True, units)
    add_signs(signs, values, changed(scores, before, order, False), False, units)
    for word in range(before.shape[0]):
        before[word] = at_least(scores, word * WORD, ABSENT + 1)


@compiled
def attend_ceil(points, values, present, which, out, score_shift, reach, units, start, stop):
    """Rows of Σ_j (v_j >> n_j).

    A value that is shifted by `reach` places or more is but its sign. Where that befalls many, the signs of all stand
    for them, summed once and then kept up from row to row, and the others are summed without theirs:
    Σ |v_j| 2^-n_j ≤ max |v|, so that no sum outgrows the word of a value.
    """
    num_points, lowest = present.shape[2], np.int64(ABSENT) + 1
    scores, order, sums = buffers(values, num_points)
    everyone, signs, before = (
        np.arange(num_points),
        np.zeros_like(sums),
        np.zeros(scores.shape[0] // WORD, np.int64),
    )
    signs_of, last = -1, sums.itemsize * 8 - 1
    fits = last == 63 or (1 << reach) + num_points <= 1 << last
    for row in range(start, stop):
        top, least, group = score_row(scores, points, present, which, row, score_shift)
        if top < lowest:
            out[row] = 0
            continue
        gamma, own = gamma_of(scores, top, least), values[which[2, group]]
        num_present, nearest = count(scores, lowest), max(gamma - reach + 1, lowest)
        sums[:] = 0
        if fits and SIGN_ASIDE * count(scores, nearest) >= num_present:
            keys = everyone if num_present == num_points else choose(scores, lowest, order)
            add_shifted_right(sums, own, scores, keys, gamma, False, units)
            out[row] = sums[: out.shape[1]]
            continue
        if signs_of != group:
            signs_of, signs[:], before[:] = group, 0, 0
        follow(signs, before, own, scores, order, units)
        add_shifted_right(sums, own, scores, choose(scores, nearest, order), gamma, True, units)
        for place in range(out.shape[1]):
            out[row, place] = np.int64(sums[place]) + np.int64(signs[place])


@compiled
def attend_dyadic(points, values, present, which, out, score_shift, bits, units, start, stop):
    """Rows of ⌊Σ_j v_j numerator_j / 2^bits⌋."""
    num_points, lowest = present.shape[2], np.int64(ABSENT) + 1
    scores, order, sums = buffers(values, num_points)
    everyone = np.arange(num_points)
    for row in range(start, stop):
        top, least, group = score_row(scores, points, present, which, row, score_shift)
        if top < lowest:
            out[row] = 0
            continue
        unit, own = gamma_of(scores, top, least) - bits, values[which[2, group]]
        is_whole = count(scores, max(unit, lowest)) == num_points
        keys = everyone if is_whole else choose(scores, max(unit, lowest), order)
        sums[:] = 0
        add_shifted_left(sums, own, scores, keys, unit, units)
        missing = (1 << bits) - word_sum(scores, unit, np.int64(bits))
        largest = choose(scores, top, order)[0] * sums.shape[0]
        for place in range(out.shape[1]):
            out[row, place] = (np.int64(sums[place]) + np.int64(own[largest + place]) * missing) >> bits


def attend(operands: Operands, rule: Rule) -> Tensor:
    """The attended values of all rows `[G N, E]`, int64."""
    num_points, num_channels = operands.values.shape[-2:]
    num_rows = operands.which.shape[1] * operands.q_sign.shape[1]
    present = operands.present
    if present is None:
        present = torch.ones(1, 1, num_points, dtype=torch.uint8)
    dtype = word_of(rule, num_points)
    num_bits = torch.iinfo(dtype).bits
    units = next((count for count in (1, 2) if num_channels * num_bits <= count * UNIT_BITS), 4) * (0,)
    values = pad(
        operands.values.to(dtype), (0, -num_channels % (len(units) * UNIT_BITS // num_bits))
    ).flatten(1)
    out = torch.empty(num_rows, num_channels, dtype=torch.int64)
    points = tuple(words.numpy() for words in operands[:4])
    arrays = tuple(tensor.numpy() for tensor in (values, present, operands.which, out))
    rows, setting = (attend_dyadic, rule.bits) if rule.bits else (attend_ceil, rule.reach)
    in_threads(rows, num_rows, num_rows * num_points, points, *arrays, rule.score_shift, setting, units)
    return out


def word_of(rule: Rule, num_points: int) -> torch.dtype:
    """The narrowest word that holds all sums of a row: a processor adds more of them at once."""
    for dtype in (torch.int16, torch.int32):
        last = torch.iinfo(dtype).bits - 1
        if rule.bits:
            fits = rule.reach + rule.bits <= last
        else:
            fits = max(1 << rule.reach, num_points) <= 1 << last
        if fits:
            return dtype
    return torch.int64
