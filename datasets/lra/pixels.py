"""Long Range Arena, the tasks on pixels: Image and Pathfinder, a token a pixel, row by row."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from snnpd.datasets.arrays import Samples, split_arrays
from snnpd.datasets.carve import stratified_split
from snnpd.datasets.images.cifar import CIFAR10_NAMES, cifar10
from snnpd.datasets.lra.files import find_folder
from snnpd.datasets.lra.pathfinder_files import read_pathfinder
from snnpd.datasets.lra.paths import PathDrawing
from snnpd.datasets.progress import track_slow
from snnpd.datasets.seeding import check_seed
from snnpd.datasets.splits import Splits
from snnpd.datasets.standard import Standard, fit_pixels
from snnpd.errors import UsageError

PATH_CLASSES = ("apart", "connected")


def lra_image(*, root: str | None = None, seed: int = 0, val_fraction: float = 0.1) -> Splits:
    """Image of the Long Range Arena: CIFAR-10 in grey as series of 1,024 pixels, 50,000 train and 10,000 test.

    `root` as for `cifar10`. A token has one channel, its standardised brightness (0.2989 R + 0.587 G + 0.114 B,
    rounded): the Arena makes it one of 256 one-hot tokens, most later work a number, as here.

    Source: Krizhevsky, 2009 (pictures); Tay et al., "Long Range Arena", ICLR 2021. No licence is stated.

    Raises:
        UsageError: files that are missing or damaged.
    """
    colour = cifar10(root=root, augment=False, val_fraction=0)
    train, test = _grey_samples(colour.train), _grey_samples(colour.test)
    return _pixel_series("lra_image", train, test, CIFAR10_NAMES, seed, val_fraction)


def lra_pathfinder(
    *,
    root: str | None = None,
    difficulty: str = "curv_contour_length_14",
    seed: int = 0,
    val_fraction: float = 0.1,
) -> Splits:
    """Pathfinder of the Long Range Arena: 200,000 pictures as series of 1,024 pixels, 2 classes.

    `root` is the folder `pathfinder32`, or holds it or the unpacked `lra_release`; `difficulty` is its subfolder:
    `curv_baseline` (easy), `curv_contour_length_9` or `curv_contour_length_14` (hard, the Arena's). The archive has
    no split: a tenth of each class, always the same, is the test part here.

    Source: Linsley et al., NeurIPS 2018; Tay et al., "Long Range Arena", ICLR 2021. No licence is stated.

    Raises:
        UsageError: no root, or files that are missing or damaged.
    """
    if root is None:
        raise UsageError("lra_pathfinder: give root=FOLDER, with pathfinder32/curv_contour_length_14 in it")
    whole = read_pathfinder(find_folder(root, "pathfinder32") / difficulty)
    kept, held = stratified_split(whole.labels, round(len(whole.labels) / 10), seed=0)
    train, test = (Samples(whole.data[torch.from_numpy(part)], whole.labels[part]) for part in (kept, held))
    return _pixel_series("lra_pathfinder", train, test, PATH_CLASSES, seed, val_fraction)


def pathfinder(
    *,
    num_train: int = 2000,
    num_test: int = 500,
    size: int = 32,
    num_dashes: int = 7,
    num_distractors: int = 2,
    data_seed: int = 0,
    seed: int = 0,
    val_fraction: float = 0.1,
) -> Splits:
    """Path-finding pictures drawn here, as series of `size`² pixels: do the marked ends belong to one path?

    As many of each class. The data are a function of `data_seed`; `seed` only carves validation. The pictures
    are ours, not the Arena's: those are `lra_pathfinder`.

    Source: see `snnpd.datasets.lra.paths.PathDrawing`.

    Raises:
        UsageError: no sample, or paths that do not fit into a picture.
    """
    check_seed(data_seed)
    if num_train < 2 or num_test < 2:
        raise UsageError(f"num_train is {num_train}, num_test is {num_test}; give at least 2 for each")
    drawing = PathDrawing(size, num_dashes, num_distractors)
    train, test = (_drawn(drawing, num, data_seed, part) for part, num in enumerate((num_train, num_test)))
    return _pixel_series("pathfinder", train, test, PATH_CLASSES, seed, val_fraction)


def grey(colour: UInt8[Tensor, "B 3 H W"]) -> UInt8[Tensor, "B 1 H W"]:
    """The brightness of pictures, rounded; part by part, as floats take four times the memory."""
    weights = torch.tensor([0.2989, 0.587, 0.114]).view(3, 1, 1)
    parts = [(part * weights).sum(1, keepdim=True).round().to(torch.uint8) for part in colour.split(4096)]
    return torch.cat(parts)


def _grey_samples(pictures: Any) -> Samples:
    return Samples(grey(pictures.data), pictures.labels)


def _drawn(drawing: PathDrawing, num: int, data_seed: int, part: int) -> Samples:
    labels = np.arange(num) % len(PATH_CLASSES)
    items = track_slow(labels.tolist(), "drawing paths")
    pictures = np.stack([drawing.draw(label, data_seed, part, index) for index, label in enumerate(items)])
    return Samples(torch.from_numpy(pictures[:, None]), labels)


def _pixel_series(
    name: str, train: Samples, test: Samples, class_names: tuple[str, ...], seed: int, val_fraction: float
) -> Splits:
    """Pictures `[B, 1, H, W]` as series `[B, H W, 1]`."""
    flat = _flat(train)
    splits = split_arrays(
        name,
        "series",
        flat,
        _flat(test),
        class_names=class_names,
        fit=_fit_brightness,
        divisor=255,
        seed=seed,
        val_fraction=val_fraction,
    )
    return replace(splits, input_shape=tuple(flat.data.shape[1:]))


def _flat(samples: Samples) -> Samples:
    return samples._replace(data=samples.data.flatten(2).transpose(1, 2))


def _fit_brightness(pixels: UInt8[Tensor, "B N 1"]) -> Standard:
    of_pictures = fit_pixels(pixels.unsqueeze(1), divisor=255)
    return Standard(of_pictures.mean.view(1), of_pictures.std.view(1))
