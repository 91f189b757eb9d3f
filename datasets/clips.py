"""Where the samples of a data set of recordings lie on disk."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Clip:
    """Where one sample lies: a whole file, a cut of it in microseconds, or one entry of a file of many."""

    path: Path
    label: int
    cut: tuple[int, int] | None = None
    entry: int | None = None

    @property
    def item(self) -> str:
        """Which part of the file it is, empty for the whole."""
        parts = [] if self.cut is None else [f"{self.cut[0]}-{self.cut[1]} us"]
        return " ".join(parts if self.entry is None else [*parts, f"entry {self.entry}"])
