"""Packed attention against the integer Shiftmax, integer for integer, on every implementation that runs on a CPU."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from snnpd import jit
from snnpd.errors import UsageError
from snnpd.expansion import packed
from snnpd.expansion.integer_shiftmax import ABSENT, dyadic_numerators, shift_counts
from snnpd.expansion.packed import packed_attention
from snnpd.expansion.packed_words import (
    PackedTernary,
    from_fixed_point,
    pack_ternary,
    to_fixed_point,
    unpack_ternary,
)
from snnpd.expansion.power_weights import shiftmax
from tests.expansion.test_integer_shiftmax import BETWEEN, POWERS

ON_CPU = ["reference", "cpu"]
WIDTHS = [1, 63, 64, 65, 200]
MASKS = ["none", "keys", "rows", "causal", "some rows empty", "all absent"]
# Around every word that sums may take, for `dyadic` too.
LARGEST = [1, 127, 2**14 - 1, 2**15 - 1, 2**15, 2**31 - 1, 2**31, 2**40 - 1, 2**63 - 1]


@dataclass(frozen=True)
class Case:
    q: Tensor
    k: Tensor
    values: Tensor
    mask: Tensor | None = None
    rounding: str = "ceil"
    bits: int = 22
    score_shift: int = 0

    def options(self) -> dict:
        return {"rounding": self.rounding, "bits": self.bits, "score_shift": self.score_shift}

    def expected(self) -> Tensor:
        """By the definition, all terms at once, from scores in plain integers."""
        scores = (self.q.double() @ self.k.double().mT).long() >> self.score_shift
        if self.mask is not None:
            scores = scores.expand(torch.broadcast_shapes(scores.shape, self.mask.shape))
        values = self.values.long()
        if self.rounding == "dyadic":
            return (dyadic_numerators(scores, self.bits, self.mask) @ values) >> self.bits
        counts = shift_counts(scores, self.mask).unsqueeze(-1)
        return (values.unsqueeze(-3) >> counts.clamp(0, 63)).masked_fill(counts == ABSENT, 0).sum(-2)


def check(got: Tensor, case: Case) -> None:
    """The judge: all integers are those of the definition."""
    want = case.expected()
    assert got.dtype == torch.int64
    assert got.shape == want.shape
    assert torch.equal(got, want), (got - want).nonzero()[:5]


def ternary(shape: tuple[int, ...], rate: float, generator: torch.Generator) -> Tensor:
    sign = 2 * torch.randint(2, shape, generator=generator) - 1
    return torch.where(torch.rand(shape, generator=generator) < rate, sign, 0).to(torch.int8)


def make_mask(kind: str, num_queries: int, num_points: int, generator: torch.Generator) -> Tensor | None:
    def drawn(rows: int) -> Tensor:
        return torch.rand(rows, num_points, generator=generator) < 0.6

    if kind == "none":
        return None
    if kind == "keys":
        return drawn(1)
    if kind == "causal":
        return torch.ones(num_queries, num_points, dtype=torch.bool).tril(num_points // 2)
    if kind == "all absent":
        return torch.zeros(1, num_points, dtype=torch.bool)
    rows = drawn(num_queries)
    return rows if kind == "rows" else rows & (torch.rand(num_queries, 1, generator=generator) < 0.5)


@st.composite
def cases(draw: Callable) -> Case:
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    width, channels = draw(st.sampled_from(WIDTHS)), draw(st.sampled_from([1, 5, 65]))
    num_queries, num_points = (
        draw(st.sampled_from([1, 7, 40])),
        draw(st.sampled_from([1, 2, 40, 64, 65, 300])),
    )
    rounding, bits = draw(st.sampled_from(["ceil", "dyadic"])), draw(st.sampled_from([1, 8, 22, 23]))
    largest = draw(st.sampled_from(LARGEST))
    if rounding == "dyadic":
        largest = min(largest, 2 ** (63 - bits) - 1)
    holding = [dtype for dtype in packed.VALUE_DTYPES if torch.iinfo(dtype).max >= largest]
    dtype, rate = draw(st.sampled_from(holding)), draw(st.sampled_from([0.0, 0.05, 0.3, 0.7, 1.0]))
    return Case(
        ternary((num_queries, width), rate, generator),
        ternary((num_points, width), draw(st.sampled_from([rate, 0.3])), generator),
        torch.randint(-largest - 1, largest, (num_points, channels), generator=generator).to(dtype),
        make_mask(draw(st.sampled_from(MASKS)), num_queries, num_points, generator),
        rounding,
        bits,
        draw(st.sampled_from([0, 0, 0, 1, 3, 40])),
    )


def with_scores(scores: list[int]) -> tuple[Tensor, Tensor]:
    """One query and keys that have these scores."""
    wanted = torch.tensor(scores).unsqueeze(-1)
    width = int(wanted.abs().max())
    keys = torch.where(torch.arange(width) < wanted.abs(), wanted.sign(), 0)
    return torch.ones(1, width, dtype=torch.int8), keys.to(torch.int8)


# What no random draw would meet: sums on and next to powers of two, across both words of a row; sums that outgrow a
# short, of as many values that keep something as not; more signs than a short counts.
ROWS = {
    **POWERS,
    **BETWEEN,
    "all far but one": [0, *[-100] * 70],
    "half far": [-10] * 1016 + [-17] * 1000,
    "many signs": [0, *[-60] * 40_000],
}


def row_cases(name: str) -> Iterator[Case]:
    q, k = with_scores(ROWS[name])
    generator = torch.Generator().manual_seed(len(ROWS[name]))
    for largest in (127, 2**15 - 1, 2**15, 2**31 - 1, 2**31, 2**40 - 1):
        values = torch.randint(-largest - 1, largest + 1, (len(k), 3), generator=generator)
        values[:, 1], values[:, 2] = largest, -largest - 1
        yield Case(q, k, values)
        yield Case(q, k, values, rounding="dyadic")
        yield Case(q, k, values, rounding="dyadic", bits=7)


@pytest.fixture(autouse=True)
def _uninitialised_memory_is_filled() -> Iterator[None]:
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(before)


def attend(case: Case, implementation: str) -> Tensor:
    return packed_attention(
        case.q, case.k, case.values, mask=case.mask, **case.options(), implementation=implementation
    )


@pytest.mark.parametrize("implementation", ON_CPU)
@settings(max_examples=150)
@given(case=cases())
def test_drawn_cases(implementation: str, case: Case) -> None:
    check(attend(case, implementation), case)


@pytest.mark.parametrize("name", ROWS)
def test_rows_on_and_next_to_powers_of_two(name: str) -> None:
    for case in row_cases(name):
        check(attend(case, "cpu"), case)
        assert attend(case, "cpu").any()


@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("rounding", ["ceil", "dyadic"])
def test_threads_and_leading_axes_that_are_shared(rounding: str, kind: str) -> None:
    generator = torch.Generator().manual_seed(3)
    q, k = ternary((3, 1, 2, 150, 64), 0.3, generator), ternary((2, 200, 64), 0.3, generator)
    values = torch.randint(-128, 128, (4, 1, 200, 33), generator=generator).to(torch.int8)
    case = Case(q, k, values, make_mask(kind, 150, 200, generator), rounding)
    if case.mask is not None and kind == "keys":
        case = Case(
            q, k, values, torch.stack([case.mask, ~case.mask]).unsqueeze(1).unsqueeze(0)[:, :, 0], rounding
        )
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        got = attend(case, "cpu")
    finally:
        torch.set_num_threads(threads)
    check(got, case)
    assert got.any() != (kind == "all absent")


def test_the_judge_rejects_a_planted_error() -> None:
    case = Case(*with_scores([3, 1, -2]), torch.tensor([[900], [-64], [77]]))
    right = attend(case, "cpu")
    check(right, case)
    for wrong in (right + 1, right.int(), right.unsqueeze(0), torch.zeros_like(right)):
        with pytest.raises(AssertionError):
            check(wrong, case)
    other = Case(case.q, case.k, case.values, torch.tensor([[True, True, False]]))
    with pytest.raises(AssertionError):
        check(attend(other, "cpu"), case)


@pytest.mark.parametrize("implementation", ON_CPU)
def test_the_float_layer_gives_the_same_where_it_is_exact(implementation: str) -> None:
    generator = torch.Generator().manual_seed(4)
    q, k = ternary((2, 3, 17, 16), 0.5, generator), ternary((2, 3, 33, 16), 0.5, generator)
    values = torch.randint(-99, 100, (2, 3, 33, 5), generator=generator)
    exact = shiftmax(q.double() @ k.double().mT) @ values.double()
    got = packed_attention(q, k, values << 40, implementation=implementation)
    assert torch.equal(from_fixed_point(got, 40, torch.float64), exact)
    assert exact.abs().max() > 10


@pytest.mark.parametrize("rounding", ["ceil", "dyadic"])
@pytest.mark.parametrize("fraction_bits", [4, 10, 20])
def test_fixed_point_stays_within_its_bound(rounding: str, fraction_bits: int) -> None:
    generator = torch.Generator().manual_seed(5)
    q, k = ternary((4, 50, 32), 0.3, generator), ternary((4, 60, 32), 0.3, generator)
    values = torch.randn(4, 60, 8, generator=generator)
    got = packed_attention(q, k, to_fixed_point(values, fraction_bits), rounding=rounding)
    exact = shiftmax(q.double() @ k.double().mT, rounding=rounding) @ values.double()
    error = (from_fixed_point(got, fraction_bits, torch.float64) - exact) * 2.0**fraction_bits
    lowest = 60.5 if rounding == "ceil" else 1.5
    assert -lowest - 1e-6 <= error.min() < -0.5
    assert error.max() <= 0.5 + 1e-6


@pytest.mark.parametrize("width", [*WIDTHS, 0, 128])
@pytest.mark.parametrize("dtype", [torch.int8, torch.int64, torch.float16, torch.bfloat16, torch.float64])
def test_packing_is_undone_by_unpacking(width: int, dtype: torch.dtype) -> None:
    spikes = ternary((3, 2, 50, width), 0.5, torch.Generator().manual_seed(width))
    packed_spikes = pack_ternary(spikes.to(dtype).transpose(0, 1))
    assert packed_spikes.sign.shape == (2, 3, 50, max(1, -(-width // 64)))
    assert torch.equal(unpack_ternary(packed_spikes), spikes.transpose(0, 1).long())
    for place in range(min(width, 64)):
        bit = (packed_spikes.nonzero[..., 0] >> place) & 1
        assert torch.equal(bit.transpose(0, 1), spikes[..., place].abs().long())


def test_packed_and_binary_operands() -> None:
    generator = torch.Generator().manual_seed(6)
    q, k = torch.rand(7, 70, generator=generator) < 0.4, ternary((9, 70), 0.4, generator)
    case = Case(q.char(), k, torch.randint(-99, 99, (9, 3), generator=generator))
    check(packed_attention(q, pack_ternary(k.float().requires_grad_()), case.values), case)


@pytest.mark.parametrize("implementation", ["auto", *ON_CPU])
@pytest.mark.parametrize("shape", [(2, 0, 3, 4), (2, 3, 0, 4), (2, 3, 4, 0), (0, 3, 4, 5)])
def test_nothing_to_attend_to(implementation: str, shape: tuple[int, int, int, int]) -> None:
    lead, num_queries, num_points, channels = shape
    q, k = torch.ones(lead, num_queries, 5), torch.ones(lead, num_points, 5)
    values = torch.ones(lead, num_points, channels, dtype=torch.int32)
    got = packed_attention(q, k, values, implementation=implementation)
    assert torch.equal(got, torch.zeros(lead, num_queries, channels, dtype=torch.int64))


Q, K, V = torch.ones(2, 3, 4), torch.ones(2, 5, 4), torch.ones(2, 5, 6, dtype=torch.int64)
REFUSED = {
    "half a spike": (lambda: pack_ternary(Q / 2), "0.5 is not ternary"),
    "two": (lambda: pack_ternary(Q.char() * 2), "2 is not ternary"),
    "what a byte would cut to one": (lambda: pack_ternary(Q.int() * 257), "257 is not ternary"),
    "minus two": (lambda: pack_ternary(Q.char() * -2), "-2 is not ternary"),
    "255 in a byte": (lambda: pack_ternary(Q.byte() * 255), "255 is not ternary"),
    "a half": (lambda: pack_ternary(Q.half() * 1.5), "1.5 is not ternary"),
    "least byte": (lambda: pack_ternary(Q.char() * -128), "-128 is not ternary"),
    "nan": (lambda: pack_ternary(Q * math.nan), "nan is not ternary"),
    "infinity": (lambda: pack_ternary(Q * math.inf), "inf is not ternary"),
    "complex": (lambda: pack_ternary(Q * 1j), "complex64"),
    "too wide": (lambda: pack_ternary(torch.zeros(1, 511 * 64 + 1)), "32704 at most"),
    "widths": (lambda: packed_attention(Q, K[..., :3], V), "4 wide and keys 3"),
    "float values": (lambda: packed_attention(Q, K, to_fixed_point(V.float(), 2).bool()), "to_fixed_point"),
    "fewer values": (lambda: packed_attention(Q, K, V[:, :4]), "5 keys for values"),
    "mask of bytes": (lambda: packed_attention(Q, K, V, mask=V[:, :1, :5]), "bool"),
    "mask of another length": (lambda: packed_attention(Q, K, V, mask=V[:, :1, :4] > 0), "5], True"),
    "mask of other queries": (lambda: packed_attention(Q, K, V, mask=V[:, :2, :5] > 0), "1 or 3"),
    "leading axes": (lambda: packed_attention(Q[[0, 0, 0]], K, V), "leading axes (3,), (2,)"),
    "devices": (lambda: packed_attention(Q, K, V.to("meta")), "cpu, cpu, meta"),
    "rounding": (lambda: packed_attention(Q, K, V, rounding="round"), "unknown rounding"),
    "bits": (lambda: packed_attention(Q, K, V, rounding="dyadic", bits=24), "choose 1 to 23"),
    "negative shift": (lambda: packed_attention(Q, K, V, score_shift=-1), "0 or more"),
    "large values": (lambda: packed_attention(Q, K, V << 41, rounding="dyadic"), "2^41 at bits = 22"),
    "implementation": (lambda: packed_attention(Q, K, V, implementation="gpu"), "unknown implementation"),
    "CuPy on a CPU": (lambda: packed_attention(Q, K, V, implementation="cupy"), "'cupy' cannot run: "),
    "too fine": (lambda: to_fixed_point(Q, 62), "does not fit 62 bits"),
    "no number": (lambda: to_fixed_point(Q * math.nan, 4), "does not fit 62 bits"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_wrong_requests_are_refused(name: str) -> None:
    make, words = REFUSED[name]
    with pytest.raises(UsageError) as caught:
        make()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_numba_the_reference_runs_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(*with_scores([2, 0, -1]), torch.tensor([[50], [60], [70]]))
    here = torch.device("cpu")
    assert packed.choose("auto", here) == "cpu"
    monkeypatch.setattr(jit, "why_not", lambda: "numba is not installed; pip install numba")
    assert packed.choose("auto", here) == "reference"
    check(attend(case, "auto"), case)
    with pytest.raises(UsageError, match="'cpu' cannot run: numba is not installed; pip install numba"):
        attend(case, "cpu")
    assert "operands are on meta" in str(packed.why_not("cpu", torch.device("meta")))


def test_the_reference_holds_a_piece_of_the_map_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(7)
    q, k = ternary((2, 23, 20), 0.5, generator), ternary((2, 10, 20), 0.5, generator)
    values = torch.randint(-99, 99, (2, 10, 3), generator=generator)
    case = Case(q, k, values, make_mask("rows", 23, 10, generator))
    monkeypatch.setattr(packed, "_REFERENCE_ELEMENTS", 40)
    check(attend(case, "reference"), case)


def test_a_packed_vector_says_its_width() -> None:
    words = pack_ternary(torch.tensor([[1, 0, -1, -1]]))
    assert isinstance(words, PackedTernary)
    assert (words.nonzero.item(), words.sign.item(), words.width) == (0b1101, 0b1100, 4)
