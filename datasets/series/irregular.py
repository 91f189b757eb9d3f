"""Irregular series with time stamps, from tables with one line a moment."""

from pathlib import Path

from snnpd.datasets.ragged import SeriesOptions, split_series
from snnpd.datasets.roots import folder_of
from snnpd.datasets.series.long_tables import SUFFIXES, LongTable, read_table
from snnpd.datasets.splits import Splits
from snnpd.errors import UsageError


def irregular_folder(
    *,
    root: str | None = None,
    seed: int = 0,
    val_fraction: float = 0.1,
    jitter: float = 0.0,
    missing: str = "refuse",
    times: bool = True,
    from_start: bool = False,
) -> Splits:
    """Irregular series in the folder `root`: `train` and `test`, each as `.csv` or `.npz`, one row a moment.

    A `.csv` has the columns `sample`, `label`, `time` (a number or an ISO date) and one for each channel; an
    empty cell, `?` or NaN is a missing value. A `.npz` has the arrays `sample` `[R]`, `label` `[R]`, `time`
    `[R]` and `values` `[R, C]`. The rows of a sample need not be neighbours, but their stamps ascend.

    Batches carry `times`, for networks with `position` "bochner" or "mercer"; `times=False` leaves them out,
    `from_start` counts them from each series' first. `missing="indicate"` admits missing values: they become 0,
    and as many channels again say which values are there.

    Units: time stamps as in the files; dates are seconds since 1970 (UTC).

    Raises:
        UsageError: no root, files that are missing or damaged, or an option that does not fit.
    """
    if root is None:
        raise UsageError("irregular: give root=FOLDER, with train.csv and test.csv (or .npz) in it")
    train, test = (_read_part(folder_of(root), part) for part in ("train", "test"))
    if train.channels != test.channels:
        raise UsageError(
            f"{root}: the channels of train are {', '.join(train.channels)}, of test {', '.join(test.channels)}; "
            "give both the same columns in the same order"
        )
    options = SeriesOptions(seed, val_fraction, jitter, missing, times, from_start)
    return split_series("irregular", train.series, test.series, options)


def _read_part(folder: Path, part: str) -> LongTable:
    for suffix in SUFFIXES:
        if (folder / f"{part}{suffix}").is_file():
            return read_table(folder / f"{part}{suffix}")
    wanted = " or ".join(f"{part}{suffix}" for suffix in SUFFIXES)
    raise UsageError(f"{folder}: found no {wanted}; give the folder of both parts as root=")
