"""Recordings to represent: by hand, at random, and as hypothesis draws them."""

from collections.abc import Sequence

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from snnpd.datasets.events import EVENT_DTYPE, Events, Sensor

# For laws that many parametrised cases share.
FEW = settings(max_examples=20)
# Neither square nor a multiple of the factors that it is divided by.
SENSOR = Sensor(5, 7)


def recording(rows: Sequence[tuple[int, int, int, int]]) -> Events:
    """Events from (x, y, t, p)."""
    return np.array(list(rows), dtype=EVENT_DTYPE)


def at_times(*times: int) -> Events:
    """Brighter events of one pixel."""
    return recording([(0, 0, t, 1) for t in times])


def random_recording(num: int = 2000, *, stop_us: int = 1000, start_us: int = 0, seed: int = 0) -> Events:
    """Many events of few moments, so that borders are hit; the first and the last moment are given."""
    rng = np.random.default_rng(seed)
    events = np.zeros(num, dtype=EVENT_DTYPE)
    events["x"], events["y"] = rng.integers(0, SENSOR.width, num), rng.integers(0, SENSOR.height, num)
    events["t"], events["p"] = np.sort(rng.integers(start_us, stop_us + 1, num)), rng.integers(0, 2, num)
    events["t"][0], events["t"][-1] = start_us, stop_us
    return events


def recordings(max_events: int = 30, max_us: int = 40) -> st.SearchStrategy[Events]:
    """Recordings of `SENSOR`, with moments that are shared, empty ones too."""
    event = st.tuples(
        st.integers(0, SENSOR.width - 1),
        st.integers(0, SENSOR.height - 1),
        st.integers(0, max_us),
        st.integers(0, 1),
    )
    return st.lists(event, max_size=max_events).map(
        lambda rows: recording(sorted(rows, key=lambda row: row[2]))
    )
