"""EMNIST: handwritten letters and digits, in MNIST's format under names of its own."""

from dataclasses import dataclass
from functools import partial
from string import ascii_lowercase, ascii_uppercase, digits

from snnpd.datasets.arrays import Samples, split_arrays
from snnpd.datasets.augmentation.images import ShiftFlip
from snnpd.datasets.augmentation.table import Augment, choose_for_pictures
from snnpd.datasets.images.idx_parts import read_part, usual_folder
from snnpd.datasets.images.public import PublicFile
from snnpd.datasets.splits import Splits
from snnpd.datasets.standard import fit_pixels
from snnpd.errors import unknown

EMNIST_FOLDERS = ("data/EMNIST/raw", "data/emnist", "data/emnist/gzip")

_ARCHIVE = PublicFile("gzip.zip", 561_753_746, "58c8d27c78d21e728a6bc7b3cc06412e")

_WHITE = 255
# The lower-case letters that are told from their upper-case ones when classes are merged.
_MERGED = digits + ascii_uppercase + "abdefghnqrt"


@dataclass(frozen=True)
class _Subset:
    class_names: str
    first_label: int = 0


_SUBSETS = {
    "balanced": _Subset(_MERGED),
    "byclass": _Subset(digits + ascii_uppercase + ascii_lowercase),
    "bymerge": _Subset(_MERGED),
    "letters": _Subset(ascii_lowercase, first_label=1),
    "digits": _Subset(digits),
    "mnist": _Subset(digits),
}


def emnist(
    *,
    root: str | None = None,
    subset: str = "balanced",
    seed: int = 0,
    val_fraction: float = 0.1,
    augment: Augment = True,
) -> Splits:
    """EMNIST: handwritten characters, 28 × 28 pixels; "balanced" has 112,800 train and 18,800 test images.

    `subset` is one of "balanced" and "bymerge" (47 classes), "byclass" (62), "letters" (26), "digits" and
    "mnist" (10). The files hold images on their side; here they stand upright. Augmentation shifts by up to two
    pixels.

    Source: Cohen et al., EMNIST: extending MNIST to handwritten letters, 2017. Licence: none stated; the forms
    are NIST's Special Database 19, in the public domain.

    Raises:
        UsageError: an unknown subset, or files that are missing or damaged.
    """
    if subset not in _SUBSETS:
        raise unknown("subset of EMNIST", str(subset), _SUBSETS)
    train, test = f"emnist-{subset}-train", f"emnist-{subset}-test"
    mend = (
        f"fetch {_ARCHIVE} from https://biometrics.nist.gov/cs_links/EMNIST, unpack it and give root=FOLDER"
    )
    folder = usual_folder("emnist", root, EMNIST_FOLDERS, train, mend)
    chosen = _SUBSETS[subset]
    num_classes, first_label = len(chosen.class_names), chosen.first_label
    samples = [read_part(folder, part, num_classes, mend, first_label) for part in (train, test)]
    return split_arrays(
        "emnist",
        "image",
        _upright(samples[0]),
        _upright(samples[1]),
        class_names=tuple(chosen.class_names),
        fit=partial(fit_pixels, divisor=_WHITE),
        divisor=_WHITE,
        augment=choose_for_pictures(augment, "image", ShiftFlip(2)),
        seed=seed,
        val_fraction=val_fraction,
    )


def _upright(samples: Samples) -> Samples:
    return Samples(samples.data.transpose(2, 3).contiguous(), samples.labels)
