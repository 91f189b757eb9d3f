"""CIFAR10-DVS: images of CIFAR-10 that moved on a screen before an event camera."""

from pathlib import Path

from snnpd.datasets.augmentation.nda import NDA
from snnpd.datasets.augmentation.table import Augment, Chosen
from snnpd.datasets.clips import Clip
from snnpd.datasets.events import Sensor
from snnpd.datasets.images.cifar import CIFAR10_NAMES
from snnpd.datasets.neuromorphic.decode import AnyFormat
from snnpd.datasets.neuromorphic.folders import class_clips
from snnpd.datasets.neuromorphic.frame_sets import frame_splits
from snnpd.datasets.neuromorphic.framing import Framing, Options, Size
from snnpd.datasets.neuromorphic.origin import Archive, Origin, tonic_fetch
from snnpd.datasets.recordings import Parts
from snnpd.datasets.splits import Splits
from snnpd.errors import UsageError, unknown

SENSOR = Sensor(128, 128)
NUM_PER_CLASS = 1000
_MD5 = (
    "0afd5c4bf9ae06af762a77b180354fdd", "8438dfeba3bc970c94962d995b1b9bdd", "a9c207c91c55b9dc2002dc21c684d785",
    "52c63c677c2b15fa5146a8daf4d56687", "b6bf21f6c04d21ba4e23fc3e36c8a4a3", "f379ebdf6703d16e0a690782e62639c3",
    "cad6ed91214b1c7388a5f6ee56d08803", "e7cbbf77bec584ffbf913f00e682782a", "41c7bd7d6b251be82557c6cce9a7d5c9",
    "89f3922fd147d9aeff89e76a2b0b70a7",
)  # fmt: skip
ORIGIN = Origin(
    "cifar10_dvs",
    "https://figshare.com/articles/dataset/CIFAR10-DVS_New/4724671",
    tuple(Archive(f"{name}.zip", md5) for name, md5 in zip(CIFAR10_NAMES, _MD5, strict=True)),
    "airplane … truck with *.aedat in them (1,000 each), or tonic's *.aedat4",
    "CIFAR10DVS",
    tonic_fetch("CIFAR10DVS", [{}]),
)

# Numbers of the files to test, the same in each class.
TEST_NUMBERS = {
    "last": frozenset([*range(91, 100), *range(909, 1000)]),
    "first": frozenset(range(100)),
}


def cifar10_dvs(
    *,
    root: str | None = None,
    download: bool = False,
    partial: bool = False,
    split: str = "last",
    time_steps: int = 16,
    representation: str = "frames",
    representation_options: Options = None,
    slicing: str = "events",
    size: Size = None,
    cache: bool | str = True,
    augment: Augment = True,
    seed: int = 0,
    val_fraction: float = 0.1,
) -> Splits:
    """CIFAR10-DVS: 10,000 recordings of 1.3 s on 128 × 128 pixels, 10 classes; 9,000 to train on, 1,000 to test.

    `root` holds a folder for each class, with jAER's `.aedat` files or tonic's `.aedat4`; `partial` accepts
    fewer. The set has no official split. `split` "last" tests each class on the last 100 of its files in the
    order of their names as text (909, 91, 910 … 999): what SpikingJelly's 9:1 division gives, on which
    Spikformer and its successors report. "first" tests on files 0 to 99, as TEBN and others do; accuracies on
    it are higher, and do not compare. Augmentation is NDA's.

    Source: Li, Liu, Ji, Li & Shi, 2017. Licence CC BY 4.0.
    Shapes:
        sample: `[time_steps, 2, 128, 128]`.

    Raises:
        UsageError: files that are missing or damaged, or options that do not fit.
    """
    if split not in TEST_NUMBERS:
        raise unknown("split", split, TEST_NUMBERS)
    folder = ORIGIN.find(root, lambda at: any((at / name).is_dir() for name in CIFAR10_NAMES), download)
    suffix = ".aedat4" if any(folder.glob("*/*.aedat4")) else ".aedat"
    expected = None if partial else NUM_PER_CLASS * len(CIFAR10_NAMES)
    clips = class_clips(folder, CIFAR10_NAMES, suffix, ORIGIN.by_hand(), expected)
    return frame_splits(
        "cifar10_dvs",
        split_by_number(clips, TEST_NUMBERS[split]),
        SENSOR,
        Framing(time_steps, representation, slicing, representation_options, size, cache),
        class_names=CIFAR10_NAMES,
        augment=augment,
        default=lambda side: Chosen(samples=(NDA(),)),
        seed=seed,
        val_fraction=val_fraction,
        # jAER's files are of a camera that lay on its side: SpikingJelly stands the images upright so too.
        read=AnyFormat(transposed=suffix == ".aedat"),
    )


def split_by_number(clips: list[Clip], test_numbers: frozenset[int]) -> Parts:
    """The clips by the last number in their names.

    Raises:
        UsageError: a name without a number, or one with a number that the set does not have.
    """
    train: list[Clip] = []
    test: list[Clip] = []
    for clip in clips:
        (test if _number(clip.path) in test_numbers else train).append(clip)
    if not train or not test:
        raise UsageError(
            f"{clips[0].path.parent.parent}: found {len(train)} recordings to train on and {len(test)} to test; "
            f"{ORIGIN.by_hand()}"
        )
    return Parts(train, test)


def _number(path: Path) -> int:
    digits = path.stem.rpartition("_")[2]
    if not (digits.isascii() and digits.isdecimal() and int(digits) < NUM_PER_CLASS):
        raise UsageError(
            f"{path}: found no number from 0 to {NUM_PER_CLASS - 1} at the end of its name, by which the set is "
            f"divided; give the files their names back, like cifar10_cat_17{path.suffix}"
        )
    return int(digits)
