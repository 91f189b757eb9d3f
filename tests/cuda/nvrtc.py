"""Compiles CUDA text by NVRTC for a device that need not be here, and reads what each kernel costs."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from snnpd.cuda_code import OPTIONS, source

ENTRY = re.compile(
    r"Compiling entry function '(?P<name>\w+)' for '(?P<arch>\w+)'.*?"
    r"(?P<stack>\d+) bytes stack frame, (?P<stores>\d+) bytes spill stores, (?P<loads>\d+) bytes spill loads.*?"
    r"Used (?P<registers>\d+) registers",
    re.DOTALL,
)


class Cost(NamedTuple):
    """What one thread of a kernel takes: registers, and bytes on the stack and spilled to it."""

    registers: int
    stack: int
    spill_stores: int
    spill_loads: int


def compile_kernels(path: Path, names: Sequence[str], arch: str) -> dict[str, Cost]:
    """Every name expression of a file compiled for `arch` ("sm_90"), with the options of the library itself.

    Skips the test where no NVRTC can be imported; an error of the text is an assertion with the compiler's log.
    """
    nvrtc = pytest.importorskip("cuda.bindings.nvrtc", reason="cuda.bindings (NVRTC) is not installed")
    program = checked(nvrtc, nvrtc.nvrtcCreateProgram(source(path).encode(), path.name.encode(), 0, [], []))
    for name in names:
        checked(nvrtc, nvrtc.nvrtcAddNameExpression(program, name.encode()))
    options = [option.encode() for option in (*OPTIONS, f"--gpu-architecture={arch}", "--ptxas-options=-v")]
    (result,) = nvrtc.nvrtcCompileProgram(program, len(options), options)
    log = b" " * checked(nvrtc, nvrtc.nvrtcGetProgramLogSize(program))
    checked(nvrtc, nvrtc.nvrtcGetProgramLog(program, log))
    assert result == nvrtc.nvrtcResult.NVRTC_SUCCESS, log.decode()[:4000]
    by_symbol = costs(log.decode(), arch)
    symbols = [checked(nvrtc, nvrtc.nvrtcGetLoweredName(program, name.encode())).decode() for name in names]
    checked(nvrtc, nvrtc.nvrtcDestroyProgram(program))
    return {name: by_symbol[symbol] for name, symbol in zip(names, symbols, strict=True)}


def costs(log: str, arch: str) -> dict[str, Cost]:
    """What the assembler reports, by the kernels' symbols."""
    return {
        entry["name"]: Cost(*(int(entry[key]) for key in ("registers", "stack", "stores", "loads")))
        for entry in ENTRY.finditer(log)
        if entry["arch"] == arch
    }


def checked(nvrtc, answer: tuple):
    """The value of an answer of NVRTC, if it has one; an assertion names the error if it is one."""
    result, *values = answer
    assert result == nvrtc.nvrtcResult.NVRTC_SUCCESS, result
    return values[0] if values else None
