"""How large images are shown in training and in evaluation: the field's recipe for ImageNet."""

from dataclasses import dataclass

import torch

from snnpd.datasets.augmentation.erase import RandomErasing
from snnpd.datasets.augmentation.images import Augmentation, RandAugment
from snnpd.datasets.augmentation.timm_recipe import TimmRandAugment
from snnpd.datasets.images.views import CentreView, RandomView, View
from snnpd.datasets.standard import Standard
from snnpd.errors import UsageError, unknown

STANDARDS = ("imagenet", "fit")

# Source: torchvision's reference training of classification networks.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Recipe:
    """How images are shown: `still` in evaluation; in training `moving`, then `augment`."""

    still: View
    moving: View
    augment: tuple[Augmentation, ...] = ()
    standard: str = "imagenet"


def image_recipe(
    *,
    size: int,
    centre: float,
    min_area: float,
    augment: bool,
    randaugment: bool | str,
    erasing: float,
    standard: str,
) -> Recipe:
    """Training: a random part of at least `min_area` of the image, mirrored or not, RandAugment, random erasing.

    Evaluation shows the middle: a square of `centre` times the shorter side. `augment=False` leaves out the
    random part; `randaugment` is True for torchvision's, or a recipe for timm's; `erasing` is the probability of an
    erased rectangle.

    Source: Touvron et al., 2021 (DeiT), whose training is timm's: bicubic, areas from 0.08, centre 0.875.

    Raises:
        UsageError: a value that does not fit.
    """
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise UsageError(
            f"size is {size!r}; give the side of the images in pixels, a whole number from 1 upwards"
        )
    for option, share in (("centre", centre), ("min_area", min_area)):
        if not 0.0 < share <= 1.0:
            raise UsageError(f"{option} is {share!r}; give a number above 0, up to 1 (all of the image)")
    if standard not in STANDARDS:
        raise unknown("choice of standard", str(standard), STANDARDS)
    still = CentreView(size, centre)
    chosen: list[Augmentation] = []
    if randaugment:
        chosen.append(TimmRandAugment(randaugment) if isinstance(randaugment, str) else RandAugment())
    if erasing:
        chosen.append(RandomErasing(erasing, mean=IMAGENET_MEAN, std=IMAGENET_STD))
    moving = RandomView(size, (min_area, 1.0)) if augment else still
    return Recipe(still, moving, tuple(chosen), standard)


def imagenet_standard() -> Standard:
    """The means and standard deviations that the field's ImageNet networks are fed with."""
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return Standard(mean, std)
