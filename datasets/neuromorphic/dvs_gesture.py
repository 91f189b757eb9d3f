"""DVS128 Gesture: hand and arm gestures before an event camera, as IBM published them or as tonic cuts them."""

import csv
from pathlib import Path

from snnpd.datasets.augmentation.table import Augment
from snnpd.datasets.clips import Clip
from snnpd.datasets.events import Sensor
from snnpd.datasets.neuromorphic.decode import AnyFormat
from snnpd.datasets.neuromorphic.folders import natural, note_counts
from snnpd.datasets.neuromorphic.frame_sets import frame_splits, shifts
from snnpd.datasets.neuromorphic.framing import Framing, Options, Size
from snnpd.datasets.neuromorphic.origin import Archive, Origin, tonic_fetch
from snnpd.datasets.recordings import Parts
from snnpd.datasets.splits import Splits
from snnpd.errors import UsageError

SENSOR = Sensor(128, 128)
CLASS_NAMES = (
    "hand_clapping", "right_hand_wave", "left_hand_wave", "right_arm_clockwise", "right_arm_counter_clockwise",
    "left_arm_clockwise", "left_arm_counter_clockwise", "arm_roll", "air_drums", "air_guitar", "other_gestures",
)  # fmt: skip
ORIGIN = Origin(
    "dvs_gesture",
    "https://research.ibm.com/interactive/dvsgesture/",
    (Archive("DvsGesture.tar.gz", "8a5c71fb11e24e5ca5b11866ca6c00a1"),),
    "DvsGesture with user*.aedat, user*_labels.csv, trials_to_train.txt and trials_to_test.txt, or tonic's "
    "ibmGestureTrain and ibmGestureTest",
    "DVSGesture",
    tonic_fetch("DVSGesture", [{"train": True}, {"train": False}]),
)
_LISTS = ("trials_to_train.txt", "trials_to_test.txt")
_TONIC = ("ibmGestureTrain", "ibmGestureTest")
# Trials as IBM published them, and gestures as tonic cuts them, to train and to test.
_TRIALS, _CUTS = (98, 24), (1077, 264)
_COLUMNS = ["class", "startTime_usec", "endTime_usec"]


def dvs_gesture(
    *,
    root: str | None = None,
    download: bool = False,
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
    """DVS128 Gesture: 11 gestures on 128 × 128 pixels; 23 subjects to train on, 6 others to test.

    `root` holds IBM's folder `DvsGesture` (98 and 24 trials of about twelve gestures, cut by the labels), or
    tonic's `ibmGestureTrain` and `ibmGestureTest` (cut, times in milliseconds). Where the labels of a gesture
    run into the next one, it ends where that begins (user22_led has such). Validation takes
    whole subjects. Augmentation shifts by up to a sixteenth of the side; it mirrors nothing, left and right
    arms are classes.

    Source: Amir et al., 2017, official split. Licence CC BY 4.0.
    Shapes:
        sample: `[time_steps, 2, 128, 128]`.

    Raises:
        UsageError: files that are missing or damaged, or options that do not fit.
    """
    folder = ORIGIN.find(root, lambda at: _original(at) is not None or _is_tonic(at), download)
    original = _original(folder)
    if original is not None:
        train, test = (_listed_clips(original / name) for name in _LISTS)
        subject_of = _of_trial
        note_counts("dvs_gesture", [len({clip.path for clip in part}) for part in (train, test)], _TRIALS)
    else:
        train, test = (_tonic_clips(folder / name) for name in _TONIC)
        subject_of = _of_folder
        note_counts("dvs_gesture", [len(train), len(test)], _CUTS)
    subjects = [subject_of(clip) for clip in train]
    if shared := set(subjects) & {subject_of(clip) for clip in test}:
        raise UsageError(
            f"{folder}: {', '.join(sorted(shared))} stand in the train and the test part; {ORIGIN.by_hand()}"
        )
    return frame_splits(
        "dvs_gesture",
        Parts(train, test, subjects=subjects),
        SENSOR,
        Framing(time_steps, representation, slicing, representation_options, size, cache),
        class_names=CLASS_NAMES,
        augment=augment,
        default=shifts,
        seed=seed,
        val_fraction=val_fraction,
        read=AnyFormat() if original is not None else AnyFormat(columns="xypt", unit="ms"),
    )


def _of_trial(clip: Clip) -> str:
    """`user01` of `user01_fluorescent.aedat`."""
    return clip.path.name.partition("_")[0]


def _of_folder(clip: Clip) -> str:
    return clip.path.parent.name.partition("_")[0]


def _original(folder: Path) -> Path | None:
    return next(
        (at for at in (folder / "DvsGesture", folder) if any((at / name).is_file() for name in _LISTS)), None
    )


def _is_tonic(folder: Path) -> bool:
    return any((folder / name).is_dir() for name in _TONIC)


def _listed_clips(listing: Path) -> list[Clip]:
    """The gestures of the trials that a list names, in its order."""
    trials = [line.strip() for line in _text(listing).splitlines() if line.strip()]
    if not trials:
        raise UsageError(f"{listing}: names no trial; {ORIGIN.by_hand()}")
    clips = []
    for trial in trials:
        path = listing.parent / trial
        if path.parent != listing.parent or not path.is_file():
            raise UsageError(f"{listing}: names {trial!r}, which is not beside it; {ORIGIN.by_hand()}")
        clips += labelled_cuts(path, path.with_name(f"{path.stem}_labels.csv"))
    return clips


def labelled_cuts(path: Path, labels: Path) -> list[Clip]:
    """A clip for each row `class,startTime_usec,endTime_usec`; one that runs into the next ends where that begins.

    Raises:
        UsageError: other columns, or a row that is no class from 1 to 11 and a span of time.
    """
    header, *rows = list(csv.reader(_text(labels).splitlines())) or [[]]
    if [name.strip() for name in header] != _COLUMNS or not rows:
        raise UsageError(
            f"{labels}: found the columns {','.join(header)!r} and {len(rows)} rows, expected {','.join(_COLUMNS)!r} "
            f"and a row for each gesture; {ORIGIN.by_hand()}"
        )
    found = sorted((_row(row, f"{labels}, line {line}") for line, row in enumerate(rows, start=2) if row))
    nexts = [start for start, _, _ in found[1:]] + [found[-1][1]]
    return [
        Clip(path, number - 1, cut=(start, min(stop, following)))
        for (start, stop, number), following in zip(found, nexts, strict=True)
    ]


def _row(row: list[str], where: str) -> tuple[int, int, int]:
    try:
        number, start, stop = (int(value) for value in row)
    except ValueError as error:
        raise UsageError(
            f"{where}: found {','.join(row)!r}, expected three whole numbers; mend the file"
        ) from error
    if not (1 <= number <= len(CLASS_NAMES) and 0 <= start < stop < 2**62):
        raise UsageError(
            f"{where}: class {number} from {start} to {stop} µs; a class is 1 to {len(CLASS_NAMES)} and a gesture "
            f"ends after it begins: mend the file"
        )
    return start, stop, number


def _tonic_clips(folder: Path) -> list[Clip]:
    """The files `<user>_<light>/<class>.npy`, sorted."""
    paths = sorted(folder.glob("*/*.npy"), key=lambda path: [natural(path.parent.name), natural(path.name)])
    if not paths:
        raise UsageError(f"{folder}: found no <user>_<light>/<class>.npy; {ORIGIN.by_hand()}")
    for path in paths:
        if path.stem not in _TONIC_CLASSES:
            raise UsageError(
                f"{path}: the name is no class from 0 to {len(CLASS_NAMES) - 1}; {ORIGIN.by_hand()}"
            )
    return [Clip(path, _TONIC_CLASSES[path.stem]) for path in paths]


_TONIC_CLASSES = {str(number): number for number in range(len(CLASS_NAMES))}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no text"
        raise UsageError(f"{path}: cannot be read ({reason}); {ORIGIN.by_hand()}") from error
