"""Data sets of image files: indexed at the start, each decoded when asked for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.utils.data import Dataset

from snnpd.datasets.augmentation.images import Augmentation
from snnpd.datasets.carve import carve_validation
from snnpd.datasets.images.files import read_image
from snnpd.datasets.images.index import ImageIndex
from snnpd.datasets.images.recipe import Recipe, imagenet_standard
from snnpd.datasets.images.views import CentreView, View
from snnpd.datasets.labels import check_every_class
from snnpd.datasets.progress import track_slow
from snnpd.datasets.seeding import check_seed, rng_for
from snnpd.datasets.splits import Splits
from snnpd.datasets.standard import Standard
from snnpd.errors import UsageError

_WHITE = 255

# The statistics of a large set come from this many images, evenly spaced over its train part.
FIT_IMAGES = 4096


class ImageDataset(Dataset[tuple[Tensor, int]]):
    """Samples `(x float32 [3, H, W], y)`: decoded, seen through `view`, augmented, then standardised.

    What is random is a function of (seed, epoch, index); `set_epoch` sets the epoch.

    Raises:
        UsageError: when a sample is asked for whose file is no sound image; the message names the file.
    """

    def __init__(
        self,
        images: ImageIndex,
        view: View,
        standard: Standard,
        *,
        augment: Sequence[Augmentation] = (),
        seed: int = 0,
    ):
        self.images = images
        self.labels = images.labels
        self.view = view
        self.standard = standard
        self.augment = tuple(augment)
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Makes the augmentation that of `epoch`."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.images)

    @property
    def data(self) -> Iterator[Tensor]:
        """The middle of every image, uint8, one after the other."""
        middle, rng = CentreView(self.view.size), rng_for(0)
        return (pixels(self.images.path(number), middle, rng) for number in range(len(self)))

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: list[int]) -> list[tuple[Tensor, int]]:
        """Many samples at once, bit-equal to one after the other; torch's loader asks for them this way."""
        rngs = [rng_for(self.seed, self.epoch, index % len(self)) for index in indices]
        paths = [self.images.path(index) for index in indices]
        seen = [pixels(path, self.view, rng) for path, rng in zip(paths, rngs, strict=True)]
        x = torch.stack(seen).float() / _WHITE
        for augmentation in self.augment:
            x = augmentation(x, rngs)
        return list(zip(self.standard.apply(x), self.labels[indices].tolist(), strict=True))


@dataclass(frozen=True)
class Parts:
    """The images of a data set as its makers divided them; `val` is None where they made no validation part."""

    train: ImageIndex
    test: ImageIndex
    val: ImageIndex | None = None


def split_images(
    name: str,
    parts: Parts,
    recipe: Recipe,
    *,
    class_names: tuple[str, ...],
    seed: int = 0,
    val_fraction: float = 0.1,
) -> Splits:
    """The parts of a data set: validation as it is or carved from train, none with `val_fraction` 0.

    Raises:
        UsageError: an empty class, or a seed or fraction that does not fit.
    """
    for place, images in (("train", parts.train), ("test", parts.test)):
        check_every_class(images.labels, class_names, f"{name}, {place}")
    train, val = _train_and_val(parts, val_fraction, seed)
    if recipe.standard == "fit":
        standard = fit_images(train, recipe.still, f"{name}: first look at the train part")
    else:
        standard = imagenet_standard()

    return Splits(
        name=name,
        kind="image",
        train=ImageDataset(train, recipe.moving, standard, augment=recipe.augment, seed=seed),
        val=None if val is None else ImageDataset(val, recipe.still, standard),
        test=ImageDataset(parts.test, recipe.still, standard),
        num_classes=len(class_names),
        input_shape=(3, recipe.still.size, recipe.still.size),
        class_names=class_names,
    )


def _train_and_val(parts: Parts, val_fraction: float, seed: int) -> tuple[ImageIndex, ImageIndex | None]:
    if parts.val is not None:
        check_seed(seed)
        if not 0.0 <= val_fraction < 1.0:
            raise UsageError(
                f"val_fraction is {val_fraction}; give 0 for no validation part, anything below 1 for the one there is"
            )
        return parts.train, parts.val if val_fraction else None
    kept, held = carve_validation(parts.train.labels, val_fraction, seed)
    return parts.train.take(kept), None if held is None else parts.train.take(held)


def fit_images(images: ImageIndex, view: View, what: str) -> Standard:
    """Statistics per channel of the images as `view` shows them.

    Of many images it takes `FIT_IMAGES`, evenly spaced.
    """
    num, rng = min(len(images), FIT_IMAGES), rng_for(0)
    count, total, squares = 0, torch.zeros(3, dtype=torch.int64), torch.zeros(3, dtype=torch.int64)
    for number in track_slow(range(num), what):
        seen = pixels(images.path(number * len(images) // num), view, rng).flatten(1).long()
        count += seen.shape[1]
        total += seen.sum(1)
        squares += seen.square().sum(1)
    mean = total.double() / count
    std = (squares.double() / count - mean.square()).clamp(min=0).sqrt()
    # A constant channel has no scale: it is left as it is.
    std = torch.where(std > 0, std, torch.full_like(std, _WHITE))
    return Standard((mean / _WHITE).float().view(-1, 1, 1), (std / _WHITE).float().view(-1, 1, 1))


def pixels(path: str, view: View, rng: np.random.Generator) -> UInt8[Tensor, "3 H W"]:
    """The pixels of an image file as `view` shows them."""
    return torch.from_numpy(np.array(view(read_image(path), rng))).permute(2, 0, 1)
