"""The 40-bit events of N-MNIST and N-Caltech101 (`.bin`)."""

from pathlib import Path

import numpy as np

from snnpd.datasets.readers.columns import Columns
from snnpd.datasets.readers.file_bytes import check_whole, read_bytes

# Events in this row are none: each says that the clock has overflowed by so many microseconds.
_OVERFLOW_ROW, _OVERFLOW = 240, 1 << 13


def read_bin40(path: Path) -> Columns:
    """The events: 8 bits x, 8 bits y, 1 bit polarity, 23 bits time.

    Source: Orchard et al., 2015 (Converting static image datasets to spiking neuromorphic datasets using saccades).

    Raises:
        UsageError: missing, empty or truncated.
    """
    data, where = read_bytes(path), str(path)
    check_whole(len(data), 5, "events", where)
    record = np.frombuffer(data, np.uint8).reshape(-1, 5)
    t = (record[:, 2] & 0x7F).astype(np.int64) << 16 | record[:, 3].astype(np.int64) << 8 | record[:, 4]
    overflow = record[:, 1] == _OVERFLOW_ROW
    columns = record[:, 0], record[:, 1], t, record[:, 2] >> 7
    if overflow.any():
        t += np.cumsum(overflow) * _OVERFLOW
        columns = tuple(column[~overflow] for column in columns)
    return Columns(*columns)
