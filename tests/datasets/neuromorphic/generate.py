"""Small data sets that can be learned, in the layouts of the real ones: a class is a motion or a melody."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import h5py
import numpy as np

from snnpd.datasets.events import EVENT_DTYPE, Events
from snnpd.datasets.images.cifar import CIFAR10_NAMES
from snnpd.datasets.neuromorphic.dvs_lip import CLASS_NAMES as WORDS
from tests.datasets.readers.files import (
    aedat2_bytes,
    aedat3_bytes,
    aedat4_bytes,
    bin40_bytes,
    mat_bytes,
    npy_bytes,
    table_of,
)

SHD_WORDS = (
    "zero one two three four five six seven eight nine null eins zwei drei vier fuenf sechs sieben acht neun"
)
SHD_KEYS = [word.encode() for word in SHD_WORDS.split()]


def ray(
    label: int,
    num_classes: int,
    rng: np.random.Generator,
    *,
    height: int = 34,
    width: int = 34,
    num: int = 300,
    span_us: int = 300_000,
    start_us: int = 0,
) -> Events:
    """A spot that runs from the middle in the direction of its class, bright ahead and dark behind."""
    t = np.sort(rng.integers(0, span_us, num))
    angle = 2 * np.pi * (label + rng.uniform(-0.2, 0.2)) / num_classes
    polarity = rng.integers(0, 2, num)
    way = t / span_us * 0.4 + 0.04 * (polarity - 0.5)
    spread = rng.normal(0, 0.03, (2, num))
    events = np.empty(num, EVENT_DTYPE)
    events["x"] = np.clip((0.5 + way * np.cos(angle) + spread[0]) * width, 0, width - 1)
    events["y"] = np.clip((0.5 + way * np.sin(angle) + spread[1]) * height, 0, height - 1)
    events["t"], events["p"] = t + start_us, polarity
    return events


def write_nmnist(root: Path, num_train: int = 10, num_test: int = 2, seed: int = 0) -> Path:
    rng = np.random.default_rng(seed)
    for part, num in (("Train", num_train), ("Test", num_test)):
        for label in range(10):
            folder = root / part / str(label)
            folder.mkdir(parents=True)
            for number in range(num):
                (folder / f"{10 * number + label + 1:05}.bin").write_bytes(bin40_bytes(ray(label, 10, rng)))
    return root


def write_cifar10_dvs(root: Path, numbers: Iterable[int], suffix: str = ".aedat") -> Path:
    """The recordings as upright images show them: jAER's camera lay on its side, tonic's files do not say."""
    rng = np.random.default_rng(0)
    for label, name in enumerate(CIFAR10_NAMES):
        (root / name).mkdir(parents=True)
        for number in numbers:
            events = ray(label, 10, rng, height=128, width=128)
            if suffix == ".aedat":
                events["x"], events["y"] = events["y"].copy(), events["x"].copy()
            content = aedat2_bytes(events) if suffix == ".aedat" else aedat4_bytes(events)
            (root / name / f"cifar10_{name}_{number}{suffix}").write_bytes(content)
    return root


def write_gesture(root: Path, num_train: int = 10, num_test: int = 2) -> Path:
    """IBM's folder: a trial is one recording of eleven gestures with pauses, its labels count from 1."""
    rng = np.random.default_rng(0)
    folder = root / "DvsGesture"
    folder.mkdir(parents=True)
    for part, users in (("train", range(1, num_train + 1)), ("test", range(24, 24 + num_test))):
        names = [f"user{user:02}_fluorescent.aedat" for user in users]
        (folder / f"trials_to_{part}.txt").write_text("".join(f"{name}\n" for name in names) + "\n")
        for name in names:
            _write_trial(folder / name, rng)
    return root


def _write_trial(path: Path, rng: np.random.Generator) -> None:
    starts = 2_000_000 + 1_000_000 * np.arange(11)
    gestures = [
        ray(label, 11, rng, height=128, width=128, start_us=start)
        for label, start in enumerate(starts.tolist())
    ]
    noise = ray(0, 11, rng, height=128, width=128, num=40, span_us=900_000, start_us=500_000)
    path.write_bytes(aedat3_bytes(np.concatenate([noise, *gestures])))
    rows = [f"{label + 1},{start},{start + 400_000}" for label, start in enumerate(starts)]
    path.with_name(f"{path.stem}_labels.csv").write_text(
        "class,startTime_usec,endTime_usec\n" + "\n".join(rows) + "\n"
    )


def write_tonic_gesture(root: Path, num_train: int = 10, num_test: int = 2) -> Path:
    """Tonic's folders: one array `[E, 4]` of x, y, polarity and milliseconds for each gesture."""
    rng = np.random.default_rng(0)
    for part, users in (("Train", range(1, num_train + 1)), ("Test", range(24, 24 + num_test))):
        for user in users:
            folder = root / f"ibmGesture{part}" / f"user{user:02}_led"
            folder.mkdir(parents=True)
            for label in range(11):
                events = ray(label, 11, rng, height=128, width=128)
                events["t"] //= 1000
                (folder / f"{label}.npy").write_bytes(npy_bytes(table_of(events, "xypt").astype(np.float64)))
    return root


def write_ncaltech101(root: Path, class_names: Sequence[str], num: int) -> Path:
    rng = np.random.default_rng(0)
    for label, name in enumerate(class_names):
        folder = root / "Caltech101" / name
        folder.mkdir(parents=True)
        for number in range(1, num + 1):
            events = ray(label, len(class_names), rng, height=150 + number, width=240, num=60)
            (folder / f"image_{number:04}.bin").write_bytes(bin40_bytes(events))
    return root


def write_asl_dvs(root: Path, class_names: Sequence[str], num: int = 10) -> Path:
    rng = np.random.default_rng(0)
    for label, name in enumerate(class_names):
        (root / name).mkdir(parents=True)
        for number in range(1, num + 1):
            events = ray(label, len(class_names), rng, height=180, width=240, num=60, span_us=100_000)
            events["y"] = 179 - events["y"]
            (root / name / f"{name}_{number:04}.mat").write_bytes(mat_bytes(events))
    return root


def write_dvs_lip(root: Path, num_train: int = 3, num_test: int = 1) -> Path:
    rng = np.random.default_rng(0)
    kind = np.dtype([("t", "<i4"), ("x", "u1"), ("y", "u1"), ("p", "u1")])
    for part, num in (("train", num_train), ("test", num_test)):
        for label, word in enumerate(WORDS):
            folder = root / "DVS-Lip" / part / word
            folder.mkdir(parents=True)
            for number in range(num):
                events = ray(label, len(WORDS), rng, height=128, width=128, num=60)
                (folder / f"{number}.npy").write_bytes(npy_bytes(events[["t", "x", "y", "p"]].astype(kind)))
    return root


def melody(label: int, rng: np.random.Generator, num_spikes: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Spike times in seconds, channels: a tone that glides from one of ten pitches, upwards or downwards."""
    times = np.sort(rng.uniform(0.05, 0.5, num_spikes))
    direction = 1 if label % 20 < 10 else -1
    pitch = 80 + 60 * (label % 10) + 120 * direction * (times - 0.25)
    units = pitch + rng.normal(0, 12, num_spikes) + rng.normal(0, 6)
    return times.astype(np.float16), np.clip(units, 0, 699).astype(np.uint16)


def write_spike_h5(
    path: Path, labels: Sequence[int], seed: int = 0, keys: Sequence[bytes] = SHD_KEYS
) -> Path:
    """One file as Cramer et al. publish them: lists of half-precision seconds and of channels, labels, extras.

    A speaker speaks each word once, then comes the next one.
    """
    rng = np.random.default_rng(seed)
    with h5py.File(path, "w") as file:
        spikes = file.create_group("spikes")
        times = spikes.create_dataset("times", (len(labels),), h5py.vlen_dtype(np.float16))
        units = spikes.create_dataset("units", (len(labels),), h5py.vlen_dtype(np.uint16))
        for entry, label in enumerate(labels):
            times[entry], units[entry] = melody(label, rng)
        file["labels"] = np.array(labels, np.uint16)
        file["extra/speaker"] = (np.arange(len(labels)) // len(keys)).astype(np.uint16)
        file["extra/keys"] = np.array(keys)
    return path
