"""Geometry of images and frames: flip, roll, translate, rotate, shear; all time steps of a sample move alike."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from snnpd.datasets.augmentation.checks import (
    Interpolation,
    check_below,
    check_probability,
    check_whole,
)


class PerSample(ABC):
    """An augmentation that sees one sample at a time, so nothing depends on the batch around it.

    What comes in from outside of the picture is zero, the background.
    """

    @abstractmethod
    def one(self, x: Float[Tensor, "*TC H W"], rng: np.random.Generator) -> Float[Tensor, "*TC H W"]:
        """The augmented sample; `x` itself is left as it is."""

    def __call__(
        self, x: Float[Tensor, "B *TC H W"], rngs: Sequence[np.random.Generator]
    ) -> Float[Tensor, "B *TC H W"]:
        """The augmented samples."""
        return torch.stack([self.one(sample, rng) for sample, rng in zip(x, rngs, strict=True)])


@dataclass(frozen=True)
class Flip(PerSample):
    """Mirrors a sample left to right, with `probability`; upside down along `axis` "y"."""

    probability: float = 0.5
    axis: Literal["x", "y"] = "x"

    def __post_init__(self) -> None:
        check_probability(self)

    def one(self, x: Float[Tensor, "*TC H W"], rng: np.random.Generator) -> Float[Tensor, "*TC H W"]:
        """The sample or its mirror image."""
        if rng.random() >= self.probability:
            return x
        return x.flip(-1 if self.axis == "x" else -2)


@dataclass(frozen=True)
class Roll(PerSample):
    """Shifts by up to `pixels` whole pixels each way; what leaves on one side comes in on the other."""

    pixels: int = 5

    def __post_init__(self) -> None:
        check_whole(self, "pixels")

    def one(self, x: Float[Tensor, "*TC H W"], rng: np.random.Generator) -> Float[Tensor, "*TC H W"]:
        """The rolled sample."""
        down, right = rng.integers(-self.pixels, self.pixels, size=2, endpoint=True).tolist()
        return x.roll((down, right), dims=(-2, -1))


@dataclass(frozen=True)
class Translate(PerSample):
    """Shifts by up to `rows` and `columns` whole pixels each way, zeros coming in."""

    rows: int = 0
    columns: int = 0

    def __post_init__(self) -> None:
        check_whole(self, "rows")
        check_whole(self, "columns")

    def one(self, x: Float[Tensor, "*TC H W"], rng: np.random.Generator) -> Float[Tensor, "*TC H W"]:
        """The shifted sample."""
        height, width = x.shape[-2:]
        rows, columns = min(self.rows, height), min(self.columns, width)
        down = int(rng.integers(-rows, rows, endpoint=True))
        right = int(rng.integers(-columns, columns, endpoint=True))
        # A negative padding cuts.
        return functional.pad(x, (right, -right, down, -down))


@dataclass(frozen=True)
class Rotate(PerSample):
    """Turns about the centre by up to `degrees` each way; `nearest` keeps the alphabet of spikes."""

    degrees: float = 30.0
    interpolation: Interpolation = "nearest"

    def __post_init__(self) -> None:
        check_below(self, "degrees", float("inf"))

    def one(self, x: Float[Tensor, "*TC H W"], rng: np.random.Generator) -> Float[Tensor, "*TC H W"]:
        """The turned sample; counter-clockwise where the drawn angle is positive."""
        angle = math.radians(rng.uniform(-self.degrees, self.degrees))
        cos, sin = math.cos(angle), math.sin(angle)
        return _resample(x, (cos, -sin), (sin, cos), self.interpolation)


@dataclass(frozen=True)
class Shear(PerSample):
    """Slants along the rows by up to `degrees` each way about the centre; `nearest` keeps the alphabet of spikes."""

    degrees: float = 30.0
    interpolation: Interpolation = "nearest"

    def __post_init__(self) -> None:
        check_below(self, "degrees", 90)

    def one(self, x: Float[Tensor, "*TC H W"], rng: np.random.Generator) -> Float[Tensor, "*TC H W"]:
        """The slanted sample; rows below the centre go to the left where the drawn angle is positive."""
        slope = math.tan(math.radians(rng.uniform(-self.degrees, self.degrees)))
        return _resample(x, (1.0, slope), (0.0, 1.0), self.interpolation)


def _resample(
    x: Tensor, down: tuple[float, float], right: tuple[float, float], interpolation: Interpolation
) -> Tensor:
    """A step down in the output is the step `down` (rows, columns) in the input, likewise `right`; the centre stays."""
    height, width = x.shape[-2:]
    rows = (np.arange(height) - (height - 1) / 2)[:, None]
    columns = (np.arange(width) - (width - 1) / 2)[None, :]
    from_top = down[0] * rows + right[0] * columns
    from_left = down[1] * rows + right[1] * columns
    grid = np.stack([2.0 * from_left / width, 2.0 * from_top / height], axis=-1).astype(np.float32)
    pictures = x.reshape(1, -1, height, width)
    moved = functional.grid_sample(
        pictures, torch.from_numpy(grid)[None], mode=interpolation, align_corners=False
    )
    return moved.reshape(x.shape)
