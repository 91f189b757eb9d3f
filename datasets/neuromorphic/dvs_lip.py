"""DVS-Lip: spoken words, read from the lips by an event camera."""

from snnpd.datasets.augmentation.table import Augment
from snnpd.datasets.events import Sensor
from snnpd.datasets.neuromorphic.decode import AnyFormat
from snnpd.datasets.neuromorphic.folders import class_clips, note_counts
from snnpd.datasets.neuromorphic.frame_sets import frame_splits, shifts
from snnpd.datasets.neuromorphic.framing import Framing, Options, Size
from snnpd.datasets.neuromorphic.origin import Archive, Origin
from snnpd.datasets.recordings import Parts
from snnpd.datasets.splits import Splits

SENSOR = Sensor(128, 128)
CLASS_NAMES = (
    "accused", "action", "allow", "allowed", "america", "american", "another", "around", "attacks", "banks",
    "become", "being", "benefit", "benefits", "between", "billion", "called", "capital", "challenge",
    "change", "chief", "couple", "court", "death", "described", "difference", "different", "during",
    "economic", "education", "election", "england", "evening", "everything", "exactly", "general",
    "germany", "giving", "ground", "happen", "happened", "having", "heavy", "house", "hundreds",
    "immigration", "judge", "labour", "leaders", "legal", "little", "london", "majority", "meeting",
    "military", "million", "minutes", "missing", "needs", "number", "numbers", "paying", "perhaps", "point",
    "potential", "press", "price", "question", "really", "right", "russia", "russian", "saying", "security",
    "several", "should", "significant", "spend", "spent", "started", "still", "support", "syria", "syrian",
    "taken", "taking", "terms", "these", "thing", "think", "times", "tomorrow", "under", "warning", "water",
    "welcome", "words", "worst", "years", "young",
)  # fmt: skip
ORIGIN = Origin(
    "dvs_lip",
    "https://sites.google.com/view/event-based-lipreading",
    (Archive("DVS-Lip.zip", "2dcb959255122d4cdeb6094ca282494b"),),
    "DVS-Lip/train/<word>/*.npy and DVS-Lip/test/<word>/*.npy (100 words)",
    "DVSLip",
)
# Recordings to train and to test.
_OFFICIAL = (14_896, 4_975)


def dvs_lip(
    *,
    root: str | None = None,
    download: bool = False,
    time_steps: int = 30,
    representation: str = "frames",
    representation_options: Options = None,
    slicing: str = "time",
    size: Size = None,
    cache: bool | str = True,
    augment: Augment = True,
    seed: int = 0,
    val_fraction: float = 0.1,
) -> Splits:
    """DVS-Lip: 100 spoken words on 128 × 128 pixels, half of them in pairs that look alike; other speakers to test.

    `root` holds `DVS-Lip/train/<word>/*.npy` and `DVS-Lip/test/<word>/*.npy`; the makers' page asks for a click,
    so `download` only says where. Augmentation shifts by up to a sixteenth of the side.

    Source: Tan, Wang, Han, Cao, Wu & Zha, 2022, official split. No licence is stated.
    Shapes:
        sample: `[time_steps, 2, 128, 128]`.

    Raises:
        UsageError: files that are missing or damaged, or options that do not fit.
    """
    folder = ORIGIN.find(
        root, lambda at: any((at / sub / "train").is_dir() for sub in ("DVS-Lip", ".")), download
    )
    if (folder / "DVS-Lip").is_dir():
        folder = folder / "DVS-Lip"
    mend = ORIGIN.by_hand()
    train, test = (class_clips(folder / part, CLASS_NAMES, ".npy", mend) for part in ("train", "test"))
    note_counts("dvs_lip", [len(train), len(test)], _OFFICIAL)
    return frame_splits(
        "dvs_lip",
        Parts(train, test),
        SENSOR,
        Framing(time_steps, representation, slicing, representation_options, size, cache),
        class_names=CLASS_NAMES,
        augment=augment,
        default=shifts,
        seed=seed,
        val_fraction=val_fraction,
        read=AnyFormat(unit="us"),
    )
