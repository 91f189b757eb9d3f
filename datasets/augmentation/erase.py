"""Augmentations that hide a part of the picture, the same one at all time steps."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from snnpd.datasets.augmentation.checks import check_colour, check_probability, check_range, check_whole
from snnpd.datasets.augmentation.frames import PerSample
from snnpd.errors import UsageError


@dataclass(frozen=True)
class Cutout(PerSample):
    """Sets a square of `pixels` × `pixels` to zero; its centre is any pixel, so it may reach over the border.

    Source: DeVries and Taylor, 2017 (Cutout).
    """

    pixels: int = 16

    def __post_init__(self) -> None:
        check_whole(self, "pixels")

    def one(self, x: Float[Tensor, "*TC H W"], rng: np.random.Generator) -> Float[Tensor, "*TC H W"]:
        """The sample with a hole."""
        top, left = (int(rng.integers(size)) - self.pixels // 2 for size in x.shape[-2:])
        rows = slice(max(0, top), max(0, top + self.pixels))
        columns = slice(max(0, left), max(0, left + self.pixels))
        x = x.clone()
        x[..., rows, columns] = 0
        return x


@dataclass(frozen=True)
class RandomErasing(PerSample):
    """Fills a rectangle inside of the picture with noise of a `mean` and `std` per channel, with `probability`.

    Area (as a share of the picture's) and the logarithm of the aspect (height over width) are uniform within
    their ranges; a rectangle that does not fit is drawn again, ten times at most. With the data set's mean it
    is timm's mode `const`, with its standard deviation, too, timm's mode `pixel`.

    Source: Zhong et al., 2020 (Random Erasing).
    """

    probability: float = 0.25
    area: tuple[float, float] = (0.02, 1 / 3)
    aspect: tuple[float, float] = (0.3, 1 / 0.3)
    mean: float | tuple[float, ...] = 0.0
    std: float | tuple[float, ...] = 0.0

    def __post_init__(self) -> None:
        check_probability(self)
        check_range(self, "area", 1.0)
        check_range(self, "aspect", float("inf"))
        check_colour(self, "mean")
        check_colour(self, "std")

    def one(self, x: Float[Tensor, "*TC H W"], rng: np.random.Generator) -> Float[Tensor, "*TC H W"]:
        """The sample, perhaps with a rectangle of it gone."""
        if rng.random() >= self.probability:
            return x
        rectangle = self._rectangle(x.shape[-2], x.shape[-1], rng)
        if rectangle is None:
            return x
        x = x.clone()
        hidden = x[..., rectangle[0], rectangle[1]]
        # One pattern for all time steps, as the rectangle is.
        shape = (x.shape[-3], *hidden.shape[-2:]) if x.ndim > 2 else tuple(hidden.shape)
        noise = torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))
        hidden.copy_(self._per_channel(self.mean, x) + self._per_channel(self.std, x) * noise)
        return x

    def _rectangle(self, height: int, width: int, rng: np.random.Generator) -> tuple[slice, slice] | None:
        for _ in range(10):
            area = rng.uniform(*self.area) * height * width
            aspect = math.exp(rng.uniform(math.log(self.aspect[0]), math.log(self.aspect[1])))
            rows, columns = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if rows < height and columns < width:
                top, left = int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1))
                return slice(top, top + rows), slice(left, left + columns)
        return None

    def _per_channel(self, values: float | tuple[float, ...], x: Tensor) -> Tensor:
        given = torch.tensor(values, dtype=x.dtype)
        if given.ndim == 0:
            return given
        if x.ndim < 3 or len(given) != x.shape[-3]:
            raise UsageError(
                f"RandomErasing: {len(given)} values for samples of shape {tuple(x.shape)}; "
                f"give one number, or one for each channel"
            )
        return given[:, None, None]
