"""Runs CUDA text on the CPU: a C++ compiler takes it behind `shim.h`, then one thread after the other runs.

For a `.cu` of your own: `shim = Shim(path, names)` with every name expression that you launch ("add<float, 4>"), then
`shim.launch(shim.load(path, name, device), grid, block, arguments, shared, tensor)`. `snnpd.cuda_code` offers the same
two under the same names, so a launcher that is given them runs on either. The text may include its siblings
(`#include "numbers.cu"`), declare dynamic shared memory as `extern __shared__ float name[];`, and use what `shim.h`
defines; it finds no header and no synchronisation.
"""

import ctypes
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from snnpd.cuda_code import Argument, scalars

HERE = Path(__file__).parent
FLAGS = ["-std=c++17", "-O1", "-fPIC", "-shared", "-ffp-contract=off", "-fno-strict-aliasing", "-w"]
COMPILERS = (os.environ.get("CXX"), "c++", "g++", "clang++")
SHARED_ARRAY = re.compile(r"extern\s+__shared__\s+([\w ]+?)\s+(\w+)\s*\[\s*\]\s*;")
# In the order of `shim::Outcome`.
OUTCOMES = (
    "",
    "the arguments are not of the number or kinds that the kernel declares",
    "the driver would refuse this grid or block",
    "more dynamic shared memory was asked for than a block gets",
    "a block wrote beyond the shared memory it had asked for",
)


class Shim:
    """The kernels of one file, compiled as C++; `names` are the expressions that may be launched."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self.path = path
        self.index = {name: at for at, name in enumerate(names)}
        self._library: ctypes.CDLL | None = None

    def load(self, path: Path, name: str, device: torch.device) -> str:
        """The kernel itself, which is its name here; the file must be the one that was compiled."""
        assert path == self.path
        assert name in self.index, f"{name} is not among the variants of {path.name}"
        return name

    def launch(
        self,
        kernel: str,
        grid: Sequence[int],
        block: Sequence[int],
        arguments: Sequence[Argument],
        shared: int,
        tensor: Tensor,
    ) -> None:
        """Every block of the grid and every thread of it, in order; an assertion says what went wrong."""
        if self._library is None:
            self._library = ctypes.CDLL(str(library(wrapped(self.path, tuple(self.index)), self.path.parent)))
        values = [np.array(value) for value in scalars(arguments)]
        outcome = self._library.launch(
            self.index[kernel],
            (ctypes.c_uint * 3)(*grid, *[1] * (3 - len(grid))),
            (ctypes.c_uint * 3)(*block, *[1] * (3 - len(block))),
            ctypes.c_size_t(shared),
            (ctypes.c_void_p * len(values))(*[value.ctypes.data for value in values]),
            "".join(value.dtype.str[1:] for value in values).encode(),
            ctypes.c_size_t(len(values)),
        )
        assert outcome == 0, f"{kernel}: {OUTCOMES[outcome]}"


def wrapped(path: Path, names: Sequence[str]) -> str:
    """The C++ text that holds the kernels, their shared memory, and one entry point by number."""
    arrays = SHARED_ARRAY.findall(path.read_text())
    assert len(arrays) <= 1, f"{path.name}: one array of dynamic shared memory at most"
    memory, definition = "nullptr", ""
    for kind, name in arrays:
        size = "(shim::SHARED_BYTES + shim::MARGIN_BYTES)"
        memory, definition = name, f"alignas(16) {kind} {name}[{size} / sizeof({kind})];"
    shape = "dim3{grid[0], grid[1], grid[2]}, dim3{block[0], block[1], block[2]}"
    cases = "\n".join(
        f"case {at}: return shim::are_kinds(&{name}, kinds, count) "
        f"? shim::run(&{name}, {memory}, {shape}, shared_bytes, arguments) : (int)shim::OTHER_ARGUMENTS;"
        for at, name in enumerate(names)
    )
    return (
        f'#include "shim.h"\n#include "{path.name}"\n{definition}\n'
        'extern "C" int launch(int which, const unsigned* grid, const unsigned* block, std::size_t shared_bytes, '
        "void** arguments, const char* kinds, std::size_t count) {\n"
        f"switch (which) {{\n{cases}\n}}\nreturn -1;\n}}\n"
    )


def library(text: str, folder: Path) -> Path:
    """The shared library of a C++ text, compiled once for all processes and runs that have the same text."""
    command = [compiler(), *FLAGS, *machine_flags(), f"-I{HERE}", f"-I{folder}"]
    texts = [file.read_text() for file in (HERE / "shim.h", *sorted(folder.glob("*.cu")))]
    key = sha256("\0".join([text, *texts, *command]).encode()).hexdigest()[:16]
    built = Path(tempfile.gettempdir()) / f"snnpd-shim-{os.getuid()}" / f"{key}.so"
    built.parent.mkdir(mode=0o700, exist_ok=True)
    with alone(built.with_suffix(".lock")):
        if not built.exists():
            compile_to(built, text, command)
    return built


def compile_to(built: Path, text: str, command: list[str]) -> None:
    """Compiles a text; what is unfinished never bears the name of the result."""
    with tempfile.TemporaryDirectory(dir=built.parent) as folder:
        source, result = Path(folder, "wrapped.cpp"), Path(folder, "wrapped.so")
        source.write_text(text)
        done = subprocess.run([*command, str(source), "-o", str(result)], capture_output=True, text=True)
        assert done.returncode == 0, f"the CUDA text is no C++ behind the shim:\n{done.stderr[:4000]}"
        result.rename(built)


def compiler() -> str:
    """The first C++ compiler there is."""
    for name in COMPILERS:
        if name and shutil.which(name.split()[0]):
            return name
    raise AssertionError(
        "no C++ compiler was found, and these tests need one: apt-get install g++ (or clang), or set CXX to its path"
    )


def machine_flags() -> list[str]:
    """A fused multiply-add as an instruction where the processor has one; elsewhere the library's is as exact."""
    cpuinfo = Path("/proc/cpuinfo")
    has_fma = cpuinfo.exists() and re.search(r"^flags.*\bfma\b", cpuinfo.read_text(), re.MULTILINE)
    return ["-mfma"] if has_fma else []


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """No other process is inside with the same path."""
    import fcntl

    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
