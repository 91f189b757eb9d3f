"""Spiking Heidelberg Digits and Spiking Speech Commands: spikes of an artificial cochlea, as series of time bins."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from snnpd.datasets.augmentation.bands import ShiftBands
from snnpd.datasets.augmentation.table import Augment, Chosen, choose_augmentations
from snnpd.datasets.clips import Clip
from snnpd.datasets.events import Events
from snnpd.datasets.neuromorphic.folders import note_counts
from snnpd.datasets.neuromorphic.origin import Archive, Origin, file_stamp, tonic_fetch
from snnpd.datasets.neuromorphic.spike_bins import COCHLEA, ChannelBins
from snnpd.datasets.pipeline import Pipeline, make_cache
from snnpd.datasets.readers.spikes import (
    BLOCK,
    read_class_names,
    read_speakers,
    read_spike_labels,
    read_spikes,
)
from snnpd.datasets.recordings import Parts, split_recordings
from snnpd.datasets.splits import Splits
from snnpd.errors import UsageError

_ZENKE = "https://zenkelab.org/datasets/"
SHD = Origin(
    "shd",
    _ZENKE,
    (
        Archive("shd_train.h5.zip", "f3252aeb598ac776c1b526422d90eecb"),
        Archive("shd_test.h5.zip", "1503a5064faa34311c398fb0a1ed0a6f"),
    ),
    "shd_train.h5 and shd_test.h5",
    "SHD",
    tonic_fetch("SHD", [{"train": True}, {"train": False}]),
)
SSC = Origin(
    "ssc",
    _ZENKE,
    (
        Archive("ssc_train.h5.zip", "d102be95e7144fcc0553d1f45ba94170"),
        Archive("ssc_valid.h5.zip", "b4eee3516a4a90dd0c71a6ac23a8ae43"),
        Archive("ssc_test.h5.zip", "a35ff1e9cffdd02a20eb850c17c37748"),
    ),
    "ssc_train.h5, ssc_valid.h5 and ssc_test.h5",
    "SSC",
    tonic_fetch("SSC", [{"split": "train"}, {"split": "valid"}, {"split": "test"}]),
)


def shd(
    *,
    root: str | None = None,
    download: bool = False,
    window_ms: float = 10.0,
    max_tokens: int = 140,
    channels: int = 140,
    times: bool = False,
    cache: bool | str = True,
    augment: Augment = True,
    seed: int = 0,
    val_fraction: float = 0.1,
) -> Splits:
    """Spiking Heidelberg Digits: 8,156 train and 2,264 test recordings of 12 speakers, 20 spoken digits.

    Two of the speakers occur in the test part alone; validation takes whole speakers, too. `root` holds
    `shd_train.h5` and `shd_test.h5`. A token counts the spikes of `window_ms` in `channels` bands of the
    cochlea's 700; a series ends with its last spike or after `max_tokens`. With `times`, a sample carries its
    tokens' times in seconds. Augmentation shifts by up to 20 of the 700 channels, in whole bands.

    Source: Cramer, Stradmann, Schemmel & Zenke, 2022, official split. Licence CC BY 4.0.
    Shapes:
        sample: `[N, channels]`, N up to `max_tokens`.

    Raises:
        UsageError: files that are missing or damaged, h5py missing, bands that do not divide 700.
    """
    files = {"train": "shd_train.h5", "test": "shd_test.h5"}
    bins = ChannelBins(window_ms, max_tokens, channels)
    return _cochlea(SHD, (8156, 2264), files, bins, root, download, times, cache, augment, seed, val_fraction)


def ssc(
    *,
    root: str | None = None,
    download: bool = False,
    window_ms: float = 10.0,
    max_tokens: int = 100,
    channels: int = 140,
    times: bool = False,
    cache: bool | str = True,
    augment: Augment = True,
    seed: int = 0,
    val_fraction: float = 0.1,
) -> Splits:
    """Spiking Speech Commands: 75,466 train, 9,981 validation and 20,382 test recordings of 35 spoken words.

    `root` holds `ssc_train.h5`, `ssc_valid.h5` and `ssc_test.h5`. Samples, options and augmentation are those
    of `shd`; the validation part is the official one, whatever `val_fraction` (0 leaves it away).

    Source: Cramer, Stradmann, Schemmel & Zenke, 2022, official split; words from Warden's Speech Commands.
    Licence CC BY 4.0.
    Shapes:
        sample: `[N, channels]`, N up to `max_tokens`.

    Raises:
        UsageError: files that are missing or damaged, h5py missing, bands that do not divide 700.
    """
    files = {"train": "ssc_train.h5", "test": "ssc_test.h5", "val": "ssc_valid.h5"}
    bins = ChannelBins(window_ms, max_tokens, channels)
    return _cochlea(
        SSC, (75466, 20382), files, bins, root, download, times, cache, augment, seed, val_fraction
    )


@dataclass(frozen=True)
class Spikes:
    """The spikes of one entry of a file: x is the channel, times in microseconds."""

    def __call__(self, clip: Clip) -> Events:
        """The spikes, sorted by time."""
        number, place = divmod(clip.entry or 0, BLOCK)
        return _read_block(clip.path, file_stamp(clip.path), number * BLOCK)[place]


@lru_cache(maxsize=1)
def _read_block(path: Path, stamp: tuple[int, int], start: int) -> list[Events]:
    stop = min(start + BLOCK, _num_recordings(path, stamp))
    return [recording.events for recording in read_spikes(path, range(start, stop))]


@lru_cache(maxsize=8)
def _num_recordings(path: Path, stamp: tuple[int, int]) -> int:
    return len(read_spike_labels(path))


def _cochlea(
    origin: Origin,
    official: tuple[int, int],
    files: dict[str, str],
    bins: ChannelBins,
    root: str | None,
    download: bool,
    times: bool,
    cache: bool | str,
    augment: Augment,
    seed: int,
    val_fraction: float,
) -> Splits:
    folder = origin.find(
        root, lambda folder: all((folder / file).is_file() for file in files.values()), download
    )
    clips, names = {}, read_class_names(folder / files["train"])
    for part, file in files.items():
        labels = read_spike_labels(folder / file).tolist()
        clips[part] = [Clip(folder / file, label, entry=entry) for entry, label in enumerate(labels)]
        if read_class_names(folder / file) != names:
            raise UsageError(
                f"{folder / file}: names other classes than {files['train']}; {origin.by_hand()}"
            )
    note_counts(origin.name, [len(clips["train"]), len(clips["test"])], official)
    # An official validation part makes its own.
    speakers = None if "val" in clips else [str(n) for n in read_speakers(folder / files["train"])]
    shifted = Chosen(samples=(ShiftBands(bins.channels // 35),))
    return split_recordings(
        origin.name,
        "series",
        Parts(clips["train"], clips["test"], clips.get("val"), speakers),
        Pipeline(Spikes(), bins, COCHLEA, cache=make_cache(cache)),
        class_names=names,
        input_shape=(bins.max_tokens, bins.channels),
        times=bins.times() if times else None,
        augment=choose_augmentations(augment, "cochlea", shifted),
        seed=seed,
        val_fraction=val_fraction,
    )
