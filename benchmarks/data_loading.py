"""Samples a second that a loader gives, first epoch and later ones, against those that training consumes.

Run: python benchmarks/data_loading.py [--epochs 20] [--num-workers 0] [--only nmnist]

Recordings are generated in the layouts of the real sets (scikit-learn's digits before the simulated camera as
N-MNIST's files; turning spots as DVS-Gesture's, as tonic cuts them), written to disk and dropped from the system's
own cache. The way is the whole one: file, reader, frames, our cache, augmentation, batches of 32. The first epoch
begins with an empty cache: it reads, decodes, stores, fits the scale and gives every batch. Training is the
recipes' own (`Trainer`, network `spikingformer_tiny` with BSA, batch norm, moving average), fed from memory.
Asked: at least five times training's samples a second from the second epoch on, and memory that stays.
"""

import argparse
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from record import append, quantiles
from torch.utils.data import DataLoader

from snnpd import create_model
from snnpd.cli.compose import load_splits, model_options
from snnpd.cli.options import read_config
from snnpd.cli.recipes import find_recipe
from snnpd.datasets.digits import WHITE, digit_samples
from snnpd.datasets.event_digits import saccade_events
from snnpd.datasets.events import EVENT_DTYPE, Events
from snnpd.datasets.loading import make_loader, set_epoch
from snnpd.datasets.splits import Splits
from snnpd.training import Config, Encoder
from snnpd.training.devices import make_fabric
from snnpd.training.progress import make_display
from snnpd.training.trainer import Trainer

# A digit then has some 3,000 events (a recording of N-MNIST 4,000); a gesture of DVS128 has more than these.
THRESHOLD = 0.6
EVENTS_PER_GESTURE = 100_000
TRAIN_BATCHES = 6


@dataclass(frozen=True)
class Case:
    """A data set as a recipe with other data; `write` makes its files, where it has any."""

    recipe: str
    data: str
    time_steps: int
    write: Callable[[Path], None] | None = None
    options: dict[str, Any] = field(default_factory=dict)


def write_nmnist(root: Path) -> None:
    """The 1,797 digits as N-MNIST's files: five bytes an event, x, y, polarity and 23 bits of time."""
    for part, samples in zip(("Train", "Test"), digit_samples(), strict=True):
        images = samples.data[:, 0].numpy() / WHITE
        filmed = (film for start in range(0, len(images), 75) for film in films(images[start : start + 75]))
        for number, (events, label) in enumerate(zip(filmed, samples.labels.tolist(), strict=True)):
            t = events["t"]
            columns = [
                events["x"],
                events["y"],
                events["p"].astype(int) << 7 | t >> 16,
                t >> 8 & 255,
                t & 255,
            ]
            path = root / part / str(label) / f"{number + 1:05}.bin"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(np.stack(columns, axis=1).astype(np.uint8).tobytes())


def films(images: np.ndarray) -> Iterator[Events]:
    """The events of each image; filmed side by side, which is faster."""
    events = saccade_events(images, sensor=34, threshold=THRESHOLD)
    for number in range(len(images)):
        own = events[events["y"] // 34 == number]
        own["y"] -= 34 * number
        yield own


def write_gesture(root: Path) -> None:
    """Ten subjects' gestures as tonic's arrays `[E, 4]` of x, y, polarity and milliseconds."""
    rng = np.random.default_rng(0)
    for part, users in (("Train", range(1, 10)), ("Test", range(24, 25))):
        for user, label in itertools.product(users, range(11)):
            events = turning_spot(label, rng)
            path = root / f"ibmGesture{part}" / f"user{user:02}_led" / f"{label}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            table = [events[name].astype(np.float64) for name in "xyp"] + [events["t"] // 1000]
            np.save(path, np.stack(table, axis=1))


def turning_spot(label: int, rng: np.random.Generator) -> Events:
    """Events of six seconds around a spot on 128 × 128 pixels that turns as fast as its class says."""
    events = np.empty(EVENTS_PER_GESTURE, EVENT_DTYPE)
    t = np.sort(rng.integers(0, 6_000_000, len(events)))
    way = 2 * np.pi * t / 6e6 * (label + 1)
    spread = rng.normal(0, 6, (2, len(events)))
    events["x"] = np.clip(64 + 40 * np.cos(way) + spread[0], 0, 127)
    events["y"] = np.clip(64 + 40 * np.sin(way) + spread[1], 0, 127)
    events["t"], events["p"] = t, rng.integers(0, 2, len(events))
    return events


DIGITS, EVENTS = "digits-bsa", "event-digits-bsa"
CASES = {
    "digits": Case(DIGITS, "digits", 4),
    "event digits": Case(EVENTS, "event_digits", 6),
    "nmnist": Case(EVENTS, "nmnist", 6, write_nmnist, {"partial": True, "size": 20}),
    "nmnist, 32 x 32": Case(EVENTS, "nmnist", 10, write_nmnist, {"partial": True, "size": 32}),
    "nmnist, events dropped": Case(
        EVENTS, "nmnist", 6, write_nmnist, {"partial": True, "size": 20, "augment": ["event_drop"]}
    ),
    "dvs gesture, 32 x 32": Case(EVENTS, "dvs_gesture", 16, write_gesture, {"size": 32}),
}


def measure(name: str, case: Case, folder: Path, options: argparse.Namespace) -> None:
    """Prints and records the row of a case."""
    config = read_config(find_recipe(case.recipe))
    data: dict[str, Any] = {"options": dict(case.options)}
    if case.write is not None:
        root = (options.folder or folder) / case.write.__name__
        if not root.exists():
            case.write(root)
        forget(root)
        data |= {"root": str(root)}
        data["options"] |= {"cache": str(folder / f"cache of {name}")}
    config = replace(config, time_steps=case.time_steps, data=replace(config.data, name=case.data, **data))
    start = time.perf_counter()
    splits = load_splits(config)
    prepared_s = time.perf_counter() - start
    size = config.optim.batch_size
    loader = make_loader(splits.train, size, shuffle=True, num_workers=options.num_workers)
    sampler: Any = loader.sampler
    num_samples = len(sampler)
    seconds, memory = epochs(loader, num_samples, options.epochs)
    loaded = num_samples / statistics.median(seconds[1:])
    trained = training_rate(config, splits, options.rounds)
    row = {
        "op": "data_loading",
        "implementation": name,
        "shape": [size, case.time_steps, *splits.input_shape],
        "dtype": "float32",
        "mode": f"{options.num_workers} workers",
        "samples": num_samples,
        "first_epoch_s": round(prepared_s + seconds[0], 3),
        "second_epoch_s": round(seconds[1], 3),
        "loaded_per_s": round(loaded),
        "trained_per_s": round(trained),
        "ratio": round(loaded / trained, 1),
        # Medians of the last five epochs and of the first five behind the second: the allocator keeps, or not, a batch.
        "memory_growth_mib": round(statistics.median(memory[-5:]) - statistics.median(memory[2:7]), 1),
        "memory_mib": round(memory[-1]),
    }
    append("data_loading", row | quantiles(seconds[1:]))


def epochs(loader: DataLoader, num_samples: int, num: int) -> tuple[list[float], list[float]]:
    """Seconds that every epoch took, and the memory after it."""
    seconds: list[float] = []
    memory: list[float] = []
    for epoch in range(1, num + 1):
        set_epoch(loader, epoch)
        start = time.perf_counter()
        assert sum(len(batch.y) for batch in loader) == num_samples
        seconds.append(time.perf_counter() - start)
        memory.append(resident_mib())
    return seconds, memory


def training_rate(config: Config, splits: Splits, rounds: int) -> float:
    """Samples a second that the recipe's training consumes from batches in memory, the median round."""
    fabric = make_fabric(config.runtime)
    model = create_model(config.model.name, **model_options(config, splits))
    trainer = Trainer(fabric, model, config, Encoder(config.encoding, config.time_steps, splits.kind))
    loader = make_loader(splits.train, config.optim.batch_size, shuffle=True, drop_last=True)
    batches = list(itertools.islice(loader, TRAIN_BATCHES))
    display = make_display(1, is_first_process=False)
    seconds = []
    for epoch in range(1, rounds + 2):
        start = time.perf_counter()
        trainer.train_epoch(batches, epoch, display)
        seconds.append(time.perf_counter() - start)
    # The first round compiles and warms up.
    return sum(len(batch.y) for batch in batches) / statistics.median(seconds[1:])


def forget(folder: Path) -> None:
    """Writes files to the disk and drops them from the system's cache."""
    for path in folder.rglob("*.*"):
        fd = os.open(path, os.O_RDONLY)
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


def resident_mib() -> float:
    """The resident set, without what is mapped from files: that is the system's cache and goes when room is short."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) / 1024


def main() -> None:
    """Measures each case, or one."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--num-workers", type=int, default=0)
    parser.add_argument("--only", choices=CASES)
    parser.add_argument("--folder", type=Path, help="where recordings are kept for another time")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        for name, case in CASES.items():
            if options.only in (None, name):
                measure(name, case, Path(temporary), options)


if __name__ == "__main__":
    main()
