"""Class folders on disk: every class must be there, and its files come in the order of their numbers."""

import hashlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from snnpd.datasets.clips import Clip
from snnpd.errors import UsageError


def class_clips(
    folder: Path, class_names: Sequence[str], suffix: str, mend: str, expected: int | None = None
) -> list[Clip]:
    """The files `<folder>/<class>/*<suffix>`, class after class, in the order of the numbers in their names.

    `mend` says where the set comes from; `expected` is how many recordings the whole set has.

    Raises:
        UsageError: a missing or empty class folder, or another number of recordings than expected.
    """
    clips = []
    for label, name in enumerate(class_names):
        paths = _files(folder / name, suffix, mend)
        clips += [Clip(path, label) for path in paths]
    if expected is not None and len(clips) != expected:
        raise UsageError(
            f"{folder}: found {len(clips)} recordings, the set has {expected}; {mend}, or set partial=True "
            f"to go on with what is there"
        )
    return clips


def _files(folder: Path, suffix: str, mend: str) -> list[Path]:
    try:
        # Copies from a Mac hold a `._x.bin` beside each `x.bin`.
        found = [path for path in folder.iterdir() if path.suffix == suffix and not path.name.startswith(".")]
    except OSError as error:
        raise UsageError(f"{folder}: missing class folder ({error.strerror}); {mend}") from error
    if not found:
        raise UsageError(f"{folder}: empty class folder: found no *{suffix}; {mend}")
    return sorted(found, key=lambda path: natural(path.name))


def note_counts(name: str, found: Sequence[int], official: Sequence[int]) -> None:
    """Says on stderr that a set is not the whole one, train and test; its accuracies do not compare then."""
    if list(found) != list(official):
        numbers = (" and ".join(f"{number:,}" for number in numbers) for numbers in (found, official))
        print(
            "snnpd: {}: found {} to train and to test, the whole set has {}".format(name, *numbers),
            file=sys.stderr,
        )


def natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts `a_9` before `a_10`."""
    # Odd places hold the numbers; the name itself tells 7 from 07.
    parts = re.split(r"([0-9]+)", name)
    return [(int(part), "") if place % 2 else (0, part) for place, part in enumerate(parts)] + [(0, name)]


def fixed_test(clips: Sequence[Clip], share: float) -> tuple[list[Clip], list[Clip]]:
    """The clips `(train, test)` of a set without an official split: of each class the given share, at least one.

    The test clips are those whose class and file name have the lowest SHA-256: the same ones on every machine
    and for every seed.

    Raises:
        UsageError: a class of a single recording.
    """
    members: dict[int, list[Clip]] = {}
    for clip in clips:
        members.setdefault(clip.label, []).append(clip)
    held: set[Clip] = set()
    for of_class in members.values():
        if len(of_class) < 2:
            raise UsageError(
                f"{of_class[0].path.parent}: one recording only; give at least two, to train and to test"
            )
        ranked = sorted(of_class, key=_digest)
        held.update(ranked[: max(1, round(len(ranked) * share))])
    return [clip for clip in clips if clip not in held], [clip for clip in clips if clip in held]


def _digest(clip: Clip) -> bytes:
    return hashlib.sha256(f"{clip.path.parent.name}/{clip.path.stem}".encode()).digest()
