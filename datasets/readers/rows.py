"""Rows of decimal numbers from bytes of text, compiled by numba: exact, without a detour over floats."""

from typing import no_type_check

import numpy as np
from numba import njit

# How reading ended.
GOOD, NO_NUMBER, WRONG_COUNT, NOT_WHOLE, TOO_LARGE = range(5)


@njit(nogil=True, error_model="numpy", cache=True)
@no_type_check
def parse_rows(text, table, time, power):
    """Reads whole lines of `table.shape[0]` numbers; times are multiplied by ten to `power` and rounded.

    Returns the number of lines, how it ended and where, and whether all times were whole before.
    """
    width, size = table.shape[0], len(text)
    num, column, place, whole = 0, 0, 0, True
    while place < size:
        byte = text[place]
        if byte == 10 or ((byte == 35 or byte == 37) and column == 0):
            if column != 0 and column != width:
                return num, WRONG_COUNT, place, whole
            num += column == width
            column = 0
            while place < size and text[place] != 10:
                place += 1
            place += 1
        elif byte == 32 or byte == 9 or byte == 44 or byte == 59 or byte == 13:
            place += 1
        elif column == width:
            return num, WRONG_COUNT, place, whole
        else:
            scale = power if column == time else 0
            value, end, state, is_whole = _number(text, place, scale)
            if state != GOOD:
                return num, state, place, whole
            if column == time:
                whole = whole and is_whole
            elif not is_whole:
                return num, NOT_WHOLE, place, whole
            table[column, num] = value
            place, column = end, column + 1
    if column != 0 and column != width:
        return num, WRONG_COUNT, size, whole
    return num + (column == width), GOOD, size, whole


@njit(nogil=True, error_model="numpy", cache=True)
@no_type_check
def _number(text, place, power):
    """The decimal number at `place` times ten to `power`, rounded; where it ends; whether it is whole itself."""
    size = len(text)
    negative = text[place] == 45
    place += negative or text[place] == 43
    value, digits, exponent, after_point, lost = np.int64(0), 0, 0, False, False
    while place < size:
        byte = text[place]
        if 48 <= byte <= 57:
            # Eighteen digits fit; further ones only say how large the number is.
            if value < 10**17:
                value = value * 10 + (byte - 48)
                exponent -= after_point
            else:
                lost = lost or byte != 48
                exponent += not after_point
            digits += 1
        elif byte == 46 and not after_point:
            after_point = True
        else:
            break
        place += 1
    if digits == 0:
        return value, place, NO_NUMBER, True
    if place < size and (text[place] == 101 or text[place] == 69):
        place += 1
        minus = place < size and text[place] == 45
        place += place < size and (text[place] == 45 or text[place] == 43)
        written, begin = 0, place
        while place < size and 48 <= text[place] <= 57:
            written = min(written * 10 + (text[place] - 48), 1000)
            place += 1
        if place == begin:
            return value, place, NO_NUMBER, True
        exponent += -written if minus else written
    if place < size and not (
        9 <= text[place] <= 13 or text[place] == 32 or text[place] == 44 or text[place] == 59
    ):
        return value, place, NO_NUMBER, True
    while exponent < 0 and value % 10 == 0 and value != 0:
        value, exponent = value // 10, exponent + 1
    whole = value == 0 or (exponent >= 0 and not lost)
    exponent += power
    while exponent > 0 and value != 0:
        if value > 2**62 // 10:
            return value, place, TOO_LARGE, whole
        value, exponent = value * 10, exponent - 1
    if exponent < 0 and value != 0:
        unit = 10 ** min(-exponent, 18)
        value = (value + unit // 2) // unit if -exponent <= 18 else 0
    return -value if negative else value, place, GOOD, whole
