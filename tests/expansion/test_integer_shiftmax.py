"""The integer Shiftmax against the float one, bit for bit, and its sums against Python's integers."""

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from snnpd.errors import UsageError
from snnpd.expansion.integer_shiftmax import (
    ABSENT,
    dyadic_accumulate,
    dyadic_numerators,
    shift_accumulate,
    shift_counts,
)
from snnpd.expansion.power_weights import shiftmax

narrow_rows = st.lists(st.integers(-40, 40), min_size=1, max_size=70)
tied_rows = st.lists(st.integers(-2, 2), min_size=1, max_size=140)
# every spread up to 80 below the largest, and half of the terms near where a sum passes from word to word
deep_rows = st.lists(st.integers(-80, 0) | st.integers(-45, -37), min_size=1, max_size=60).map(
    lambda row: [0, *row]
)
score_rows = narrow_rows | tied_rows | deep_rows

POWERS = {
    "one": [5],
    "64 alike": [3] * 64,
    "4096 alike": [-7] * 4096,
    "carry through both words": [0, *range(-1, -81, -1), -80],
    "carry of 2048 low terms": [0, *range(-1, -31, -1), *[-41] * 2048],
    "half of 2048 terms": [0, -1, *[-12] * 2048],
}
BETWEEN = {
    "65 alike": [3] * 65,
    "4095 alike": [-7] * 4095,
    "just above": [0, -30],
    "far above": [0, -60, -75],
    "the last bit kept": [0, -80],
    "beyond the words": [0, -81],
    "far beyond the words": [0, -300],
    "the last bit short": [0, *range(-1, -81, -1)],
    "the last bit above": [0, *range(-1, -80, -1), -79, -80],
    "a low term short": [0, *range(-1, -31, -1), *[-41] * 2047],
    "a low term above": [0, *range(-1, -31, -1), *[-41] * 2049],
    "4095 terms short": [0, *[-12] * 4095],
    "full words": [0] * 2048 + [-40] * 1024 + [-80] * 1024,
}


def exact_counts(scores: list[int]) -> list[int]:
    top, bottom = max(scores), min(scores)
    total = sum(1 << (score - bottom) for score in scores)
    gamma = (total - 1).bit_length() + bottom
    assert gamma >= top
    return [gamma - score for score in scores]


def weights_of(counts: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return torch.exp2(-counts.to(dtype)).masked_fill(counts == ABSENT, 0)


def check_row(scores: list[int]) -> None:
    tensor = torch.tensor(scores)
    counts = shift_counts(tensor)
    assert counts.tolist() == exact_counts(scores)
    for dtype in (torch.float64, torch.float32):
        assert torch.equal(shiftmax(tensor.to(dtype)), weights_of(counts, dtype))


def check_dyadic_row(scores: list[int], bits: int) -> None:
    tensor = torch.tensor(scores)
    numerators = dyadic_numerators(tensor, bits)
    assert numerators.sum() == 2**bits
    for dtype in (torch.float64, torch.float32):
        weights = shiftmax(tensor.to(dtype), rounding="dyadic", bits=bits)
        assert torch.equal(weights, numerators.to(dtype) / 2**bits)


@settings(deadline=None)
@given(score_rows)
def test_counts_are_the_float_exponents(scores: list[int]) -> None:
    check_row(scores)


@settings(deadline=None)
@given(score_rows, st.integers(1, 23))
def test_numerators_are_the_float_weights(scores: list[int], bits: int) -> None:
    check_dyadic_row(scores, bits)


@pytest.mark.parametrize("name", [*POWERS, *BETWEEN])
def test_at_and_around_powers_of_two(name: str) -> None:
    scores = (POWERS | BETWEEN)[name]
    total = sum(Fraction(2) ** score for score in scores)
    assert (total.numerator.bit_count() == total.denominator.bit_count() == 1) == (name in POWERS)
    check_row(scores)
    for bits in (1, 2, 11, 12, 22, 23):
        check_dyadic_row(scores, bits)


@pytest.mark.parametrize("lowest", [-3, -20, -80])
@pytest.mark.parametrize("length", [4000, 4096])
def test_long_rows(lowest: int, length: int) -> None:
    scores = torch.randint(lowest, 1, (6, length), generator=torch.Generator().manual_seed(length))
    scores[:, 17] = 0
    for row in scores.tolist():
        check_row(row)
        check_dyadic_row(row, 22)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@settings(deadline=None)
@given(st.data())
def test_masked_rows_are_those_with_absent_scores(dtype: torch.dtype, data: st.DataObject) -> None:
    length, bits = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 23))
    rows = st.lists(st.integers(-50, 30), min_size=length, max_size=length)
    scores = torch.tensor(data.draw(st.lists(rows, min_size=1, max_size=4)))
    mask = torch.tensor(data.draw(st.lists(st.booleans(), min_size=length, max_size=length)))
    absent = scores.to(dtype).masked_fill(~mask, -math.inf)
    counts, numerators = shift_counts(scores, mask), dyadic_numerators(scores, bits, mask)
    assert torch.equal(shiftmax(absent), weights_of(counts, dtype))
    assert torch.equal(shiftmax(absent, rounding="dyadic", bits=bits), numerators.to(dtype) / 2**bits)
    assert (numerators.sum(-1) == (2**bits if mask.any() else 0)).all()
    assert ((counts == ABSENT) == ~mask).all()


@pytest.mark.parametrize("dtype", [torch.int8, torch.int16, torch.int32, torch.int64])
def test_batches_of_any_integer_with_a_mask_for_each_sample(dtype: torch.dtype) -> None:
    scores = torch.randint(-9, 10, (2, 3, 4, 5, 6), generator=torch.Generator().manual_seed(0)).to(dtype)
    mask = torch.tensor([[True] * 6, [True, False] * 3, [False] * 6]).reshape(3, 1, 1, 6)
    numerators = dyadic_numerators(scores, 8, mask)
    absent = scores.float().masked_fill(~mask, -math.inf)
    assert torch.equal(shiftmax(absent, rounding="dyadic", bits=8), numerators / 256)
    assert torch.equal(shiftmax(absent), weights_of(shift_counts(scores, mask), torch.float32))
    assert numerators.sum(-1).unique().tolist() == [0, 256]


@settings(deadline=None)
@given(st.data())
def test_shift_accumulate_rounds_every_term_down(data: st.DataObject) -> None:
    values = data.draw(st.lists(st.integers(-(2**40), 2**40) | st.integers(-3, 3), min_size=1, max_size=9))
    shifts = st.integers(0, 100) | st.just(ABSENT)
    counts = data.draw(st.lists(shifts, min_size=len(values), max_size=len(values)))
    got = shift_accumulate(torch.tensor(values).unsqueeze(-1), torch.tensor([counts]))
    want = sum(v >> n for v, n in zip(values, counts, strict=True) if n != ABSENT)
    assert got.tolist() == [[want]]


@settings(deadline=None)
@given(st.data())
def test_dyadic_accumulate_rounds_the_exact_sum_down(data: st.DataObject) -> None:
    bits, scores = data.draw(st.integers(1, 23)), data.draw(tied_rows | deep_rows)
    values = data.draw(
        st.lists(
            st.integers(-(2**39), 2**39) | st.integers(-3, 3), min_size=len(scores), max_size=len(scores)
        )
    )
    numerators = dyadic_numerators(torch.tensor([scores]), bits)
    got = dyadic_accumulate(torch.tensor(values).unsqueeze(-1), numerators, bits)
    exact = sum(Fraction(v * n, 2**bits) for v, n in zip(values, numerators[0].tolist(), strict=True))
    assert got.tolist() == [[math.floor(exact)]]


@pytest.mark.parametrize("rounding", ["ceil", "dyadic"])
def test_a_whole_map_agrees_with_the_float_layer(rounding: str) -> None:
    generator = torch.Generator().manual_seed(1)
    q, k = torch.randint(-1, 2, (2, 2, 3, 7, 8), generator=generator)
    v = torch.randint(-99, 100, (2, 3, 7, 5), generator=generator)
    scores = (q.unsqueeze(-2) * k.unsqueeze(-3)).sum(-1)
    exact = shiftmax(scores.double(), rounding=rounding) @ v.double()
    if rounding == "ceil":
        fraction = 20
        got = shift_accumulate(v << fraction, shift_counts(scores)).double() / 2**fraction
        assert torch.equal(got, exact)
    else:
        got = dyadic_accumulate(v, dyadic_numerators(scores))
        assert torch.equal(got, exact.floor().long())
    assert got.abs().max() > 20


def test_values_all_alike_come_out_of_a_dyadic_row_as_they_went_in() -> None:
    scores = torch.randint(-30, 1, (9, 11), generator=torch.Generator().manual_seed(2))
    values = torch.tensor([[-7, 12345]]).expand(11, 2)
    assert torch.equal(dyadic_accumulate(values, dyadic_numerators(scores)), values[:9])
    assert not torch.equal(shift_accumulate(values, shift_counts(scores)), values[:9])


class OnlyIntegers(TorchDispatchMode):
    """Refuses every operation but those named, and every tensor that is no integer."""

    allowed = """
        add sub rsub sum lshift rshift __lshift__ __rshift__ bitwise_left_shift bitwise_right_shift
        gt ge lt le eq ne bitwise_and bitwise_or bitwise_not any all amax argmin where clamp masked_fill
        scatter_add expand unsqueeze unbind select alias view arange ones_like new_zeros zeros
        scalar_tensor _to_copy lift_fresh _local_scalar_dense
    """

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        assert name in self.allowed.split(), name
        self.seen.add(name)
        result = func(*args, **(kwargs or {}))
        results = result if isinstance(result, tuple | list) else [result]
        assert not any(torch.is_tensor(one) and one.is_floating_point() for one in results), name
        return result


def test_only_shifts_additions_and_comparisons_of_integers() -> None:
    scores, values = torch.randint(-9, 10, (4, 6)), torch.randint(-9, 10, (6, 3))
    mask = torch.tensor([True] * 5 + [False])
    with OnlyIntegers() as machine:
        shift_accumulate(values, shift_counts(scores, mask))
        dyadic_accumulate(values, dyadic_numerators(scores, 12, mask), 12)
    assert {"sum", "add", "sub"} <= machine.seen
    assert any("lshift" in name or "left_shift" in name for name in machine.seen)
    with pytest.raises(AssertionError, match="mul"), OnlyIntegers():
        scores * scores


def test_nothing_to_attend_to() -> None:
    empty = torch.zeros(3, 0, dtype=torch.int64)
    assert shift_counts(empty).shape == dyadic_numerators(empty).shape == (3, 0)
    nothing = torch.zeros(0, 2, dtype=torch.int64)
    assert torch.equal(shift_accumulate(nothing, empty), torch.zeros(3, 2, dtype=torch.int64))
    assert torch.equal(dyadic_accumulate(nothing, empty), torch.zeros(3, 2, dtype=torch.int64))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda one: dyadic_numerators(one, 24), "bits = 24.*1 to 23"),
        (lambda one: dyadic_numerators(one, 0), "bits = 0"),
        (lambda one: dyadic_accumulate(one << 41, one, 22), r"\^41 at bits = 22"),
    ],
)
def test_wrong_requests_are_refused(make, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        make(torch.ones(1, 1, dtype=torch.int64))
