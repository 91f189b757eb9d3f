"""The shim that stands for a device refuses what a device would refuse, or would do wrong in silence."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.cuda import shim
from tests.cuda.covering import covering

TEXT = """
template <int STEPS> __global__ void fill(float* out, long long count, int slot) {
    extern __shared__ float kept[];
    long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    // What another block has left here must not be found.
    out[i] = kept[threadIdx.x] != kept[threadIdx.x] ? (float)__popc(i) : -1.0f;
    kept[slot * blockDim.x + threadIdx.x] = STEPS;
}
"""
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> shim.Shim:
    path = tmp_path_factory.mktemp("code") / "fill.cu"
    path.write_text(TEXT)
    return shim.Shim(path, ["fill<3>", "fill<4>"])


def fill(compiled: shim.Shim, **changes: object) -> torch.Tensor:
    out = torch.full((70,), torch.nan)
    given = {
        "grid": (3,),
        "block": (32,),
        "count": np.int64(70),
        "slot": np.int32(1),
        "shared": 256,
    } | changes
    arguments = (out, given["count"], given["slot"])
    kernel = compiled.load(compiled.path, "fill<4>", CPU)
    compiled.launch(kernel, given["grid"], given["block"], arguments, given["shared"], out)
    return out


def test_every_thread_of_every_block_runs_once_on_fresh_memory(compiled: shim.Shim) -> None:
    assert fill(compiled).tolist() == [i.bit_count() for i in range(70)]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"count": np.int32(70)}, "number or kinds"),
        ({"slot": np.float32(1)}, "number or kinds"),
        ({"grid": (0,)}, "refuse this grid or block"),
        ({"block": (1025,)}, "refuse this grid or block"),
        ({"grid": (1, 65536)}, "refuse this grid or block"),
        ({"shared": 48 * 1024 + 4}, "more dynamic shared memory"),
        ({"slot": np.int32(2)}, "beyond the shared memory"),
    ],
)
def test_what_a_device_would_not_do_is_said(compiled: shim.Shim, changes: dict, what: str) -> None:
    with pytest.raises(AssertionError, match=what):
        fill(compiled, **changes)


def test_a_variant_that_nobody_declared_is_not_launched(compiled: shim.Shim) -> None:
    with pytest.raises(AssertionError, match="fill<5> is not among the variants"):
        compiled.load(compiled.path, "fill<5>", CPU)


def test_text_that_is_no_code_is_shown_with_the_compilers_words(tmp_path: Path) -> None:
    (tmp_path / "wrong.cu").write_text("__global__ void f(int a) { __syncthreads(); }\n")
    with pytest.raises(AssertionError, match="__syncthreads"):
        shim.library(shim.wrapped(tmp_path / "wrong.cu", ["f"]), tmp_path)


def test_a_missing_compiler_is_said_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shim.shutil, "which", lambda name: None)
    with pytest.raises(AssertionError, match=r"apt-get install g\+\+"):
        shim.compiler()


def test_rows_that_cover_all_pairs() -> None:
    options = [range(5), "abc", (True, False), range(4)]
    rows = covering(options)
    for a, b in combinations(range(4), 2):
        assert {(row[a], row[b]) for row in rows} == {(i, j) for i in options[a] for j in options[b]}
    assert 20 <= len(rows) < 30
