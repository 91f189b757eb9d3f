"""Shiftmax against exact rational arithmetic, its row sums, its gradient, its edges."""

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from snnpd.errors import UsageError
from snnpd.expansion import shiftmax

ROUNDINGS = ["ceil", "round", "sum", "dyadic"]
rows = st.lists(st.integers(-40, 40), min_size=1, max_size=70)


def exact_ceil(scores: list[int]) -> list[Fraction]:
    total = sum(Fraction(2) ** s for s in scores)
    gamma = math.floor(math.log2(total)) - 2
    while Fraction(2) ** gamma < total:
        gamma += 1
    return [Fraction(2) ** (s - gamma) for s in scores]


def exact_dyadic(scores: list[int], bits: int) -> list[Fraction]:
    kept = [w if w >= Fraction(1, 2**bits) else Fraction(0) for w in exact_ceil(scores)]
    kept[scores.index(max(scores))] += 1 - sum(kept)
    return kept


@given(rows)
def test_ceil_is_exact_on_integer_scores(scores: list[int]) -> None:
    weights = shiftmax(torch.tensor(scores, dtype=torch.float32))
    assert [Fraction(w) for w in weights.tolist()] == exact_ceil(scores)


@given(rows, st.integers(1, 23))
def test_dyadic_is_exact_and_sums_to_one(scores: list[int], bits: int) -> None:
    weights = [
        Fraction(w) for w in shiftmax(torch.tensor(scores).float(), rounding="dyadic", bits=bits).tolist()
    ]
    assert weights == exact_dyadic(scores, bits)
    assert sum(weights) == 1


@pytest.mark.parametrize(
    ("scores", "first"),
    [
        ([0, 0], 0.5),  # the sum is a power of two: it must not jump up
        ([0, -30], 0.5),  # just above one: float32 alone would lose the tail
        ([0, -70], 0.5),
        ([0, -1, -1], 0.5),
        ([0, *range(-1, -42, -1), -41], 0.5),  # the tail fills up to a power of two exactly
        ([100, 100, 100], 0.25),
    ],
)
def test_ceil_at_powers_of_two(scores: list[int], first: float) -> None:
    assert shiftmax(torch.tensor(scores, dtype=torch.float32))[0] == first


@pytest.mark.parametrize(
    ("rounding", "low", "high"),
    [("ceil", 0.5, 1.0), ("round", 0.707, 1.4143), ("sum", 1 - 1e-6, 1 + 1e-6), ("dyadic", 1.0, 1.0)],
)
def test_row_sums(rounding: str, low: float, high: float) -> None:
    scores = torch.randint(-6, 7, (64, 33), generator=torch.Generator().manual_seed(0)).float()
    sums = shiftmax(scores, rounding=rounding).sum(-1)
    assert ((sums >= low) & (sums <= high)).all()
    if rounding in ("ceil", "round"):
        assert sums.std() > 0.05
        assert (torch.frexp(shiftmax(scores, rounding=rounding))[0] == 0.5).all()


@pytest.mark.parametrize(("tokens", "gain"), [(64, 1.0), (65, 65 / 128)])
def test_equal_scores_show_the_resolution_dependent_gain(tokens: int, gain: float) -> None:
    assert shiftmax(torch.zeros(tokens)).sum().item() == pytest.approx(gain)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("dim", [0, 1, -2])
def test_any_dimension(rounding: str, dim: int) -> None:
    scores = torch.randint(-4, 5, (6, 7, 8)).float()
    moved = shiftmax(scores.movedim(dim, -1), rounding=rounding).movedim(-1, dim)
    assert torch.equal(shiftmax(scores, dim, rounding), moved)


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_gradient_is_the_straight_through_closed_form(rounding: str) -> None:
    scores = torch.randint(-3, 4, (9,), generator=torch.Generator().manual_seed(1)).double().requires_grad_()
    jacobian = torch.autograd.functional.jacobian(lambda x: shiftmax(x, rounding=rounding), scores)
    p = torch.softmax(scores * math.log(2), -1)
    s = shiftmax(scores, rounding="ceil" if rounding == "dyadic" else rounding)
    assert torch.allclose(jacobian, math.log(2) * (s.diag() - s.outer(p)), atol=1e-14)
    assert jacobian.abs().max() > 0.01


def test_gradient_equals_that_of_the_fused_form_with_a_detached_row_gain() -> None:
    scores = torch.randint(-3, 4, (5, 9)).double()
    upstream = torch.randn(5, 9, dtype=torch.float64)
    fused, ours = scores.clone().requires_grad_(), scores.clone().requires_grad_()
    soft = torch.softmax(fused * math.log(2), -1)
    gain = shiftmax(scores).sum(-1, keepdim=True)
    (gain * soft * upstream).sum().backward()
    (shiftmax(ours) * upstream).sum().backward()
    assert torch.allclose(fused.grad, ours.grad, atol=1e-14)


def test_sum_passes_finite_differences() -> None:
    scores = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: shiftmax(x, rounding="sum"), (scores,))


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_absent_points_and_empty_rows(rounding: str, dtype: torch.dtype) -> None:
    scores = torch.tensor([[1.0, -math.inf, 0.0], [-math.inf] * 3]).to(dtype).requires_grad_()
    weights = shiftmax(scores, rounding=rounding)
    weights[:, 0].sum().backward()
    assert weights.dtype == dtype
    assert weights[0, 1] == 0
    assert torch.equal(weights[1], torch.zeros(3, dtype=dtype))
    assert weights[0, 0] > weights[0, 2] > 0
    assert scores.grad.isfinite().all()


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_integer_tensors_and_no_support_points(rounding: str) -> None:
    assert torch.equal(
        shiftmax(torch.tensor([1, 0, 0]), rounding=rounding),
        shiftmax(torch.tensor([1.0, 0, 0]), rounding=rounding),
    )
    assert shiftmax(torch.zeros(3, 0), rounding=rounding).shape == (3, 0)


@pytest.mark.parametrize("rounding", ["ceil", "round", "dyadic"])
def test_shifting_all_scores_by_an_integer_changes_nothing(rounding: str) -> None:
    scores = torch.randint(-6, 7, (8, 17)).float()
    assert torch.equal(shiftmax(scores, rounding=rounding), shiftmax(scores + 37, rounding=rounding))


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_permuted_scores_give_permuted_weights_where_nothing_ties(rounding: str) -> None:
    scores, order = torch.arange(9).float() - 4, torch.randperm(9)
    weights = shiftmax(scores, rounding=rounding)
    assert torch.allclose(shiftmax(scores[order], rounding=rounding), weights[order])


@pytest.mark.parametrize(
    ("options", "words"), [({"rounding": "ciel"}, "'ceil'"), ({"bits": 24}, "bits = 24")]
)
def test_wrong_options_are_refused(options: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        shiftmax(torch.zeros(3), **options)


@pytest.mark.parametrize("rounding", ["ceil", "round"])
def test_real_scores_follow_the_equation(rounding: str) -> None:
    """γ belongs to the scores, not to their distance from a largest score that is no integer."""
    scores = torch.randn(50, 7, dtype=torch.float64)
    log_sum = torch.log2(torch.exp2(scores).sum(-1, keepdim=True))
    gamma = log_sum.ceil() if rounding == "ceil" else log_sum.round()
    assert torch.allclose(shiftmax(scores, -1, rounding), torch.exp2(scores - gamma))
