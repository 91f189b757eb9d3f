"""Views of an image: the square part of it that a network sees, at the size it sees it."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

_TRIES = 10


@dataclass(frozen=True)
class CentreView:
    """The square in the middle, `share` of the shorter side, bicubic.

    The field's evaluation, "resize the shorter side to size / share, then cut out the centre", in one step: no
    image is blown up first, however long and narrow it is.
    """

    size: int
    share: float = 1.0

    def __call__(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        """The middle of the image."""
        side = min(image.size) * self.share
        if image.size == (side, side) == (self.size, self.size):
            return image
        left, top = ((length - side) / 2 for length in image.size)
        box = (left, top, left + side, top + side)
        return image.resize((self.size, self.size), Image.Resampling.BICUBIC, box=box)


@dataclass(frozen=True)
class RandomView:
    """A rectangle of random area, shape and place, bicubic; half of them mirrored left to right if `flip`.

    Its area is a share of the image's, uniform in `area`; the logarithm of width over height is uniform too.

    Source: Szegedy et al., Going deeper with convolutions, 2015, section 6.
    """

    size: int
    area: tuple[float, float] = (0.08, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    flip: bool = True

    def __call__(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        """The random part of the image."""
        seen = image.crop(self._box(image.size, rng)).resize((self.size, self.size), Image.Resampling.BICUBIC)
        if self.flip and rng.random() < 0.5:
            return seen.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return seen

    def _box(self, size: tuple[int, int], rng: np.random.Generator) -> tuple[int, int, int, int]:
        width, height = size
        low, high = (math.log(bound) for bound in self.aspect)
        for _ in range(_TRIES):
            area = width * height * rng.uniform(*self.area)
            aspect = math.exp(rng.uniform(low, high))
            across, down = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < across <= width and 0 < down <= height:
                left, top = int(rng.integers(width - across + 1)), int(rng.integers(height - down + 1))
                return left, top, left + across, top + down
        return self._fallback(width, height)

    def _fallback(self, width: int, height: int) -> tuple[int, int, int, int]:
        """The middle, as much as an allowed shape holds of it: for images too narrow for the draws."""
        across = min(width, max(1, round(height * self.aspect[1])))
        down = min(height, max(1, round(width / self.aspect[0])))
        left, top = (width - across) // 2, (height - down) // 2
        return left, top, left + across, top + down


View = CentreView | RandomView
