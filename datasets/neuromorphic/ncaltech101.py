"""N-Caltech101: the images of Caltech101 as an event camera saw them during three saccades."""

from pathlib import Path

from snnpd.datasets.augmentation.nda import NDA
from snnpd.datasets.augmentation.table import Augment, Chosen
from snnpd.datasets.events import Sensor
from snnpd.datasets.neuromorphic.folders import class_clips, fixed_test
from snnpd.datasets.neuromorphic.frame_sets import frame_splits
from snnpd.datasets.neuromorphic.framing import Framing, Options, Size
from snnpd.datasets.neuromorphic.origin import Archive, Origin, tonic_fetch
from snnpd.datasets.recordings import Parts
from snnpd.datasets.splits import Splits
from snnpd.errors import UsageError

SENSOR = Sensor(180, 240)
NUM_CLASSES = 101
ORIGIN = Origin(
    "ncaltech101",
    "https://www.garrickorchard.com/datasets/n-caltech101",
    (Archive("Caltech101.zip"), Archive("N-Caltech101-archive.zip", "66201824eabb0239c7ab992480b50ba3")),
    "Caltech101/<class>/*.bin (101 classes with the background, 8,709 files)",
    "NCALTECH101",
    tonic_fetch("NCALTECH101", [{}]),
)


def ncaltech101(
    *,
    root: str | None = None,
    download: bool = False,
    partial: bool = False,
    time_steps: int = 10,
    representation: str = "frames",
    representation_options: Options = None,
    slicing: str = "events",
    size: Size = None,
    cache: bool | str = True,
    augment: Augment = True,
    seed: int = 0,
    val_fraction: float = 0.1,
) -> Splits:
    """N-Caltech101: 8,709 recordings of 0.3 s, 100 kinds of objects and a background class; one tenth to test.

    `root` holds `Caltech101/<class>/*.bin`; `partial` accepts fewer files and classes. Recordings of smaller
    images fill the upper left of the 180 × 240 pixels; stray events outside of them are left out, up to a
    hundredth of a recording. The set has no official split: the files to test are a fixed tenth of each class,
    those with the lowest SHA-256 of `<class>/<name>`. Augmentation is NDA's.

    Source: Orchard, Jayawant, Cohen & Thakor, 2015. Licence CC BY-SA 4.0.
    Shapes:
        sample: `[time_steps, 2, 180, 240]`, or what `size` says.

    Raises:
        UsageError: files that are missing or damaged, or options that do not fit.
    """
    folder = ORIGIN.find(root, lambda at: _classes_in(at) is not None, download)
    classes = _classes_in(folder) or folder
    names = tuple(sorted(path.name for path in classes.iterdir() if path.is_dir() and path.name[0] != "."))
    if len(names) != NUM_CLASSES and not partial:
        raise UsageError(
            f"{classes}: found {len(names)} class folders, the set has {NUM_CLASSES}; {ORIGIN.by_hand()}, or set "
            f"partial=True to go on with what is there"
        )
    clips = class_clips(classes, names, ".bin", ORIGIN.by_hand(), None if partial else 8709)
    return frame_splits(
        "ncaltech101",
        Parts(*fixed_test(clips, 0.1)),
        SENSOR,
        Framing(time_steps, representation, slicing, representation_options, size, cache),
        class_names=names,
        augment=augment,
        default=lambda side: Chosen(samples=(NDA(strength=1),)),
        seed=seed,
        val_fraction=val_fraction,
    )


def _classes_in(folder: Path) -> Path | None:
    """The folder of class folders: `Caltech101`, given itself or in what was given."""
    for candidate in (folder / "Caltech101", folder):
        if candidate.name == "Caltech101" and candidate.is_dir():
            return candidate
    return None
