"""N-MNIST: the digits of MNIST as an event camera saw them during three saccades."""

from snnpd.datasets.augmentation.table import Augment
from snnpd.datasets.events import Sensor
from snnpd.datasets.neuromorphic.folders import class_clips
from snnpd.datasets.neuromorphic.frame_sets import frame_splits, shifts
from snnpd.datasets.neuromorphic.framing import Framing, Options, Size
from snnpd.datasets.neuromorphic.origin import Archive, Origin, tonic_fetch
from snnpd.datasets.recordings import Parts
from snnpd.datasets.splits import Splits

SENSOR = Sensor(34, 34)
CLASS_NAMES = tuple(str(number) for number in range(10))
ORIGIN = Origin(
    "nmnist",
    "https://www.garrickorchard.com/datasets/n-mnist",
    (
        Archive("Train.zip", "20959b8e626244a1b502305a9e6e2031"),
        Archive("Test.zip", "69ca8762b2fe404d9b9bad1103e97832"),
    ),
    "Train/0 … Train/9 and Test/0 … Test/9 with *.bin in them (60,000 and 10,000)",
    "NMNIST",
    tonic_fetch("NMNIST", [{"train": True}, {"train": False}]),
)


def nmnist(
    *,
    root: str | None = None,
    download: bool = False,
    partial: bool = False,
    time_steps: int = 10,
    representation: str = "frames",
    representation_options: Options = None,
    slicing: str = "time",
    size: Size = None,
    cache: bool | str = True,
    augment: Augment = True,
    seed: int = 0,
    val_fraction: float = 0.1,
) -> Splits:
    """N-MNIST: 60,000 train and 10,000 test recordings of 0.3 s on 34 × 34 pixels, 10 digits.

    `root` holds `Train/<digit>/*.bin` and `Test/<digit>/*.bin`; `partial` accepts fewer files. Frames hold
    log(1 + count), divided by the train part's standard deviation. Augmentation shifts by up to two pixels.

    Source: Orchard, Jayawant, Cohen & Thakor, 2015, official split. Licence CC BY-SA 4.0.
    Shapes:
        sample: `[time_steps, 2, 34, 34]`.

    Raises:
        UsageError: files that are missing or damaged, or options that do not fit.
    """
    folder = ORIGIN.find(root, lambda at: (at / "Train").is_dir() and (at / "Test").is_dir(), download)
    mend = ORIGIN.by_hand()
    parts = Parts(
        train=class_clips(folder / "Train", CLASS_NAMES, ".bin", mend, None if partial else 60_000),
        test=class_clips(folder / "Test", CLASS_NAMES, ".bin", mend, None if partial else 10_000),
    )
    return frame_splits(
        "nmnist",
        parts,
        SENSOR,
        Framing(time_steps, representation, slicing, representation_options, size, cache),
        class_names=CLASS_NAMES,
        augment=augment,
        default=shifts,
        seed=seed,
        val_fraction=val_fraction,
    )
