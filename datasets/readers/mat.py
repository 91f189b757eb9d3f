"""Events in MATLAB's files as ASL-DVS has them: one array each of ts, x, y and pol."""

from pathlib import Path

from snnpd.datasets.images.mat_files import read_mat
from snnpd.datasets.readers.columns import Columns
from snnpd.datasets.readers.file_bytes import read_start
from snnpd.datasets.readers.h5 import read_h5


def read_mat_events(path: Path, unit: str | None = None) -> Columns:
    """The events of version 5 files (`ts`, `x`, `y`, `pol`) and of version 7.3, which is HDF5.

    Coordinates are those of the file: ASL-DVS counts y from the bottom.

    Raises:
        UsageError: missing, truncated or damaged, or an array missing.
    """
    if read_start(path, 10) == b"MATLAB 7.3":
        return read_h5(path, unit=unit)
    arrays = read_mat(path, ("x", "y", "ts", "pol"))
    x, y, t, p = (arrays[name].reshape(-1) for name in ("x", "y", "ts", "pol"))
    return Columns(x, y, t, p, unit=unit)
