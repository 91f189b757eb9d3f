"""Folders that users name."""

from pathlib import Path

from snnpd.errors import UsageError


def folder_of(root: str | Path) -> Path:
    """The folder that `root` means, `~` written out.

    Raises:
        UsageError: what cannot be the name of a folder.
    """
    try:
        folder = Path(root).expanduser()
        folder.exists()
    except (OSError, RuntimeError, ValueError) as error:
        raise UsageError(f"{str(root)[:80]!r} cannot be a folder ({error}); give another root") from error
    return folder
