"""Labels of images that lie side by side: text files beside them name the classes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from snnpd.datasets.images.files import shown
from snnpd.datasets.images.index import ImageIndex
from snnpd.errors import UsageError


def read_lines(path: Path) -> list[str]:
    """The lines of a text file that are not empty.

    Raises:
        UsageError: a file that cannot be read or holds no text.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise UsageError(f"{shown(path)}: cannot be read ({error.strerror}); unpack it again") from error
    filled = [line.strip() for line in lines if line.strip()]
    if not filled:
        raise UsageError(f"{shown(path)}: empty: found no line of text in it; unpack it again")
    return filled


def read_pairs(path: Path, separator: str | None = None) -> dict[str, str]:
    """The first two fields of every line, the first as a key.

    Raises:
        UsageError: a line of one field, or one key twice.
    """
    pairs: dict[str, str] = {}
    for number, line in enumerate(read_lines(path), start=1):
        fields = line.split(separator)
        if len(fields) < 2 or fields[0] in pairs:
            wrong = f"names {fields[0]!r} again" if fields[0] in pairs else "has one field"
            raise UsageError(
                f"{shown(path)}: line {number} {wrong}, expected a file name and its class; unpack it again"
            )
        pairs[fields[0]] = fields[1]
    return pairs


def label_images(
    folder: Path, images: Sequence[str], classes: Mapping[str, str], class_names: Sequence[str], source: Path
) -> ImageIndex:
    """The images in `folder` with the classes that the file `source` gives to their names.

    Raises:
        UsageError: an unknown class, a name without an image, or an image without a class.
    """
    numbers = {name: number for number, name in enumerate(class_names)}
    found = {Path(image).name: image for image in images}
    for name, class_name in classes.items():
        if class_name not in numbers:
            raise UsageError(
                f"{shown(source)}: unknown class {class_name!r} of {name}: the train part has no folder of it; "
                f"unpack both again from one archive"
            )
        if name not in found:
            raise UsageError(
                f"{shown(source)}: names {name!r}, which is not in {shown(folder)}; unpack it again"
            )
    for name in found:
        if name not in classes:
            raise UsageError(
                f"{shown(folder / found[name])}: has no class in {shown(source)}; remove or add it"
            )
    return ImageIndex(folder, [(image, numbers[classes[name]]) for name, image in found.items()])


def class_words(candidates: Sequence[Path], wnids: Sequence[str]) -> tuple[str, ...]:
    """What the first of the files that is there calls the classes, else the WordNet numbers themselves.

    Two classes of one name ("crane", the bird and the machine) keep their numbers behind it.
    """
    path = next((path for path in candidates if path.is_file()), None)
    if path is None:
        return tuple(wnids)
    words = {fields[0]: fields[1] for line in read_lines(path) if len(fields := line.split(maxsplit=1)) == 2}
    names = [words.get(wnid, wnid) for wnid in wnids]
    counts = Counter(names)
    return tuple(
        name if counts[name] == 1 else f"{name} ({wnid})" for name, wnid in zip(names, wnids, strict=True)
    )
