"""One look at every value of a neuron's output: how many are not zero, how many unit events, how many no letters."""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int64
from numba import njit
from torch import Tensor


class Seen(NamedTuple):
    """What each row of a tensor holds."""

    spiking: Int64[Tensor, "rows"]
    events: Int64[Tensor, "rows"]
    strange: Int64[Tensor, "rows"]


def look(x: Tensor, low: int, high: int) -> Seen:
    """Values of `[rows, ...]` that are not zero, their sum of magnitudes, and those that are not in low..high.

    On the CPU one pass over the memory; elsewhere, and for other types than 32- and 64-bit floats, by torch.
    """
    if x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64):
        seen = np.zeros((len(x), 3), dtype=np.int64)
        _scan(x.detach().reshape(len(x), -1).numpy(), low, high, seen)
        return Seen(*torch.from_numpy(seen).unbind(-1))
    rows = x.reshape(len(x), -1)
    whole = rows.round()
    is_letter = (rows == whole) & (rows >= low) & (rows <= high)
    events = whole.abs().masked_fill(~is_letter, 0).long().sum(-1)
    return Seen((rows != 0).sum(-1), events, (~is_letter).sum(-1))


@njit(nogil=True, cache=True, error_model="numpy")
def _scan(rows: np.ndarray, low: int, high: int, seen: np.ndarray) -> None:
    for row in range(rows.shape[0]):
        spiking, events, strange = 0, 0, 0
        for column in range(rows.shape[1]):
            value = rows[row, column]
            # Converting what is out of range, or nan, gives some integer, which then is not the value.
            letter = int(value)
            spiking += value != 0
            events += abs(letter)
            strange += (letter != value) | (letter < low) | (letter > high)
        seen[row, 0], seen[row, 1], seen[row, 2] = spiking, events, strange
