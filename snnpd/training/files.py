"""JSON files, and run folders."""

import json
import re
from pathlib import Path
from typing import Any

from snnpd.atomic import write_atomic
from snnpd.errors import UsageError


def write_json(path: Path, content: Any) -> None:
    """Writes JSON, indented, whole or not at all."""
    write_atomic(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        UsageError: it is missing, or no JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise UsageError(f"{path} is missing; give the folder of a run that was finished") from None
    except ValueError as error:
        raise UsageError(f"{path} is damaged ({error}); restore it, or train again") from None


def new_run_folder(out_dir: Path, name: str) -> Path:
    """A folder that did not exist before: `name`, else `name-2`, `name-3`, …"""
    number = 1
    while True:
        folder = out_dir / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            number += 1
        else:
            return folder


def newest_run_folder(out_dir: Path, name: str) -> Path:
    """The folder of that name with the highest number behind it.

    Raises:
        UsageError: there is none.
    """
    numbered = re.compile(re.escape(name) + r"(?:-(\d+))?")
    matches = ((numbered.fullmatch(folder.name), folder) for folder in out_dir.glob("*") if folder.is_dir())
    found = [(int(match[1] or 1), folder) for match, folder in matches if match]
    if not found:
        raise UsageError(f"no run {name!r} in {out_dir}/ to resume; leave out --resume to begin it")
    return max(found)[1]
