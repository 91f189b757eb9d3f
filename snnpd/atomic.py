"""Files that are whole or not there at all."""

import os
from pathlib import Path


def write_atomic(path: Path, content: bytes | memoryview) -> None:
    """Writes a file beside, forces it to the disk, then renames it: a reader sees the old file or the new one."""
    beside = path.with_name(path.name + ".tmp")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    # Without it a power cut can undo the renaming. Windows cannot open folders, and needs no sync.
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
