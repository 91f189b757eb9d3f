"""What the Long Range Arena's token tasks have on disk: ListOps' tables and IMDB's reviews."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from snnpd.datasets.lra.expressions import encode
from snnpd.datasets.lra.tokens import LabelledTokens
from snnpd.datasets.progress import track_slow
from snnpd.datasets.roots import folder_of
from snnpd.errors import UsageError

REVIEW_CLASSES = ("neg", "pos")


def find_folder(root: str, name: str) -> Path:
    """The folder `name` in `root` or in the Arena's `lra_release` there; else `root`, taken for that folder."""
    base = folder_of(root)
    # The archive has a folder lra_release within a folder lra_release.
    places = (base, base / "lra_release", base / "lra_release/lra_release")
    return next((place / name for place in places if (place / name).is_dir()), base)


def read_expressions(path: Path) -> LabelledTokens:
    """The expressions of a `.tsv` file of the public generator: a line `Source<tab>Target`, then one a line.

    Raises:
        UsageError: the file is missing, empty, truncated or damaged.
    """
    sequences, labels = [], []
    try:
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            header = next(file, "").split()
            if header != ["Source", "Target"]:
                raise UsageError(
                    f"{path}: the first line is {' '.join(header)[:40]!r}, expected 'Source<tab>Target'; take the "
                    "file from the archive again"
                )
            for number, line in enumerate(file, start=2):
                tokens, label = _parse(line, f"{path}: line {number}")
                sequences.append(tokens)
                labels.append(label)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); {_LISTOPS_FILES}") from error
    if not sequences:
        raise UsageError(f"{path}: no expression; take the file from the archive again")
    return LabelledTokens(sequences, np.array(labels, dtype=np.int64))


_LISTOPS_FILES = "give the folder of basic_train.tsv, basic_val.tsv and basic_test.tsv as root="


def _parse(line: str, where: str) -> tuple[Tensor, int]:
    source, _, target = line.rstrip("\r\n").partition("\t")
    if target not in tuple("0123456789"):
        raise UsageError(f"{where} ends in {target[:24]!r}, expected a tab and a digit; truncated or damaged")
    try:
        tokens = encode(source)
    except ValueError as reason:
        raise UsageError(f"{where}: {reason}; truncated or damaged") from reason
    if not len(tokens):
        raise UsageError(f"{where} has no expression; truncated or damaged")
    return tokens, int(target)


def read_reviews(folder: Path, max_length: int) -> LabelledTokens:
    """The reviews in `neg/*.txt` and `pos/*.txt`, each as its first `max_length` bytes, in order of file name.

    Raises:
        UsageError: a class folder is missing or has no review, or a review is empty or cannot be read.
    """
    sequences: list[Tensor] = []
    labels: list[int] = []
    for label, name in enumerate(REVIEW_CLASSES):
        paths = sorted((folder / name).glob("*.txt"))
        if not paths:
            raise UsageError(
                f"{folder / name}: no .txt file, expected the reviews; unpack aclImdb_v1.tar.gz and give its "
                "folder as root="
            )
        for path in track_slow(paths, f"reading {folder / name}"):
            sequences.append(_read_review(path, max_length))
            labels.append(label)
    return LabelledTokens(sequences, np.array(labels, dtype=np.int64))


def _read_review(path: Path, max_length: int) -> Tensor:
    try:
        with path.open("rb") as file:
            content = file.read(max_length)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); unpack the archive again") from error
    if not content:
        raise UsageError(f"{path}: empty file; unpack the archive again")
    return torch.frombuffer(bytearray(content), dtype=torch.uint8)
