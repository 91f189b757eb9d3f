"""Passes over events, compiled by numba: one event after the other, straight from its record."""

from typing import no_type_check

import numpy as np
from numba import njit

OPTIONS = {"nogil": True, "error_model": "numpy", "cache": True}


@njit(**OPTIONS)
@no_type_check
def first_wrong(events, num_polarities, height, width, found):
    """Writes into `found[0]` the first event that lies off the sensor or goes back in time; -1 if none does."""
    found[0] = -1
    for n in range(events.size):
        x, y, p = events[n].x, events[n].y, events[n].p
        is_off = x < 0 or x >= width or y < 0 or y >= height or p < 0 or p >= num_polarities
        if is_off or events[n].t < events[max(n - 1, 0)].t:
            found[0] = n
            return


@njit(**OPTIONS)
@no_type_check
def coarsen(events, factor, coarse):
    """Writes into `coarse` a copy of the events on pixels of `factor` × `factor`."""
    for n in range(events.size):
        coarse[n] = events[n]
        coarse[n].x //= factor
        coarse[n].y //= factor


@njit(**OPTIONS)
@no_type_check
def cut_out(events, top, left, height, width, kept, num_kept):
    """Writes into `kept` the events of a window, as seen from its corner, and into `num_kept[0]` how many."""
    num_kept[0] = 0
    for n in range(events.size):
        x, y = events[n].x - left, events[n].y - top
        if 0 <= x < width and 0 <= y < height:
            k = num_kept[0]
            kept[k] = events[n]
            kept[k].x, kept[k].y = x, y
            num_kept[0] = k + 1


@njit(**OPTIONS)
@no_type_check
def add_weights(events, borders, channels, weights, total):
    """Adds to `total` `[T, C, H, W]` the weight that an event's polarity has, in the channel that it has."""
    for k in range(borders.size - 1):
        for n in range(borders[k], borders[k + 1]):
            p = events[n].p
            total[k, channels[p], events[n].y, events[n].x] += weights[p]


@njit(**OPTIONS)
@no_type_check
def add_between(events, start_us, span_us, weights, total):
    """Adds to `total` `[T, H, W]` the weight of an event's polarity, shared between the bins next to its time."""
    last = total.shape[0] - 1
    for n in range(events.size):
        weight, y, x = weights[events[n].p], events[n].y, events[n].x
        place = last * np.float64(events[n].t - start_us) / span_us
        # Rounding must not lead beyond the last bin.
        bin_ = min(np.int64(place), last)
        share = min(place - bin_, 1.0)
        total[bin_, y, x] += weight * (1.0 - share)
        if bin_ < last:
            total[bin_ + 1, y, x] += weight * share


@njit(**OPTIONS)
@no_type_check
def exponents_since_last(events, borders, stops_us, tau_us, last, exponents):
    """Writes into `exponents` `[T, P, H, W]` minus the time from a pixel's last event to each slice's end, over tau.

    `last` `[P, H, W]` is room for the number of that event; without one, the exponent is -inf.
    """
    last[...] = -1
    for k in range(stops_us.size):
        for n in range(borders[k], borders[k + 1]):
            last[events[n].p, events[n].y, events[n].x] = n
        seen, exponent = last.reshape(-1), exponents[k].reshape(-1)
        for cell in range(seen.size):
            exponent[cell] = (events[seen[cell]].t - stops_us[k]) / tau_us if seen[cell] >= 0 else -np.inf
