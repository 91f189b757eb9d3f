"""The words of EVT 3.0, which say only what has changed: a machine with a state, compiled by numba."""

from typing import no_type_check

import numpy as np
from numba import njit
from numpy.typing import NDArray

# Type of a word, its top four bits.
_ROW, _SINGLE, _VECTOR_BASE, _VECTOR_12, _VECTOR_8, _TIME_LOW, _TIME_HIGH = 0x0, 0x2, 0x3, 0x4, 0x5, 0x6, 0x8
# The high bits of the time wrap around: a fall by half a round or more. A smaller one is an error of transmission.
_HIGH_BITS = 12


def decode_evt3(words: NDArray[np.uint16]) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """x, y, t and polarity of each event; those without a time, a row or (in a vector) a base are left out."""
    kind = words >> np.uint16(12)
    masks = np.where(kind == _VECTOR_8, words & np.uint16(0xFF), words & np.uint16(0xFFF))
    in_vectors = np.bitwise_count(masks[(kind == _VECTOR_12) | (kind == _VECTOR_8)]).sum(dtype=np.int64)
    most = int(np.count_nonzero(kind == _SINGLE) + in_vectors)
    x, y, p = np.empty(most, np.int16), np.empty(most, np.int16), np.empty(most, np.uint8)
    t = np.empty(most, np.int64)
    num = _decode(words, x, y, t, p)
    return x[:num], y[:num], t[:num], p[:num]


@njit(nogil=True, error_model="numpy", cache=True)
@no_type_check
def _decode(words, x, y, t, p):
    num, row, base, now = 0, -1, -1, -1
    high, rounds, polarity = -1, 0, 0
    for word in words:
        kind, payload = word >> 12, np.int64(word & 0xFFF)
        if kind == _TIME_HIGH:
            if high - payload >= 1 << (_HIGH_BITS - 1):
                rounds += 1
            high = payload
            now = ((rounds << _HIGH_BITS) + high) << 12
        elif kind == _TIME_LOW:
            if high >= 0:
                now = (((rounds << _HIGH_BITS) + high) << 12) | payload
        elif kind == _ROW:
            row = payload & 0x7FF
        elif kind == _VECTOR_BASE:
            base, polarity = payload & 0x7FF, payload >> 11
        elif kind == _SINGLE:
            if now >= 0 and row >= 0:
                x[num], y[num], t[num], p[num] = payload & 0x7FF, row, now, payload >> 11
                num += 1
        elif kind in (_VECTOR_12, _VECTOR_8):
            if base < 0:
                continue
            width = 12 if kind == _VECTOR_12 else 8
            for place in range(width):
                if now >= 0 and row >= 0 and payload >> place & 1:
                    # Beyond any sensor, however many vectors follow.
                    x[num], y[num], t[num], p[num] = min(base + place, 0x7FFF), row, now, polarity
                    num += 1
            base += width
    return num
