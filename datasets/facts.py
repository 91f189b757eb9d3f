"""What `snnpd datasets` says of each data set."""

from typing import NamedTuple


class Facts(NamedTuple):
    """One row of the list, in words.

    Units:
        size: samples of the train and of the test part, before validation is carved from train.
    """

    kind: str
    sample: str
    classes: str
    size: str
    licence: str
    files: str


EVENTS, IMAGES, SERIES = "event sensors", "images", "series"
KINDS = (EVENTS, IMAGES, SERIES)

_THEIRS = "theirs"
_NONE_STATED = "none stated"

FACTS: dict[str, Facts] = {
    "nmnist": Facts(
        EVENTS, "10×2×34×34", "10", "60,000 / 10,000", "CC BY-SA 4.0", "Train/<digit>/*.bin, Test/…"
    ),
    "cifar10_dvs": Facts(
        EVENTS, "16×2×128×128", "10", "9,000 / 1,000", "CC BY 4.0", "<class>/*.aedat or *.aedat4"
    ),
    "dvs_gesture": Facts(
        EVENTS,
        "16×2×128×128",
        "11",
        "98 / 24 trials",
        "CC BY 4.0",
        "DvsGesture/*.aedat, *_labels.csv, trials_to_*.txt",
    ),
    "ncaltech101": Facts(
        EVENTS, "10×2×180×240", "101", "8,709 in all", "CC BY-SA 4.0", "Caltech101/<class>/*.bin"
    ),
    "asl_dvs": Facts(EVENTS, "10×2×180×240", "24", "80,640 / 20,160", _NONE_STATED, "<letter>/*.mat"),
    "dvs_lip": Facts(
        EVENTS,
        "30×2×128×128",
        "100",
        "14,896 / 4,975",
        _NONE_STATED,
        "DVS-Lip/train/<word>/*.npy, test/…",
    ),
    "shd": Facts(
        EVENTS, "≤ 140 tokens × 140", "20", "8,156 / 2,264", "CC BY 4.0", "shd_train.h5, shd_test.h5"
    ),
    "ssc": Facts(
        EVENTS,
        "≤ 100 tokens × 140",
        "35",
        "75,466 / 20,382",
        "CC BY 4.0",
        "ssc_train.h5, ssc_valid.h5, ssc_test.h5",
    ),
    "event_digits": Facts(
        EVENTS, "6×2×20×20", "10", "1,437 / 360", "CC BY 4.0", "none: simulated from digits"
    ),
    "event_images": Facts(
        EVENTS, "6×2×34×34", _THEIRS, _THEIRS, _THEIRS, "any image set's, made events: images=…"
    ),
    "digits": Facts(IMAGES, "1×8×8", "10", "1,437 / 360", "CC BY 4.0", "none: ships inside scikit-learn"),
    "mnist": Facts(
        IMAGES, "1×28×28", "10", "60,000 / 10,000", "CC BY-SA 3.0", "train-images-idx3-ubyte[.gz] …"
    ),
    "fashion_mnist": Facts(
        IMAGES, "1×28×28", "10", "60,000 / 10,000", "MIT", "as mnist; Debian: dataset-fashion-mnist"
    ),
    "kmnist": Facts(IMAGES, "1×28×28", "10", "60,000 / 10,000", "CC BY-SA 4.0", "as mnist"),
    "emnist": Facts(
        IMAGES,
        "1×28×28",
        "47",
        "112,800 / 18,800",
        _NONE_STATED,
        "emnist-balanced-train-images-idx3-ubyte[.gz] …",
    ),
    "idx": Facts(IMAGES, _THEIRS, _THEIRS, _THEIRS, _THEIRS, "any grey images in mnist's layout"),
    "cifar10": Facts(IMAGES, "3×32×32", "10", "50,000 / 10,000", _NONE_STATED, "cifar-10-batches-bin or -py"),
    "cifar100": Facts(
        IMAGES, "3×32×32", "100", "50,000 / 10,000", _NONE_STATED, "cifar-100-binary or -python"
    ),
    "svhn": Facts(
        IMAGES, "3×32×32", "10", "73,257 / 26,032", "non-commercial", "train_32x32.mat, test_32x32.mat"
    ),
    "tiny_imagenet": Facts(IMAGES, "3×64×64", "200", "100,000 / 10,000", _NONE_STATED, "tiny-imagenet-200"),
    "imagenet": Facts(
        IMAGES, "3×224×224", "1000", "1,281,167 / 50,000", "non-commercial", "train/<wnid>/*.JPEG, val/…"
    ),
    "image_folder": Facts(
        IMAGES, "3×224×224", _THEIRS, _THEIRS, _THEIRS, "any train/<class>/*, test/<class>/*"
    ),
    "japanese_vowels": Facts(
        SERIES, "7 to 29 tokens × 12", "9", "270 / 370", "CC BY 4.0", "none: ships inside aeon"
    ),
    "basic_motions": Facts(SERIES, "100 tokens × 6", "4", "40 / 40", _NONE_STATED, "none: ships inside aeon"),
    "ts": Facts(
        SERIES, _THEIRS, _THEIRS, _THEIRS, _THEIRS, "any UEA or UCR problem: problem=…, <problem>_TRAIN.ts"
    ),
    "irregular": Facts(
        SERIES, _THEIRS, _THEIRS, _THEIRS, _THEIRS, "any train.csv, test.csv: one row a moment (or .npz)"
    ),
    "listops": Facts(SERIES, "500 to 2,000 tokens × 15", "10", "2,000 / 500", "ours", "none: generated"),
    "pathfinder": Facts(SERIES, "1,024 tokens × 1", "2", "2,000 / 500", "ours", "none: drawn"),
    "lra_listops": Facts(
        SERIES, "≤ 2,000 tokens × 15", "10", "96,000 / 2,000", "Apache-2.0", "basic_train.tsv, _val, _test"
    ),
    "lra_text": Facts(
        SERIES, "≤ 4,000 tokens × 256", "2", "25,000 / 25,000", _NONE_STATED, "aclImdb/train/pos/*.txt …"
    ),
    "lra_image": Facts(SERIES, "1,024 tokens × 1", "10", "50,000 / 10,000", _NONE_STATED, "as cifar10"),
    "lra_pathfinder": Facts(
        SERIES, "1,024 tokens × 1", "2", "200,000 in all", _NONE_STATED, "pathfinder32/curv_contour_length_14"
    ),
}
