"""Finding and reading the two IDX files of a part: images and labels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from snnpd.datasets.arrays import Samples
from snnpd.datasets.images.idx_files import read_idx
from snnpd.datasets.labels import check_labels
from snnpd.datasets.roots import folder_of
from snnpd.errors import UsageError


def read_part(folder: Path, part: str, num_classes: int, mend: str, first_label: int = 0) -> Samples:
    """The images `[B, 1, H, W]` and labels, counted from 0, of `<part>-images-idx3-ubyte` and its fellow.

    `mend` says where to get a file that is missing.

    Raises:
        UsageError: a file that is missing or damaged, a label out of range, or not one for each image.
    """
    image_file = find_idx(folder, f"{part}-images-idx3-ubyte", mend)
    label_file = find_idx(folder, f"{part}-labels-idx1-ubyte", mend)
    images = read_idx(image_file, ndim=3)
    labels = read_idx(label_file, ndim=1).astype(np.int64)
    if len(images) != len(labels):
        raise UsageError(
            f"{label_file}: found {len(labels)} labels, expected {len(images)}, one for each image of "
            f"{image_file.name}; take both files from one data set"
        )
    counted = f"{label_file} (labels less {first_label})" if first_label else str(label_file)
    check_labels(labels - first_label, num_classes, counted)
    return Samples(torch.from_numpy(images)[:, None], labels - first_label)


def find_idx(folder: Path, stem: str, mend: str) -> Path:
    """The file of that name, or with a dot for the dash as some unpackers write it, plain or gzipped.

    Raises:
        UsageError: none is there.
    """
    for name in _spellings(stem):
        if (folder / name).is_file():
            return folder / name
    raise UsageError(f"{folder}: found no {stem} or {stem}.gz; {mend}")


def usual_folder(name: str, root: str | None, usual: Sequence[str], part: str, mend: str) -> Path:
    """`root`, or else the first of the usual places that holds the images of `part`.

    Raises:
        UsageError: no root, and no files in the usual places.
    """
    if root is not None:
        return folder_of(root)
    for place in map(Path, usual):
        if any((place / spelling).is_file() for spelling in _spellings(f"{part}-images-idx3-ubyte")):
            return place
    raise UsageError(f"{name}: found no files in {', '.join(usual)}; {mend}")


def _spellings(stem: str) -> list[str]:
    return [name + suffix for name in (stem, stem.replace("-idx", ".idx")) for suffix in ("", ".gz")]
