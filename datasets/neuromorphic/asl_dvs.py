"""ASL-DVS: letters of the American sign language before an event camera."""

from snnpd.datasets.augmentation.table import Augment
from snnpd.datasets.events import Sensor
from snnpd.datasets.neuromorphic.decode import AnyFormat
from snnpd.datasets.neuromorphic.folders import class_clips, fixed_test
from snnpd.datasets.neuromorphic.frame_sets import frame_splits, shifts
from snnpd.datasets.neuromorphic.framing import Framing, Options, Size
from snnpd.datasets.neuromorphic.origin import Archive, Origin, tonic_fetch
from snnpd.datasets.recordings import Parts
from snnpd.datasets.splits import Splits

SENSOR = Sensor(180, 240)
# j and z are movements, not postures.
CLASS_NAMES = tuple("abcdefghiklmnopqrstuvwxy")
ORIGIN = Origin(
    "asl_dvs",
    "https://github.com/PIX2NVS/NVS2Graph",
    (Archive("ICCV2019_DVS_dataset.zip"), Archive("ASLDVS.zip", "33f8b87bf45edc0bfed0de41822279b9")),
    "a … y (no j) with *.mat in them (4,200 each)",
    "ASLDVS",
    tonic_fetch("ASLDVS", [{}]),
)


def asl_dvs(
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
    """ASL-DVS: 100,800 recordings of 0.1 s on 180 × 240 pixels, 24 letters; one fifth to test.

    `root` holds a folder for each letter with `.mat` files; `partial` accepts fewer. y is counted from the top,
    as tonic turns it. The set has no official split (its authors draw a fifth to test): the files to test are a
    fixed fifth of each class, those with the lowest SHA-256 of `<class>/<name>`. Augmentation shifts by up to
    a sixteenth of the shorter side.

    Source: Bi, Chadha, Abbas, Bourtsoulatze & Andreopoulos, 2019. No licence is stated.
    Shapes:
        sample: `[time_steps, 2, 180, 240]`, or what `size` says.

    Raises:
        UsageError: files that are missing or damaged, or options that do not fit.
    """
    folder = ORIGIN.find(root, lambda at: (at / "a").is_dir() or (at / "b").is_dir(), download)
    clips = class_clips(folder, CLASS_NAMES, ".mat", ORIGIN.by_hand(), None if partial else 100_800)
    return frame_splits(
        "asl_dvs",
        Parts(*fixed_test(clips, 0.2)),
        SENSOR,
        Framing(time_steps, representation, slicing, representation_options, size, cache),
        class_names=CLASS_NAMES,
        augment=augment,
        default=shifts,
        seed=seed,
        val_fraction=val_fraction,
        read=AnyFormat(unit="us", flipped=SENSOR.height),
    )
