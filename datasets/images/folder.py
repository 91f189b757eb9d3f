"""Any images in class folders, one tree for each part or one tree for all."""

from pathlib import Path

from snnpd.datasets.carve import stratified_split
from snnpd.datasets.images.dataset import Parts, split_images
from snnpd.datasets.images.files import shown
from snnpd.datasets.images.index import FolderReader
from snnpd.datasets.images.recipe import image_recipe
from snnpd.datasets.roots import folder_of
from snnpd.datasets.seeding import check_seed
from snnpd.datasets.splits import Splits
from snnpd.errors import UsageError

LAYOUT = "train/<class>/ and test/<class>/ (or val/<class>/)"


def image_folder(
    *,
    root: str | None = None,
    size: int = 224,
    seed: int = 0,
    val_fraction: float = 0.1,
    test_fraction: float | None = None,
    test_seed: int = 0,
    augment: bool = True,
    randaugment: bool | str = False,
    erasing: float = 0.0,
    min_area: float = 0.08,
    centre: float = 0.875,
    standard: str = "imagenet",
) -> Splits:
    """Any images in class folders, seen as squares of `size` pixels; classes and licence are theirs.

    `root` holds `train/<class>/…` and `test/<class>/…`; with no `test`, `val` is the test part; with both,
    `val` is the validation part unless `val_fraction` is 0. Or `root` holds `<class>/…`, and `test_fraction` of
    each class is the test part, drawn by `test_seed` alone. Training sees a random part of each image (at least
    `min_area` of it), mirrored or not; `randaugment` (True for torchvision's, or timm's recipe as
    "rand-m9-mstd0.5-inc1") and `erasing` (a probability) add to it. Evaluation sees the middle, `centre` times the
    shorter side. `standard` is "imagenet", the field's constants, or "fit", the train part's own statistics. Files
    are decoded when they are asked for.

    Raises:
        UsageError: no root, a class that is missing or empty in a part, an option that does not fit; and when a
            sample is asked for whose file is no sound image.
    """
    recipe = image_recipe(
        size=size, centre=centre, min_area=min_area, augment=augment, randaugment=randaugment,
        erasing=erasing, standard=standard,
    )  # fmt: skip
    if root is None:
        raise UsageError(f"image_folder: no root; give root=FOLDER, one that holds {LAYOUT}")
    folder = folder_of(root)
    if test_fraction is None:
        class_names, parts = _read_parts(folder)
    else:
        class_names, parts = _read_one_tree(folder, test_fraction, test_seed)
    return split_images(
        "image_folder", parts, recipe, class_names=class_names, seed=seed, val_fraction=val_fraction
    )


def _read_parts(root: Path) -> tuple[tuple[str, ...], Parts]:
    present = [part for part in ("test", "val") if (root / part).is_dir()]
    if not (root / "train").is_dir() or not present:
        raise UsageError(
            f"{shown(root)}: found no {'test or val' if (root / 'train').is_dir() else 'train'} folder in it, "
            f"expected {LAYOUT}; for one tree of class folders set test_fraction"
        )
    reader = FolderReader()
    class_names = tuple(reader.classes(root / "train"))
    train, test, *val = (reader.index(root / part, class_names) for part in ("train", *present))
    return class_names, Parts(train, test, *val)


def _read_one_tree(root: Path, test_fraction: float, test_seed: int) -> tuple[tuple[str, ...], Parts]:
    check_seed(test_seed)
    if not 0.0 < test_fraction < 1.0:
        raise UsageError(f"test_fraction is {test_fraction}; give a number between 0 and 1")
    if (root / "train").is_dir():
        raise UsageError(
            f"{shown(root)}: found a train folder, so it is divided already; leave out test_fraction, or give "
            f"root={shown(root / 'train')} to divide that one"
        )
    reader = FolderReader()
    class_names = tuple(reader.classes(root))
    whole = reader.index(root, class_names)
    try:
        kept, held = stratified_split(whole.labels, round(len(whole) * test_fraction), test_seed)
    except UsageError as error:
        raise UsageError(f"test_fraction {test_fraction} does not fit: {error}") from error
    return class_names, Parts(whole.take(kept), whole.take(held))
