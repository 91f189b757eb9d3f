"""The Pathfinder pictures of the Long Range Arena as they lie on disk."""

from pathlib import Path, PurePosixPath

import numpy as np
import torch
from PIL import Image

from snnpd.datasets.arrays import Samples
from snnpd.datasets.labels import check_labels
from snnpd.datasets.progress import track_slow
from snnpd.errors import UsageError

SIDE = 32
# Empty in the archive itself.
_EMPTY_IN_THE_ARCHIVE = ("curv_baseline", "imgs/0/sample_172.png")


def read_pathfinder(folder: Path) -> Samples:
    """Pictures `[B, 1, 32, 32]`, uint8, and labels, in the order of `metadata/0.npy`, `metadata/1.npy`, …

    In spite of their suffix these files are text: a line `imgs/0 sample_0.png 0 1 …` names the folder and the
    file of a picture, and in its fourth word the label.

    Raises:
        UsageError: a file is missing or damaged, a picture has another size, or a line points out of the folder.
    """
    files = sorted((folder / "metadata").glob("*.npy"), key=lambda path: (len(path.stem), path.stem))
    if not files:
        raise UsageError(
            f"{folder}: found no metadata/*.npy; unpack the Long Range Arena's pathfinder32 and give its folder as "
            "root="
        )
    rows = [row for path in files for row in _rows(path)]
    skipped = PurePosixPath(_EMPTY_IN_THE_ARCHIVE[1])
    kept = [
        (name, label) for name, label in rows if folder.name != _EMPTY_IN_THE_ARCHIVE[0] or name != skipped
    ]
    if not kept:
        raise UsageError(f"{folder}/metadata: no picture in {len(files)} files; unpack the archive again")
    labels = np.array([label for _, label in kept], dtype=np.int64)
    check_labels(labels, 2, f"{folder}/metadata")
    pictures = np.empty((len(kept), 1, SIDE, SIDE), dtype=np.uint8)
    for row, (name, _) in zip(pictures, track_slow(kept, f"reading {folder}"), strict=True):
        row[0] = _picture(folder / name)
    return Samples(torch.from_numpy(pictures), labels)


def _rows(path: Path) -> list[tuple[PurePosixPath, int]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: no text ({error}); unpack the archive again") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if len(words) < 4 or words[3] not in ("0", "1"):
            raise UsageError(
                f"{path}: line {number} is {line[:40]!r}, expected a folder, a file, a number and a label 0 or 1; "
                "truncated or damaged"
            )
        name = PurePosixPath(words[0], words[1])
        if name.is_absolute() or ".." in name.parts:
            raise UsageError(f"{path}: line {number} points out of its folder ({name}); do not use this copy")
        rows.append((name, int(words[3])))
    return rows


def _picture(path: Path) -> np.ndarray:
    try:
        with Image.open(path, formats=["PNG"]) as picture:
            # The size stands in the header: a picture that claims to be huge is refused before it is unpacked.
            if picture.size != (SIDE, SIDE):
                width, height = picture.size
                raise UsageError(f"{path}: {width} × {height} pixels, expected {SIDE} × {SIDE}")
            return np.asarray(picture.convert("L"))
    except UsageError:
        raise
    # A damaged picture can fail anywhere, with any error.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UsageError(f"{path}: damaged or no picture ({reason}); unpack the archive again") from error
