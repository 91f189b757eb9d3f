"""CUDA code compiled and launched by CuPy: whether it can be had, how it is loaded, how it is run."""

import re
import warnings
from collections.abc import Sequence
from ctypes import CDLL
from functools import cache
from importlib import import_module
from pathlib import Path
from sys import platform
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from snnpd.errors import UsageError

# Nothing is contracted that the text does not write as fmaf: results are the CPU's to the last bit.
OPTIONS = ("--std=c++17", "--fmad=false")
OLDEST_CUPY = 14
# The CUDA versions for which such a CuPy is published, one extra of the package each.
CUDA_MAJORS = (12, 13)

# A tensor is handed over as its pointer, None as the null pointer, a number by value at its own width.
Argument: TypeAlias = Tensor | np.generic | None

_failures: list[str] = []


def why_not(device: torch.device | None = None) -> str | None:
    """Why no CUDA code can run on tensors of this device (None: on any), in a sentence; None if it can.

    CuPy is imported only where torch has a CUDA device. After a kernel has failed to compile, that is the reason.
    """
    obstacle = _torch_obstacle()
    if obstacle is None and device is not None and device.type != "cuda":
        obstacle = f"the tensor is on {device}, not on a CUDA device; move module and input to one"
    return obstacle or _cupy_obstacle() or (_failures[0] if _failures else None)


def load(path: Path, name: str, device: torch.device) -> Any:
    """The kernel that `name`, a C++ name expression, means in a `.cu` file, compiled for the device once a process.

    Raises:
        UsageError: it does not compile or load; the compiler's first line says why.
    """
    return _load(path, name, torch.cuda.current_device() if device.index is None else device.index)


def launch(
    kernel: Any,
    grid: Sequence[int],
    block: Sequence[int],
    arguments: Sequence[Argument],
    shared: int,
    tensor: Tensor,
) -> None:
    """Runs a loaded kernel on the tensor's device, on torch's current stream there; `shared` is in bytes a block.

    Nothing is allocated and nothing waited for, so a CUDA graph can record it.
    """
    cupy = import_module("cupy")
    # CuPy may leave another device current than it found: torch's guard puts back the caller's, whatever happens.
    with torch.cuda.device(tensor.device):
        stream = _Stream(torch.cuda.current_stream(tensor.device).cuda_stream)
        with cupy.cuda.Stream.from_external(stream):
            kernel(tuple(grid), tuple(block), scalars(arguments), shared_mem=shared)


@cache
def source(path: Path) -> str:
    """The text of a `.cu` file with its siblings in place of their includes: the compiler reads no files."""
    return re.sub(
        r'^#include "(\w+\.cu)"$', lambda found: source(path.parent / found[1]), path.read_text(), flags=re.M
    )


def scalars(arguments: Sequence[Argument]) -> tuple[np.generic, ...]:
    """What a kernel is given by value for these arguments."""
    pointers = [0 if a is None else a.data_ptr() for a in arguments if not isinstance(a, np.generic)]
    # By one array: to make a scalar for each alone takes a microsecond each.
    made = iter(np.array(pointers, dtype=np.uint64))
    return tuple(a if isinstance(a, np.generic) else next(made) for a in arguments)


class _Stream:
    """A stream in the protocol by which CuPy takes another's; not all versions of torch speak it themselves."""

    def __init__(self, handle: int) -> None:
        self.handle = handle

    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, self.handle  # the protocol's version first


@cache
def _load(path: Path, name: str, index: int) -> Any:
    cupy = import_module("cupy")
    with torch.cuda.device(index):
        try:
            module = cupy.RawModule(code=source(path), options=OPTIONS, name_expressions=(name,))
            return module.get_function(name)
        except Exception as error:
            line = _first_line(error)
            _failures.append(f"a CUDA kernel did not compile here ({line})")
            raise UsageError(f"{path.name}: {name} does not compile for device {index}: {line}") from error


@cache
def _torch_obstacle() -> str | None:
    if torch.version.cuda is None:
        return f"torch {torch.__version__} is built without CUDA; install a CUDA build of torch"
    with warnings.catch_warnings():
        # torch warns of what is answered here.
        warnings.simplefilter("ignore")
        if torch.cuda.is_available():
            return None
    if not _has_driver():
        return "no NVIDIA driver is installed; install one that is made for your GPU"
    return "torch finds no CUDA device; see what nvidia-smi lists, and CUDA_VISIBLE_DEVICES"


def _has_driver() -> bool:
    try:
        CDLL("nvcuda.dll" if platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


@cache
def _cupy_obstacle() -> str | None:
    major = _torch_major()
    if major not in CUDA_MAJORS:
        return (
            f"torch is built for CUDA {torch.version.cuda}, for which there is no CuPy {OLDEST_CUPY}; "
            f"install a torch built for CUDA {CUDA_MAJORS[-1]}"
        )
    try:
        cupy = import_module("cupy")
    except ModuleNotFoundError:
        return f"CuPy is not installed; pip install 'snnpd[cuda{major}]'"
    except ImportError as error:
        line = _first_line(error)
        return f"CuPy does not import here ({line}); pip install --force-reinstall cupy-cuda{major}x"
    if int(cupy.__version__.split(".")[0]) < OLDEST_CUPY:
        return f"CuPy {cupy.__version__} is too old; pip install --upgrade 'snnpd[cuda{major}]'"
    built_for = cupy.cuda.runtime.runtimeGetVersion() // 1000
    if built_for != major:
        return (
            f"CuPy is built for CUDA {built_for} but torch for CUDA {major}; "
            f"pip uninstall cupy-cuda{built_for}x, then pip install 'snnpd[cuda{major}]'"
        )
    return None


def _torch_major() -> int:
    return int(str(torch.version.cuda).split(".")[0])


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
