"""Random numbers that depend on a few named integers only: not on call order, workers or other libraries."""

import numpy as np
from numpy.typing import NDArray

from snnpd.errors import UsageError


def rng_for(*key: int) -> np.random.Generator:
    """A generator that is a function of `key` alone: `(seed, epoch, index)` for augmenting a sample."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))


def permutation(count: int, *key: int) -> NDArray[np.int64]:
    """The numbers 0 … count − 1 in an order that is a function of `key` alone.

    It sorts raw 64-bit draws: numpy promises that those never change, which it does not of
    `Generator.permutation`.
    """
    draws = np.random.PCG64(np.random.SeedSequence(key)).random_raw(count)
    return np.argsort(draws, kind="stable")


def check_seed(seed: int) -> None:
    """Raises UsageError unless `seed` is a whole number from 0 upwards."""
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise UsageError(f"seed is {seed!r}; give a whole number from 0 upwards")
