"""Series of any lengths: the sets that aeon ships, and the `.ts` files of the UEA and UCR archives."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, TextIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from snnpd.datasets.series.ts_cases import parse_case
from snnpd.errors import UsageError


class LabelledSeries(NamedTuple):
    """Series `[N_i, C]`, float32, each at its true length, and the class name of each.

    A missing value is NaN. `times`, where the series have time stamps: `[N_i]` each, float64, ascending.
    """

    series: list[Tensor]
    names: list[str]
    times: list[Tensor] | None = None


class _Header(NamedTuple):
    class_names: tuple[str, ...]
    timed: bool


@lru_cache(maxsize=4)
def shipped_series(problem: str, loader: str, split: str) -> LabelledSeries:
    """One official part of a set inside the aeon package: `loader` is aeon's function, `split` its option.

    Raises:
        UsageError: aeon is missing.
    """
    series, names = getattr(_aeon_datasets(), loader)(split=split)
    return LabelledSeries([as_tokens(case) for case in series], [str(name) for name in names])


def read_ts(path: Path) -> LabelledSeries:
    """The series of a `.ts` file, plain (`1,2:3,4:class`) or with time stamps (`(t,1),(t,2):class`).

    Class names are in lower case, as aeon gives them; `?` and NaN are missing values; dates are seconds since
    1970 (UTC). Where channels have stamps of their own, a token is a moment at which any of them has a value.

    Aeon's own reader (1.x) takes time stamps for values and calls the class "banana" "baNaNa": so this one.

    Raises:
        UsageError: the file is missing, empty, truncated or damaged, or no classification problem.
    """
    if not path.is_file():
        raise UsageError(
            f"{path}: no such file; give the folder of <Problem>_TRAIN.ts and <Problem>_TEST.ts as root="
        )
    if path.stat().st_size == 0:
        raise UsageError(f"{path}: empty file; fetch it again")
    try:
        # Comments come in any encoding; among the data such bytes are no numbers.
        with path.open(encoding="utf-8", errors="replace") as file:
            lines = _lines(file)
            found = _read_cases(lines, _read_header(lines, path), path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from error
    if not found.series:
        raise UsageError(f"{path}: no case after @data; fetch the file again")
    return found


def as_tokens(values: NDArray[np.float64]) -> Tensor:
    """Channels `[C, N]` in double precision as our `[N, C]`, float32; what is too large for it is infinite."""
    with np.errstate(over="ignore"):
        return torch.from_numpy(np.ascontiguousarray(values.T, dtype=np.float32))


def _lines(file: TextIO) -> Iterator[str]:
    """What is neither blank nor a comment."""
    for line in file:
        text = line.strip()
        if text and text[0] not in "#%":
            yield text


def _read_header(lines: Iterator[str], path: Path) -> _Header:
    class_names: tuple[str, ...] = ()
    timed = False
    for line in lines:
        key, *words = line.lower().split()
        if not key.startswith("@"):
            raise UsageError(
                f"{path}: found {_short(line)!r} before @data, expected a line that begins with @; this is no "
                ".ts file, or its header is damaged"
            )
        if key == "@data":
            if not class_names:
                break
            return _Header(class_names, timed)
        if key == "@timestamps":
            timed = words[:1] == ["true"]
        if key == "@classlabel" and words[:1] == ["true"]:
            class_names = tuple(words[1:])
        if key == "@targetlabel" and words[:1] == ["true"]:
            raise UsageError(
                f"{path}: a regression problem (@targetlabel true); give a classification problem"
            )
    else:
        raise UsageError(f"{path}: no @data line; truncated or damaged .ts file, fetch it again")
    raise UsageError(
        f"{path}: found no '@classLabel true' with names of classes before @data; damaged, or no classification "
        "problem"
    )


def _read_cases(lines: Iterator[str], header: _Header, path: Path) -> LabelledSeries:
    found = LabelledSeries([], [], [] if header.timed else None)
    for number, line in enumerate(lines, start=1):
        try:
            values, times, name = parse_case(line.lower(), header.timed)
            if name not in header.class_names:
                known = ", ".join(header.class_names)
                raise ValueError(f"ends in {_short(name)!r}, expected one of the header's classes ({known})")
            if found.series and len(values) != found.series[0].shape[1]:
                raise ValueError(f"has {len(values)} channels, the first case {found.series[0].shape[1]}")
        except ValueError as reason:
            raise UsageError(
                f"{path}: case {number} {reason}; truncated or damaged, fetch the file again"
            ) from reason
        found.series.append(as_tokens(values))
        found.names.append(name)
        if found.times is not None:
            found.times.append(torch.from_numpy(times))
    return found


def _short(text: str) -> str:
    return text if len(text) <= 24 else text[:24] + "…"


def _aeon_datasets() -> ModuleType:
    try:
        import aeon.datasets
    except ImportError as error:
        raise UsageError(f"series need aeon ({error}); pip install 'snnpd[series]'") from error
    return aeon.datasets
