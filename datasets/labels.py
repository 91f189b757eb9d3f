"""Checks of class labels, made once when a data set is read."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from snnpd.errors import UsageError


def check_labels(labels: NDArray[np.int64], num_classes: int, where: str) -> None:
    """Raises UsageError, naming the first sample, unless every label is one of 0 … num_classes − 1."""
    wrong = np.flatnonzero((labels < 0) | (labels >= num_classes))
    if wrong.size:
        first = int(wrong[0])
        raise UsageError(
            f"{where}: label out of range: sample {first} has {int(labels[first])}, "
            f"allowed are 0 to {num_classes - 1} ({num_classes} classes); mend the file or the number of "
            "classes"
        )


def check_every_class(labels: NDArray[np.int64], class_names: Sequence[str], where: str) -> None:
    """Raises UsageError, naming the class, if some class has no sample."""
    counts = np.bincount(labels, minlength=len(class_names))
    for number, name in enumerate(class_names):
        if counts[number] == 0:
            raise UsageError(
                f"{where}: empty class: no sample of class {number} ({name!r}) among {len(labels)}; "
                f"add samples of it or lower the number of classes"
            )
