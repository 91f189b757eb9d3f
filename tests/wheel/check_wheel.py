"""Builds the wheel, installs it alone into an empty environment and runs the tests against it, elsewhere.

The empty environment borrows the dependencies that are installed here (a path, not an installation: an editable
snnpd of this environment is not seen through it). Run as a script: `python tests/wheel/check_wheel.py`.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
READS_THE_CHECKOUT = [
    "tests/test_docs_data.py",
    "tests/test_docs_energy.py",
    "tests/test_floors.py",
    "tests/wheel",
]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        room = Path(folder)
        run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(room), str(ROOT)])
        (wheel,) = room.glob("snnpd-*.whl")
        python = empty_environment(room / "env")
        run([python, "-m", "pip", "install", "--quiet", "--no-deps", str(wheel)])
        shutil.copytree(ROOT / "tests", room / "tests", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", room)
        found = run([python, "-c", "import snnpd; print(snnpd.__file__)"], cwd=room).strip()
        if not Path(found).is_relative_to(room):
            sys.exit(f"the tests would run against {found}, not against the wheel")
        ignored = [f"--ignore={path}" for path in READS_THE_CHECKOUT]
        command = [python, "-m", "pytest", "-p", "no:cacheprovider", "--numprocesses=2", *ignored]
        sys.exit(subprocess.run(command, cwd=room, env=clean()).returncode)


def empty_environment(folder: Path) -> str:
    """A new environment that finds the dependencies installed here behind its own packages."""
    venv.create(folder, with_pip=True)
    python = str(folder / "bin" / "python")
    own = run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip()
    Path(own, "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def run(command: list[str], cwd: Path | None = None) -> str:
    return subprocess.run(command, cwd=cwd, env=clean(), check=True, stdout=subprocess.PIPE, text=True).stdout


def clean() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}


if __name__ == "__main__":
    main()
