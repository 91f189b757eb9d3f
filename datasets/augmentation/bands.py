"""Augmentation of series whose channels are bands of a cochlea."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from snnpd.datasets.augmentation.checks import check_whole


@dataclass(frozen=True)
class ShiftBands:
    """Moves each series by up to `most` bands up or down; what comes in at the edge is silent.

    Raises:
        UsageError: `most` is no whole number from 0 upwards.
    """

    most: int = 4

    def __post_init__(self) -> None:
        check_whole(self, "most")

    def __call__(
        self, x: Float[Tensor, "B N C"], rngs: Sequence[np.random.Generator]
    ) -> Float[Tensor, "B N C"]:
        """The moved series."""
        moved = torch.zeros_like(x)
        for source, target, rng in zip(x, moved, rngs, strict=True):
            shift = int(rng.integers(-self.most, self.most + 1))
            if abs(shift) >= x.shape[2]:
                continue
            if shift >= 0:
                target[:, shift:] = source[:, : x.shape[2] - shift]
            else:
                target[:, :shift] = source[:, -shift:]
        return moved
