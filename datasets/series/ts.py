"""Time series of the UEA and UCR archives: a token is a moment, its channels are the measurements."""

from dataclasses import dataclass
from pathlib import Path

from snnpd.datasets.ragged import SeriesOptions, split_series
from snnpd.datasets.roots import folder_of
from snnpd.datasets.series.ts_files import LabelledSeries, read_ts, shipped_series
from snnpd.datasets.splits import Splits
from snnpd.errors import UsageError


@dataclass(frozen=True)
class _Problem:
    """What the archive says of a set: the sizes tell a copy that was cut between two cases."""

    name: str
    loader: str
    num_train: int
    num_test: int

    def read(self, root: str | None) -> tuple[LabelledSeries, LabelledSeries]:
        if root is None:
            train, test = (shipped_series(self.name, self.loader, split) for split in ("train", "test"))
        else:
            train, test = _read_folder(folder_of(root), self.name)
        folder = "" if root is None else f"{root}/"
        for part, found, expected in (("TRAIN", train, self.num_train), ("TEST", test, self.num_test)):
            if len(found.series) != expected:
                raise UsageError(
                    f"{folder}{self.name}_{part}.ts: found {len(found.series)} cases, expected "
                    f"{expected} (official split); fetch it again, or leave root out: aeon ships the set"
                )
        return train, test


_JAPANESE_VOWELS = _Problem("JapaneseVowels", "load_japanese_vowels", num_train=270, num_test=370)
_BASIC_MOTIONS = _Problem("BasicMotions", "load_basic_motions", num_train=40, num_test=40)


def japanese_vowels(
    *, root: str | None = None, seed: int = 0, val_fraction: float = 0.1, jitter: float = 0.0
) -> Splits:
    """JapaneseVowels: 270 train and 370 test series of 7 to 29 tokens, 12 cepstrum coefficients, 9 speakers.

    Ships inside aeon (extra `series`); `root` names a folder of `.ts` files instead. `jitter` adds noise to
    train.

    Source: Kudo, Toyama & Shimbo, 1999; UCI and UEA archives, official split. Licence CC BY 4.0.

    Raises:
        UsageError: aeon is missing and no root given, or files are missing or damaged.
    """
    train, test = _JAPANESE_VOWELS.read(root)
    return split_series("japanese_vowels", train, test, SeriesOptions(seed, val_fraction, jitter))


def basic_motions(
    *, root: str | None = None, seed: int = 0, val_fraction: float = 0.1, jitter: float = 0.0
) -> Splits:
    """BasicMotions: 40 train and 40 test series of 100 tokens, 6 channels of a smart watch, 4 activities.

    Ships inside aeon (extra `series`); `root` names a folder of `.ts` files instead. `jitter` adds noise to
    train.

    Source: Clements, UEA archive, 2018, official split. No licence is stated.

    Raises:
        UsageError: aeon is missing and no root given, or files are missing or damaged.
    """
    train, test = _BASIC_MOTIONS.read(root)
    return split_series("basic_motions", train, test, SeriesOptions(seed, val_fraction, jitter))


def ts_folder(
    *,
    root: str | None = None,
    problem: str = "",
    seed: int = 0,
    val_fraction: float = 0.1,
    jitter: float = 0.0,
    missing: str = "refuse",
    times: bool = True,
    from_start: bool = False,
) -> Splits:
    """Any UEA or UCR problem as `<problem>_TRAIN.ts` and `<problem>_TEST.ts` in `root` or `root/<problem>`.

    Size, channels, classes and licence are those of the files. `missing="indicate"` admits missing values: they
    become 0, and as many channels again say which values are there. Time stamps are handed on where the files
    have them; `times=False` leaves them out, `from_start` counts them from each series' first.

    Raises:
        UsageError: no root or problem, or files are missing or damaged.
    """
    if root is None or not problem:
        raise UsageError(
            "ts: give root=FOLDER and problem=NAME, for FOLDER/NAME_TRAIN.ts and FOLDER/NAME_TEST.ts"
        )
    train, test = _read_folder(folder_of(root), problem)
    return split_series(
        problem, train, test, SeriesOptions(seed, val_fraction, jitter, missing, times, from_start)
    )


def _read_folder(folder: Path, problem: str) -> tuple[LabelledSeries, LabelledSeries]:
    # An archive of many problems unpacks to one folder each.
    if not (folder / f"{problem}_TRAIN.ts").exists() and (folder / problem).is_dir():
        folder = folder / problem
    return read_ts(folder / f"{problem}_TRAIN.ts"), read_ts(folder / f"{problem}_TEST.ts")
