"""One case of a `.ts` file: its channels, its time stamps and the name of its class."""

import re
from datetime import UTC, datetime
from math import isfinite

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

MISSING = ("?", "nan")


def parse_case(line: str, timed: bool) -> tuple[Values, Values, str]:
    """Values `[C, N]`, time stamps `[N]` (empty unless `timed`) and class name of a line in lower case.

    Raises:
        ValueError: what is wrong with it, to be read behind "case 3 ".
    """
    channels, _, name = line.rpartition(":")
    if timed:
        values, times = _stamped(channels)
    else:
        values, times = _plain(channels.split(":") if channels else []), np.empty(0)
    return values, times, name.strip()


def parse_stamp(text: str) -> float:
    """A time stamp as a number: numbers as they are, ISO dates as seconds since 1970, UTC unless they say.

    Raises:
        ValueError: it is neither, or not finite.
    """
    try:
        stamp = float("" if "_" in text else text)
    except ValueError:
        try:
            date = datetime.fromisoformat(text.strip())
        except ValueError:
            raise ValueError(f"has the time stamp {text[:24]!r}, which is no number and no date") from None
        stamp = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    if not isfinite(stamp):
        raise ValueError(f"has the time stamp {text[:24]!r}, which is not finite")
    return stamp


def check_ascending(times: Values) -> None:
    """Raises ValueError, with the first place, where time stamps go back."""
    back = np.flatnonzero(np.diff(times) < 0)
    if back.size:
        token = int(back[0]) + 1
        raise ValueError(
            f"has time stamps that go back: token {token} has {times[token]!s} after {times[token - 1]!s}"
        )


def parse_value(text: str) -> float:
    """A measurement; NaN where it is missing.

    Raises:
        ValueError: it is no number.
    """
    text = text.strip()
    if text in MISSING:
        return float("nan")
    try:
        return float("" if "_" in text else text)
    except ValueError:
        raise ValueError(f"has {text[:24]!r} where a number belongs") from None


def parse_values(texts: list[str]) -> Values:
    """Measurements `[N]`, NaN where they are missing.

    Raises:
        ValueError: one is no number.
    """
    try:
        # Whole files go through here: one call a value would take several times as long. And 1_0 is no ten.
        numbers = [float("" if "_" in text else text) for text in texts]
    except ValueError:
        numbers = [parse_value(text) for text in texts]
    return np.array(numbers)


def _plain(channels: list[str]) -> Values:
    if not channels:
        raise ValueError("has no values before its class")
    rows = [parse_values(channel.split(",")) for channel in channels]
    for number, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]):
            raise ValueError(f"has {len(row)} values in channel {number}, {len(rows[0])} in channel 1")
    return np.stack(rows)


def _stamped(text: str) -> tuple[Values, Values]:
    channels = [_channel(one) for one in re.split(r"\)\s*:", text.rstrip().removesuffix(")"))]
    first = channels[0][0]
    if all(np.array_equal(times, first) for times, _ in channels):
        return np.stack([values for _, values in channels]), first
    union = np.unique(np.concatenate([times for times, _ in channels]))
    together = np.full((len(channels), len(union)), np.nan)
    for row, (times, values) in zip(together, channels, strict=True):
        if len(np.unique(times)) < len(times):
            raise ValueError("has a channel with two values at one time, and channels with other times")
        row[np.searchsorted(union, times)] = values
    return together, union


def _channel(text: str) -> tuple[Values, Values]:
    text = text.strip()
    if not text.startswith("("):
        raise ValueError(f"has {text[:24]!r} where (time,value) belongs")
    pairs = [pair.rpartition(",") for pair in re.split(r"\)\s*,\s*\(", text[1:])]
    times = np.array([parse_stamp(stamp) for stamp, _, _ in pairs])
    check_ascending(times)
    return times, parse_values([value for _, _, value in pairs])
