"""Timm's RandAugment, seeded per sample."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from snnpd.datasets.augmentation.checks import check_shares, check_three_channels
from snnpd.errors import UsageError


@dataclass(frozen=True)
class TimmRandAugment:
    """Timm's RandAugment of colour images in [0, 1]; `recipe` is written as for timm's `--aa`.

    What comes in from outside of the picture has the colour `fill`. Timm draws from the global generators of
    Python and numpy, which are seeded for each sample and then put back: don't share a process with threads
    that draw from them.

    Source: Cubuk et al., 2020 (RandAugment); timm's variant "rand", with noise on the magnitude (`mstd`).

    Raises:
        UsageError: timm is missing, or does not know the recipe; when called, images without colour.
    """

    recipe: str = "rand-m9-n1-mstd0.4-inc1"
    fill: tuple[float, float, float] = (0.485, 0.456, 0.406)

    def __post_init__(self) -> None:
        check_shares(self, "fill")
        _transform(self.recipe, self.fill)

    def __call__(
        self, x: Float[Tensor, "B C H W"], rngs: Sequence[np.random.Generator]
    ) -> Float[Tensor, "B C H W"]:
        """The augmented images."""
        check_three_channels(self, x)
        from PIL import Image

        transform = _transform(self.recipe, self.fill)
        pixels = (x * 255).round().to(torch.uint8).movedim(1, -1).numpy()
        images = []
        with _global_generators_put_back():
            for image, rng in zip(pixels, rngs, strict=True):
                random.seed(int(rng.integers(2**63)))
                np.random.seed(int(rng.integers(2**32)))
                images.append(np.asarray(transform(Image.fromarray(image))))
        return torch.from_numpy(np.stack(images)).movedim(-1, 1).float() / 255


@lru_cache(maxsize=16)
def _transform(recipe: str, fill: tuple[float, float, float]) -> Any:
    try:
        from timm.data.auto_augment import rand_augment_transform
    # A torchvision that was built for another torch fails with a RuntimeError.
    except (ImportError, RuntimeError) as error:
        raise UsageError(
            f"timm's RandAugment needs timm ({' '.join(str(error).split())}); "
            f"pip install 'snnpd[images]', or use randaugment"
        ) from error
    try:
        return rand_augment_transform(str(recipe), {"img_mean": tuple(round(255 * value) for value in fill)})
    except (AssertionError, ValueError) as error:
        raise UsageError(
            f"timm does not know the RandAugment recipe {recipe!r}; write it as 'rand-m9-n1-mstd0.4-inc1'"
        ) from error


@contextmanager
def _global_generators_put_back() -> Iterator[None]:
    python, numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
