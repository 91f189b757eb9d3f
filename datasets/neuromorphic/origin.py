"""Where a data set comes from, and the folder on this machine that holds it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from snnpd.datasets.roots import folder_of
from snnpd.errors import UsageError

Fetch = Callable[[str], object]


@dataclass(frozen=True)
class Archive:
    """A file that the makers publish; `md5` is None where no checksum is public."""

    name: str
    md5: str | None = None


@dataclass(frozen=True)
class Origin:
    """Where a set comes from and what it looks like on disk.

    `layout` says in words what lies in its folder; `tonic_name` is tonic's class, and the folder that tonic
    makes; `fetch` downloads through tonic, None where the makers' page asks for a click.
    """

    name: str
    url: str
    archives: tuple[Archive, ...]
    layout: str
    tonic_name: str
    fetch: Fetch | None = None

    def by_hand(self) -> str:
        """What to fetch, where, and where to put it."""
        files = ", ".join(
            f"{archive.name} (md5 {archive.md5})" if archive.md5 else archive.name
            for archive in self.archives
        )
        return f"fetch {files} from {self.url} and unpack it to {self.layout}"

    def find(self, root: str | None, holds: Callable[[Path], bool], download: bool) -> Path:
        """The folder for which `holds` is true: `root` (by default `data`), or tonic's folder in it.

        With `download`, what is not there yet is downloaded through tonic.

        Raises:
            UsageError: no such folder, or a download that failed.
        """
        base = folder_of(root or "data")
        if (folder := self._search(base, holds)) is not None:
            return folder
        if download:
            self._download(base)
            if (folder := self._search(base, holds)) is not None:
                return folder
        mend = " or set download=True" if self.fetch is not None and not download else ""
        raise UsageError(
            f"{self.name}: found nothing of the set in {base} or {base / self.tonic_name}; {self.by_hand()}, "
            f"give root=FOLDER{mend}"
        )

    def _search(self, base: Path, holds: Callable[[Path], bool]) -> Path | None:
        return next((folder for folder in (base, base / self.tonic_name) if holds(folder)), None)

    def _download(self, base: Path) -> None:
        if self.fetch is None:
            raise UsageError(f"{self.name}: cannot be downloaded by a program; {self.by_hand()}")
        try:
            self.fetch(str(base))
        except ImportError as error:
            raise UsageError(
                f"{self.name}: downloading needs tonic ({error}); pip install 'snnpd[events]', or {self.by_hand()}"
            ) from error
        # A broken link, a checksum that differs, a full disk: tonic passes on whatever it meets.
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise UsageError(f"{self.name}: the download failed ({reason}); {self.by_hand()}") from error


def tonic_fetch(tonic_name: str, parts: Sequence[dict[str, object]]) -> Fetch:
    """Downloads through `tonic.datasets.<tonic_name>`, once for each part's options."""

    def fetch(base: str) -> None:
        import tonic.datasets

        for options in parts:
            getattr(tonic.datasets, tonic_name)(save_to=base, **options)

    return fetch


def file_stamp(path: Path) -> tuple[int, int]:
    """Size and time of change of a file, by which one that is in memory is known to be still the same.

    Raises:
        UsageError: no such file.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); fetch the file again") from error
    return status.st_size, status.st_mtime_ns
