"""Tiny-ImageNet: 200 classes of ImageNet, at 64 × 64 pixels."""

from pathlib import Path

from snnpd.datasets.images.dataset import Parts, split_images
from snnpd.datasets.images.files import shown
from snnpd.datasets.images.index import FolderReader, ImageIndex
from snnpd.datasets.images.labels import class_words, label_images, read_lines, read_pairs
from snnpd.datasets.images.recipe import image_recipe
from snnpd.datasets.roots import folder_of
from snnpd.datasets.splits import Splits
from snnpd.errors import UsageError

_NAME = "tiny-imagenet-200"
_MEND = (
    "fetch http://cs231n.stanford.edu/tiny-imagenet-200.zip (248,100,043 bytes, md5 "
    "90528d7ca1a48142e341f4ef8d21d0de), unpack it, and give root=FOLDER, the one that holds train and val"
)


def tiny_imagenet(
    *,
    root: str | None = None,
    size: int = 64,
    seed: int = 0,
    val_fraction: float = 0.1,
    augment: bool = True,
    randaugment: bool | str = False,
    erasing: float = 0.0,
    min_area: float = 0.08,
    standard: str = "imagenet",
) -> Splits:
    """Tiny-ImageNet: 100,000 train and 10,000 test colour images of 64 × 64 pixels, 200 classes.

    The test part is the archive's `val`, as in the literature: the classes of its `test` were never published.
    Validation is carved from train as for every set. Classes are numbered by their sorted WordNet numbers, as by
    torchvision's ImageFolder. `root` (by default `data`) is the unpacked folder `tiny-imagenet-200` or holds it;
    a `val` that was sorted into class folders is read as well. Options as for `image_folder`.

    Source: Stanford's course CS231n; the images are ImageNet's. Licence: for non-commercial research.

    Raises:
        UsageError: files that are missing or do not fit together; and when a sample is asked for whose file is
            no sound image.
    """
    recipe = image_recipe(
        size=size, centre=1.0, min_area=min_area, augment=augment, randaugment=randaugment,
        erasing=erasing, standard=standard,
    )  # fmt: skip
    folder = _folder(folder_of(root or "data"))
    reader = FolderReader()
    listed = folder / "wnids.txt"
    wnids = sorted({*read_lines(listed)}) if listed.is_file() else reader.classes(folder / "train")
    parts = Parts(reader.index(folder / "train", wnids), _validation(folder / "val", wnids, reader))
    names = class_words([folder / "words.txt"], wnids)
    return split_images(
        "tiny_imagenet", parts, recipe, class_names=names, seed=seed, val_fraction=val_fraction
    )


def _folder(root: Path) -> Path:
    for folder in (root, root / _NAME):
        if (folder / "train").is_dir() and (folder / "val").is_dir():
            return folder
    raise UsageError(
        f"tiny_imagenet: found no train and val in {shown(root)} or {shown(root / _NAME)}; {_MEND}"
    )


def _validation(folder: Path, wnids: list[str], reader: FolderReader) -> ImageIndex:
    source = folder / "val_annotations.txt"
    if not source.is_file():
        return reader.index(folder, wnids)
    return label_images(folder, reader.images(folder, "images"), read_pairs(source), wnids, source)
