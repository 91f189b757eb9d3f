"""Stratified splits: exact sizes, every class in proportion, a function of the seed alone."""

import numpy as np
from numpy.typing import NDArray

from snnpd.datasets.seeding import check_seed, permutation
from snnpd.errors import UsageError

Indices = NDArray[np.int64]


def stratified_split(labels: NDArray[np.int64], num_held: int, seed: int) -> tuple[Indices, Indices]:
    """The indices `(kept, held)`, both ascending, with exactly `num_held` held.

    Each class gives its proportional share, rounded down or up (largest remainders first).

    Raises:
        UsageError: some class would be missing on one side.
    """
    classes, counts = np.unique(labels, return_counts=True)
    shares = _largest_remainders(counts, num_held)
    held = []
    for number, count, share in zip(classes.tolist(), counts.tolist(), shares.tolist(), strict=True):
        if not 0 < share < count:
            raise UsageError(
                f"class {number} has {count} samples: holding {num_held} of {len(labels)} would take {share} "
                f"of them; choose a size that leaves each class at least one on both sides"
            )
        members = np.flatnonzero(labels == number)
        held.append(members[permutation(count, seed, number)[:share]])
    held_indices = np.sort(np.concatenate(held))
    return np.setdiff1d(np.arange(len(labels)), held_indices), held_indices


def carve_validation(labels: NDArray[np.int64], fraction: float, seed: int) -> tuple[Indices, Indices | None]:
    """The indices `(train, val)` of a training set; `val` is None and train is everything at fraction 0.

    Raises:
        UsageError: fraction not in [0, 1), or too small or too large for some class.
    """
    if not wants_validation(fraction, seed):
        return np.arange(len(labels)), None
    try:
        return stratified_split(labels, round(len(labels) * fraction), seed)
    except UsageError as error:
        raise UsageError(f"val_fraction {fraction} does not fit: {error}") from error


def wants_validation(fraction: float, seed: int) -> bool:
    """Whether there is to be a validation part.

    Raises:
        UsageError: fraction not in [0, 1), or a seed below 0.
    """
    check_seed(seed)
    if not 0.0 <= fraction < 1.0:
        raise UsageError(f"val_fraction is {fraction}; give a number from 0 (no validation part) to below 1")
    return fraction > 0


def _largest_remainders(counts: NDArray[np.int64], total: int) -> NDArray[np.int64]:
    """Whole shares of `total` in proportion to `counts`, each within one of the exact share."""
    scaled = counts * total
    shares = scaled // counts.sum()
    missing = total - int(shares.sum())
    by_remainder = np.argsort(-(scaled % counts.sum()), kind="stable")
    shares[by_remainder[:missing]] += 1
    return shares
