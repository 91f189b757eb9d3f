"""Multivariate series of any lengths from aeon: the sets it ships, and `.ts` files."""

from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from snnpd.errors import UsageError


class LabelledSeries(NamedTuple):
    """Series `[N_i, C]`, float32, each at its true length, and the class name of each."""

    series: list[Tensor]
    names: list[str]


@lru_cache(maxsize=4)
def shipped_series(problem: str, loader: str, split: str) -> LabelledSeries:
    """One official part of a set inside the aeon package: `loader` is aeon's function, `split` its option.

    Raises:
        UsageError: aeon is missing.
    """
    series, names = getattr(_aeon_datasets(), loader)(split=split)
    return LabelledSeries(_checked(list(series), f"{problem}, {split}"), [str(name) for name in names])


def read_ts(path: Path) -> LabelledSeries:
    """The series of a `.ts` file.

    Raises:
        UsageError: aeon is missing, or the file is missing, empty, truncated, damaged or has missing values.
    """
    load = _aeon_datasets().load_from_ts_file
    if not path.is_file():
        raise UsageError(
            f"{path}: no such file; give the folder of <Problem>_TRAIN.ts and <Problem>_TEST.ts as root="
        )
    if path.stat().st_size == 0:
        raise UsageError(f"{path}: empty file; fetch it again")
    try:
        series, names, header = load(str(path), return_meta_data=True)
    # Aeon's reader fails in many ways on a damaged file; UnicodeDecodeError is a ValueError.
    except (OSError, ValueError, LookupError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"{path}: truncated or damaged .ts file ({reason}); fetch it again") from error
    if len(series) == 0:
        raise UsageError(f"{path}: no case after @data; fetch the file again")
    names = [str(name) for name in names]
    for number, name in enumerate(names):
        if name not in header["class_values"]:
            raise UsageError(
                f"{path}: case {number + 1} ends in {_short(name)!r}, expected one of the header's classes "
                f"({', '.join(header['class_values'])}); truncated or damaged, fetch the file again"
            )
    return LabelledSeries(_checked(list(series), str(path)), names)


def _checked(series: list[np.ndarray], where: str) -> list[Tensor]:
    """Aeon's `[C, N]` in double precision, as our `[N, C]`."""
    for number, case in enumerate(series):
        if not np.isfinite(case).all():
            raise UsageError(f"{where}: case {number + 1} has missing or infinite values; fill them in")
    return [torch.from_numpy(np.ascontiguousarray(case.T, dtype=np.float32)) for case in series]


def _short(text: str) -> str:
    return text if len(text) <= 24 else text[:24] + "…"


def _aeon_datasets() -> ModuleType:
    try:
        import aeon.datasets
    except ImportError as error:
        raise UsageError(f"series need aeon ({error}); pip install 'snnpd[series]'") from error
    return aeon.datasets
