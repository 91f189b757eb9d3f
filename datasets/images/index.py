"""Which image files a folder holds and of which class each is, without opening any of them."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from snnpd.datasets.images.files import IMAGE_SUFFIXES, shown
from snnpd.datasets.progress import track_slow
from snnpd.errors import UsageError


class ImageIndex:
    """File names under one folder and their class numbers, in flat pieces of memory.

    A million Python strings would cost four times as much, and as much again in every worker: to count its
    references Python writes to each.
    """

    def __init__(self, folder: Path, files: Sequence[tuple[str, int]]):
        encoded = [os.fsencode(name) for name, _ in files]
        self.folder = folder
        self.text = b"".join(encoded)
        self.ends = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
        self.order = np.arange(len(files))
        self.labels: NDArray[np.int64] = np.array([label for _, label in files], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.order)

    def path(self, index: int) -> str:
        """The path of an image."""
        place = self.order[index]
        return os.path.join(self.folder, os.fsdecode(self.text[self.ends[place] : self.ends[place + 1]]))

    def take(self, indices: NDArray[np.int64]) -> "ImageIndex":
        """The images at `indices`; the names themselves are shared."""
        taken = ImageIndex(self.folder, ())
        taken.text, taken.ends = self.text, self.ends
        taken.order, taken.labels = self.order[indices], self.labels[indices]
        return taken


class FolderReader:
    """Lists folders of images, links included, and refuses to list one folder twice.

    A folder that turns up twice is a link to itself, or puts one image into two classes or two parts.
    """

    def __init__(self) -> None:
        self._listed: dict[tuple[int, int], str] = {}

    def classes(self, folder: Path) -> list[str]:
        """The names of the class folders, sorted as text: torchvision's ImageFolder numbers classes so.

        Raises:
            UsageError: a folder that is not there or holds no folder.
        """
        names = self.folders(folder)
        if not names:
            raise UsageError(
                f"{shown(folder)}: found no folder in it, expected one folder a class; unpack the images there"
            )
        return names

    def folders(self, folder: Path) -> list[str]:
        """The names of the folders in `folder`, sorted as text; hidden ones are passed over."""
        return sorted(_list(folder)[0])

    def index(self, folder: Path, class_names: Sequence[str]) -> ImageIndex:
        """The images in the folders of exactly these classes, class after class, sorted as text.

        Raises:
            UsageError: a class folder that is missing, empty or unknown, or a folder that turns up twice.
        """
        _compare(folder, class_names, self.classes(folder))
        files = []
        for label, name in enumerate(track_slow(class_names, f"listing {shown(folder)}")):
            images = self.images(folder, name)
            if not images:
                raise UsageError(
                    f"{shown(folder / name)}: empty class: found no image ({', '.join(IMAGE_SUFFIXES)}); "
                    f"unpack it again, or remove the class everywhere"
                )
            files += [(image, label) for image in images]
        return ImageIndex(folder, files)

    def images(self, folder: Path, inside: str) -> list[str]:
        """The images in `folder / inside` and all folders in it, as paths from `folder` on, sorted."""
        found, waiting = [], [inside]
        while waiting:
            place = waiting.pop()
            folders, images = _list(folder / place)
            self._note(folder / place)
            waiting += [os.path.join(place, name) for name in folders]
            found += [os.path.join(place, name) for name in images]
        return sorted(found)

    def _note(self, folder: Path) -> None:
        status = folder.stat()
        first = self._listed.setdefault((status.st_dev, status.st_ino), str(folder))
        # Some network file systems number no files.
        if first != str(folder) and status.st_ino:
            raise UsageError(
                f"{shown(folder)}: is the same folder as {shown(first)}: a link to itself, or one class or part "
                f"that is another; remove the link"
            )


def _list(folder: Path) -> tuple[list[str], list[str]]:
    """The names of the folders and of the images in a folder."""
    folders, images = [], []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    folders.append(entry.name)
                elif entry.name.lower().endswith(IMAGE_SUFFIXES):
                    _check_file(entry)
                    images.append(entry.name)
    except OSError as error:
        raise UsageError(
            f"{shown(error.filename or folder)}: cannot be listed ({error.strerror}); unpack the images there or give "
            f"another root"
        ) from error
    return folders, images


def _check_file(entry: os.DirEntry[str]) -> None:
    # Reading from a pipe would wait for ever.
    if not entry.is_file():
        raise UsageError(
            f"{shown(entry.path)}: no file but a link that leads nowhere, or a pipe; remove it or unpack it again"
        )


def _compare(folder: Path, expected: Iterable[str], found: Iterable[str]) -> None:
    missing, unknown = sorted({*expected} - {*found}), sorted({*found} - {*expected})
    if missing:
        raise UsageError(
            f"{shown(folder)}: missing class folder {shown(missing[0])!r}{_more(missing)}; all parts must hold "
            f"the same classes: unpack it again, or remove the class everywhere"
        )
    if unknown:
        raise UsageError(
            f"{shown(folder)}: found a folder {shown(unknown[0])!r}{_more(unknown)} that is no known class; "
            f"remove it, or add the class everywhere"
        )


def _more(names: Sequence[str]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""
