"""What is known of the files that a data set is published as."""

from collections.abc import Iterable
from typing import NamedTuple


class PublicFile(NamedTuple):
    """A published file, with what tells that a copy of it is whole."""

    name: str
    num_bytes: int
    md5: str

    def __str__(self) -> str:
        return f"{self.name} ({self.num_bytes:,} bytes, md5 {self.md5})"


def listed(files: Iterable[PublicFile], joint: str = ", ") -> str:
    """The files in one line, to be put into an error message."""
    return joint.join(map(str, files))
