"""ImageNet (ILSVRC 2012) from its folders of JPEG files."""

from pathlib import Path

from snnpd.datasets.images.dataset import Parts, split_images
from snnpd.datasets.images.files import shown
from snnpd.datasets.images.imagenet_devkit import TRUTH, devkit_wnids
from snnpd.datasets.images.index import FolderReader, ImageIndex
from snnpd.datasets.images.labels import class_words, label_images, read_lines, read_pairs
from snnpd.datasets.images.recipe import image_recipe
from snnpd.datasets.roots import folder_of
from snnpd.datasets.splits import Splits
from snnpd.errors import UsageError

# Below what the user gives: as it is, or as Kaggle's archive unpacks.
_INSIDE = ("", "ILSVRC/Data/CLS-LOC")
# One class a line, in the order of the images: the list of TensorFlow's models.
_LINES = ("imagenet_2012_validation_synset_labels.txt", "synset_labels.txt")
# Kaggle's table of `image,class box class box …`, and Caffe's list of `image number`.
_TABLE, _NUMBERS = "LOC_val_solution.csv", "val.txt"

_MEND = (
    "log in at https://image-net.org, fetch ILSVRC2012_img_train.tar (147,897,477,120 bytes, md5 "
    "1d675b47d978889d74fa0da5fadfb00e) and ILSVRC2012_img_val.tar (6,744,924,160 bytes, md5 "
    "29b22e2961454d5413ddabcf34fc5622), unpack them to train/<wnid>/ and val/, and give root=FOLDER"
)


def imagenet(
    *,
    root: str | None = None,
    size: int = 224,
    seed: int = 0,
    val_fraction: float = 0.01,
    augment: bool = True,
    randaugment: bool | str = False,
    erasing: float = 0.0,
    min_area: float = 0.08,
    centre: float = 0.875,
    standard: str = "imagenet",
) -> Splits:
    """ImageNet: 1,281,167 train and 50,000 test colour photographs, 1000 classes (or any of them).

    The test part is the official validation set, as in the literature: the classes of the official test set are
    not public. Validation is carved from train as for every set. Classes are numbered by their sorted WordNet
    numbers. `root` (by default `data/imagenet`) holds `train/<wnid>/*.JPEG` and `val/<wnid>/*.JPEG`, or a flat
    `val` and beside or inside it one of `imagenet_2012_validation_synset_labels.txt`, `LOC_val_solution.csv`,
    `val.txt`, or the unpacked folder `ILSVRC2012_devkit_t12`. Options as for `image_folder`.

    Source: Russakovsky et al., ImageNet large scale visual recognition challenge, 2015. Licence: for
    non-commercial research.

    Raises:
        UsageError: files that are missing or do not fit together; and when a sample is asked for whose file is
            no sound image.
    """
    recipe = image_recipe(
        size=size, centre=centre, min_area=min_area, augment=augment, randaugment=randaugment,
        erasing=erasing, standard=standard,
    )  # fmt: skip
    base = folder_of(root or "data/imagenet")
    folder = _folder(base)
    places = (folder / "val", folder, base)
    reader = FolderReader()
    wnids = reader.classes(folder / "train")
    parts = Parts(reader.index(folder / "train", wnids), _validation(places, wnids, reader))
    words = [place / name for place in places for name in ("LOC_synset_mapping.txt", "words.txt")]
    names = class_words(words, wnids)
    return split_images("imagenet", parts, recipe, class_names=names, seed=seed, val_fraction=val_fraction)


def _folder(base: Path) -> Path:
    for folder in (base / inside for inside in _INSIDE):
        if (folder / "train").is_dir() and (folder / "val").is_dir():
            return folder
    raise UsageError(f"imagenet: found no train and val in {shown(base)}; {_MEND}")


def _validation(places: tuple[Path, ...], wnids: list[str], reader: FolderReader) -> ImageIndex:
    folder = places[0]
    if reader.folders(folder):
        return reader.index(folder, wnids)
    names = (*_LINES, _TABLE, _NUMBERS, TRUTH)
    source = next((place / name for name in names for place in places if (place / name).is_file()), None)
    if source is None:
        raise UsageError(
            f"{shown(folder)}: found no class folder and no list of classes; put {', '.join(names[:-1])} or "
            f"{names[-1]} beside it, or move the images to val/<wnid>/"
        )
    images = reader.images(folder, "")
    return label_images(folder, images, _classes(source, folder, images, wnids), wnids, source)


def _classes(source: Path, folder: Path, images: list[str], wnids: list[str]) -> dict[str, str]:
    """The WordNet number of each image name."""
    if source.name not in (_TABLE, _NUMBERS):
        lines = read_lines(source)
        if len(lines) != len(images):
            raise UsageError(
                f"{shown(source)}: found {len(lines)} classes, expected {len(images)}, one for each image of "
                f"{shown(folder)}; unpack both again"
            )
        in_order = lines if source.name in _LINES else devkit_wnids(source, lines)
        return dict(zip(images, in_order, strict=True))
    if source.name == _TABLE:
        table = read_pairs(source, ",")
        table.pop("ImageId", None)
        return {f"{image}.JPEG": (boxes.split() or [""])[0] for image, boxes in table.items()}
    return {image: _numbered(source, image, number, wnids) for image, number in read_pairs(source).items()}


def _numbered(source: Path, image: str, number: str, wnids: list[str]) -> str:
    if not number.isdecimal() or len(number) > 9 or int(number) >= len(wnids):
        raise UsageError(
            f"{shown(source)}: {image} has class {number!r}, allowed are 0 to {len(wnids) - 1}; fetch it again"
        )
    return wnids[int(number)]
