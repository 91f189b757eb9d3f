"""The classes of ImageNet's validation images, as its development kit numbers them."""

from collections.abc import Sequence
from pathlib import Path

from snnpd.datasets.images.files import shown
from snnpd.datasets.images.mat_tables import read_table
from snnpd.errors import UsageError

TRUTH = "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt"

# Beside that list: which WordNet number each of its numbers stands for.
_META = "meta.mat"
_MEND = "unpack ILSVRC2012_devkit_t12.tar.gz (md5 fa75699e90414af021442c21a62c3abf) again"


def devkit_wnids(truth: Path, numbers: Sequence[str]) -> list[str]:
    """The WordNet numbers that the lines of the list `truth` stand for.

    The kit numbers classes by an order of its own: its 1 is not the first of the sorted WordNet numbers.

    Raises:
        UsageError: a table that is missing or damaged, or a number that is not in it.
    """
    wnids = _read_table(truth.with_name(_META))
    for line, number in enumerate(numbers, start=1):
        if number not in wnids:
            raise UsageError(
                f"{shown(truth)}: line {line} is {number!r}, which is no number of a class in {_META}; {_MEND}"
            )
    return [wnids[number] for number in numbers]


def _read_table(path: Path) -> dict[str, str]:
    try:
        rows = read_table(path, "synsets", ("ILSVRC2012_ID", "WNID"))
    except UsageError as error:
        raise UsageError(f"{error}: {_MEND}") from error
    return {f"{number:.0f}" if isinstance(number, float) else number: str(wnid) for number, wnid in rows}
