"""The CUDA text of packed attention: behind the C++ shim here, on a device under the mark `gpu`."""

import pytest
import torch
from hypothesis import given, settings
from torch import Tensor

from snnpd.expansion import packed_cuda
from snnpd.expansion.packed import packed_attention
from snnpd.expansion.packed_cuda import SOURCE, VARIANTS, value_dtype
from snnpd.expansion.packed_words import Operands, Rule
from tests.cuda.nvrtc import compile_kernels
from tests.cuda.shim import Shim
from tests.expansion.test_packed import (
    MASKS,
    ROWS,
    Case,
    _uninitialised_memory_is_filled,  # noqa: F401
    cases,
    check,
    make_mask,
    row_cases,
    ternary,
)

SHIM = Shim(SOURCE, VARIANTS)


def on_shim(case: Case, monkeypatch: pytest.MonkeyPatch) -> Tensor:
    """The whole way of `implementation="cupy"`, with the shim in CuPy's place."""

    def attend(operands: Operands, rule: Rule) -> Tensor:
        return kernels(operands, rule, SHIM.load, SHIM.launch)

    kernels = packed_cuda.attend
    with monkeypatch.context() as patch:
        patch.setattr("snnpd.cuda_code.why_not", lambda device: None)
        patch.setattr(packed_cuda, "attend", attend)
        return packed_attention(
            case.q, case.k, case.values, mask=case.mask, **case.options(), implementation="cupy"
        )


def on_gpu(case: Case, monkeypatch: pytest.MonkeyPatch) -> Tensor:
    q, k, values, mask = (
        part if part is None else part.cuda() for part in (case.q, case.k, case.values, case.mask)
    )
    return packed_attention(q, k, values, mask=mask, **case.options(), implementation="cupy").cpu()


PLACES = [on_shim, pytest.param(on_gpu, marks=pytest.mark.gpu)]


@pytest.mark.parametrize("attend", PLACES)
def test_drawn_cases(attend, monkeypatch: pytest.MonkeyPatch) -> None:
    @settings(max_examples=100)
    @given(case=cases())
    def each(case: Case) -> None:
        check(attend(case, monkeypatch), case)

    each()


@pytest.mark.parametrize("attend", PLACES)
@pytest.mark.parametrize("name", ROWS)
def test_rows_on_and_next_to_powers_of_two(attend, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for case in row_cases(name):
        got = attend(case, monkeypatch)
        check(got, case)
        assert got.any()


@pytest.mark.parametrize("attend", PLACES)
@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("rounding", ["ceil", "dyadic"])
def test_blocks_and_leading_axes_that_are_shared(
    attend, rounding: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = torch.Generator().manual_seed(8)
    q, k = ternary((3, 1, 2, 50, 64), 0.3, generator), ternary((2, 70, 64), 0.3, generator)
    values = torch.randint(-128, 128, (4, 1, 70, 17), generator=generator).to(torch.int8)
    mask = make_mask(kind, 50, 70, generator)
    if mask is not None:
        mask = torch.stack([mask, mask.roll(1, -1)])
    case = Case(q, k, values, mask, rounding)
    got = attend(case, monkeypatch)
    check(got, case)
    assert got.any() != (kind == "all absent")


def test_the_judge_rejects_an_error_planted_in_a_launch(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(9)
    q, k = ternary((9, 64), 0.5, generator), ternary((11, 64), 0.5, generator)
    case = Case(q, k, torch.randint(-99, 99, (11, 3), generator=generator))
    check(on_shim(case, monkeypatch), case)
    # Without them all values are summed, to the same; with wrong ones the sums are wrong.
    monkeypatch.setattr(packed_cuda, "sum_of_signs", lambda operands: None)
    check(on_shim(case, monkeypatch), case)
    monkeypatch.setattr(packed_cuda, "sum_of_signs", lambda operands: torch.zeros(1, 3, dtype=torch.int64))
    with pytest.raises(AssertionError):
        check(on_shim(case, monkeypatch), case)


@pytest.mark.parametrize("arch", ["sm_80", "sm_90"])
def test_every_variant_compiles_without_spills(arch: str) -> None:
    costs = compile_kernels(SOURCE, VARIANTS, arch)
    assert set(costs) == set(VARIANTS)
    for name, cost in costs.items():
        assert (cost.stack, cost.spill_stores, cost.spill_loads) == (0, 0, 0), name
        # 512 threads and more on a multiprocessor of 65,536 registers
        assert cost.registers <= 128, name


@pytest.mark.parametrize(
    ("rule", "dtype"),
    [
        (Rule(0, 0, 15), torch.int16),
        (Rule(0, 0, 16), torch.int32),
        (Rule(0, 0, 31), torch.int32),
        (Rule(0, 0, 32), torch.int64),
        (Rule(0, 22, 9), torch.int16),
        (Rule(0, 22, 10), torch.int32),
        (Rule(0, 22, 41), torch.int64),
    ],
)
def test_values_and_sums_have_the_narrowest_words_that_hold_them(rule: Rule, dtype: torch.dtype) -> None:
    assert value_dtype(rule) == dtype
