"""Validation by whole groups: a subject, or a speaker, is on one side only."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64

from snnpd.datasets.carve import Indices, wants_validation
from snnpd.datasets.seeding import permutation
from snnpd.errors import UsageError


def carve_groups(
    groups: Sequence[str], labels: Int64[np.ndarray, "_"], fraction: float, seed: int
) -> tuple[Indices, Indices | None]:
    """The indices `(train, val)` of a training set whose samples come from `groups`, one a sample.

    Held are `fraction` of the groups, rounded, one at least, drawn by `seed`; at fraction 0 `val` is None.

    Raises:
        UsageError: fraction not in [0, 1); every group held; a class missing on one side.
    """
    if not wants_validation(fraction, seed):
        return np.arange(len(labels)), None
    names = sorted(set(groups))
    num_held = max(1, round(len(names) * fraction))
    if num_held >= len(names):
        raise UsageError(
            f"val_fraction {fraction} does not fit: it holds {num_held} of {len(names)} subjects; leave at least one"
        )
    held_names = {names[place] for place in permutation(len(names), seed)[:num_held]}
    is_held = np.array([group in held_names for group in groups])
    kept, held = np.flatnonzero(~is_held), np.flatnonzero(is_held)
    missing = set(labels.tolist()) - (set(labels[kept].tolist()) & set(labels[held].tolist()))
    if missing:
        raise UsageError(
            f"val_fraction {fraction} does not fit: class {min(missing)} is on one side only when it holds "
            f"{', '.join(sorted(held_names))}; choose another fraction or seed"
        )
    return kept, held
