"""Checks of the options that augmentations share."""

import math
from collections.abc import Callable
from typing import Any, Literal

from torch import Tensor

from snnpd.errors import UsageError

Interpolation = Literal["nearest", "bilinear"]

# Coordinates of events have 16 bits.
_LARGEST_SIDE = 32767


def check_probability(owner: Any, name: str = "probability") -> None:
    """Raises UsageError unless the option is a number from 0 to 1."""
    _require(owner, name, lambda value: 0 <= value <= 1, "a number from 0 to 1")


def check_whole(owner: Any, name: str, highest: int = _LARGEST_SIDE) -> None:
    """Raises UsageError unless the option is a whole number from 0 to `highest`."""
    _require(
        owner,
        name,
        lambda value: isinstance(value, int) and 0 <= value <= highest,
        f"a whole number from 0 to {highest}",
    )


def check_below(owner: Any, name: str, limit: float) -> None:
    """Raises UsageError unless the option is a number from 0 to below `limit`."""
    below = "upwards" if limit == float("inf") else f"to below {limit:g}"
    _require(owner, name, lambda value: 0 <= value < limit, f"a number from 0 {below}")


def check_shares(owner: Any, name: str) -> None:
    """Raises UsageError unless the option has one number or more, all from 0 to 1."""
    _require(
        owner,
        name,
        lambda value: len(value) > 0 and all(0 <= share <= 1 for share in value),
        "one or more numbers from 0 to 1",
    )


def check_colour(owner: Any, name: str) -> None:
    """Raises UsageError unless the option is a finite number, or one for each channel."""

    def holds(value: Any) -> bool:
        values = value if isinstance(value, tuple) else (value,)
        return len(values) > 0 and all(math.isfinite(one) for one in values)

    _require(owner, name, holds, "one number, or one for each channel")


def check_three_channels(owner: Any, x: Tensor) -> None:
    """Raises UsageError unless the images `[B, C, H, W]` are in colour."""
    if x.shape[1] != 3:
        raise UsageError(
            f"{type(owner).__name__} is for colour images, these have {x.shape[1]} channel(s); leave it out of augment"
        )


def check_range(owner: Any, name: str, highest: float) -> None:
    """Raises UsageError unless the option is two ascending positive numbers up to `highest`."""
    upto = "" if highest == float("inf") else f", at most {highest:g}"
    _require(
        owner,
        name,
        lambda value: 0 < value[0] <= value[1] <= highest and value[1] < float("inf"),
        f"two ascending numbers above 0{upto}",
    )


def _require(owner: Any, name: str, holds: Callable[[Any], bool], rule: str) -> None:
    value = getattr(owner, name)
    if not holds(value):
        raise UsageError(f"{type(owner).__name__}: {name} is {value!r}; give {rule}")
