"""Intervals that cover, tests that keep their level, and verdicts that ask for both."""

import math
import random
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from snnpd.comparison import statistics
from snnpd.comparison.statistics import Paired, compare_pairs, holm, interval, pareto, verdict
from snnpd.errors import UsageError

PROBABILITIES = st.floats(0, 1)


def correct(rng, seeds, samples, spread, gain=0.0):
    """Two networks that share what makes a sample hard; `spread` is what a seed changes, `gain` what the first has."""
    hard = rng.normal(size=samples)
    first, second = (
        hard + rng.normal(size=(seeds, 1)) * spread + rng.normal(size=(seeds, samples)) / 2 + shift > 0
        for shift in (1 + gain, 1.0)
    )
    return first, second


@pytest.fixture
def few_draws(monkeypatch):
    monkeypatch.setattr(statistics, "DRAWS", 1000)
    monkeypatch.setattr(statistics, "FLIPS", 1000)


@pytest.mark.parametrize(("seeds", "samples"), [(3, 200), (3, 1000), (5, 300)])
@pytest.mark.parametrize("spread", [0.05, 0.3])
def test_intervals_cover_and_equal_methods_are_seldom_told_apart(few_draws, seeds, samples, spread):
    rng = np.random.default_rng(0)
    pairs = [compare_pairs(*correct(rng, seeds, samples, spread)) for _ in range(100)]
    assert sum(pair.low <= 0 <= pair.high for pair in pairs) / 100 > 0.9
    assert sum(verdict(pair, pair.p) != "no difference shown" for pair in pairs) / 100 < 0.1


def test_an_interval_over_seeds_alone_is_about_as_wide_as_students():
    seeds = np.random.default_rng(1).normal(size=(6, 1))
    found = interval(seeds)
    student = stats.t.interval(0.95, 5, seeds.mean(), stats.sem(seeds[:, 0]))
    assert found.high - found.low == pytest.approx(student[1] - student[0], rel=0.1)


def test_an_interval_over_samples_alone_is_scipys():
    values = np.random.default_rng(2).normal(size=(1, 80))
    found = interval(values)
    theirs = stats.bootstrap((values[0],), np.mean, n_resamples=10_000, method="percentile", rng=3)
    assert found.mean == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx(tuple(theirs.confidence_interval), abs=0.01)


def test_an_interval_covers_the_accuracy_it_estimates(few_draws):
    rng = np.random.default_rng(3)
    found = [interval(rng.random((1, 300)) < 0.9) for _ in range(200)]
    assert 0.9 < sum(one.low <= 0.9 <= one.high for one in found) / 200 < 0.99


def test_limits_hold_an_accuracy_below_one():
    values = np.array([[1.0] * 20, [1.0] * 20, [0.0] * 2 + [1.0] * 18])
    assert interval(values).high > 1
    assert interval(values, limits=(0, 1)).high == 1


@pytest.mark.parametrize("values", ["correct", "real"])
def test_sign_flips_agree_with_scipy(values):
    rng = np.random.default_rng(4)
    if values == "correct":
        first, second = (table.astype(float) for table in correct(rng, 3, 150, 0.1, gain=0.2))
    else:
        first, second = rng.normal(0.15, size=(3, 150)), rng.normal(size=(3, 150))
    ours = compare_pairs(first, second).p
    theirs = stats.permutation_test(
        (first.mean(0), second.mean(0)),
        lambda x, y: np.mean(x - y),
        permutation_type="samples",
        n_resamples=20_000,
        rng=5,
    )
    assert 0.001 < ours < 0.9
    assert ours == pytest.approx(theirs.pvalue, abs=0.015)


@pytest.mark.parametrize("tenths", [[1, 2, 3, -3], [1, 1, 1, 1, 1, 1], [3, 0, -1, 2, 2]])
def test_sign_flips_count_every_sum_as_far_out_as_the_observed_one(tenths):
    flipped = np.array(list(product((-1, 1), repeat=len(tenths)))) @ tenths
    expected = (abs(flipped) >= abs(sum(tenths))).mean()
    differences = np.array([tenths] * 3) / 10
    assert compare_pairs(differences, np.zeros_like(differences)).p == pytest.approx(expected, abs=0.01)


def test_no_p_value_is_zero():
    assert compare_pairs(np.ones((3, 200)), np.zeros((3, 200))).p == 1 / 20_001


@pytest.mark.parametrize("spread", [0.0, 0.1])
def test_a_planted_difference_is_found_and_has_a_direction(spread):
    first, second = correct(np.random.default_rng(6), 3, 1000, spread, gain=0.8)
    better, worse = compare_pairs(first, second), compare_pairs(second, first)
    assert verdict(better, better.p) == "higher"
    assert verdict(worse, worse.p) == "lower"
    assert better.difference == -worse.difference == pytest.approx(first.mean() - second.mean())
    assert better.p == worse.p < 0.001
    assert better.p_seeds == worse.p_seeds
    assert better.p_seeds == pytest.approx(stats.ttest_rel(first.mean(1), second.mean(1)).pvalue, rel=0.05)


@pytest.mark.parametrize(
    ("differences", "p_seeds"),
    [
        ([[0.0] * 8] * 3, 1.0),
        ([[1.0] * 4 + [0.0] * 4] * 3, 0.00173),
        ([[1.0] * 8], None),
        ([[0.0] * 8], None),
    ],
)
def test_a_single_seed_says_nothing_and_seeds_that_agree_do_so_to_a_sample(differences, p_seeds):
    found = compare_pairs(np.array(differences), np.zeros_like(differences))
    # Three seeds that are half ahead, to an eighth: t = (1/2) / (1/8 / √12 / √3) = 24, two degrees of freedom.
    assert found.p_seeds == (None if p_seeds is None else pytest.approx(p_seeds, rel=0.01))
    assert (found.p == 1.0) == (found.difference == 0.0)


def test_one_draw_of_samples_is_shared_by_all_seeds():
    sample_effect = np.random.default_rng(7).normal(size=400)
    one, three = interval(sample_effect[None]), interval(np.tile(sample_effect, (3, 1)))
    assert three.high - three.low == pytest.approx(one.high - one.low, rel=0.05)


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_seeds_and_samples_says_nothing(seed):
    rng = np.random.default_rng(seed)
    first, second = correct(rng, 3, 60, 0.2, gain=0.3)
    seeds, samples = rng.permutation(3), rng.permutation(60)
    found = compare_pairs(first, second)
    again = compare_pairs(first[seeds][:, samples], second[seeds][:, samples])
    assert (again.difference, again.p) == pytest.approx((found.difference, found.p))
    assert (again.low, again.high) == pytest.approx((found.low, found.high), abs=0.015)


def test_ten_thousand_samples_are_drawn_in_chunks(monkeypatch):
    values = np.random.default_rng(8).normal(size=(2, 500))
    whole = interval(values)
    monkeypatch.setattr(statistics, "CHUNK", 5000)
    assert interval(values) == whole


def test_holm_as_worked_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(PROBABILITIES, min_size=1, max_size=8), st.randoms())
def test_holm_keeps_order_and_never_makes_a_p_value_smaller(ps, order: random.Random):
    adjusted = holm(ps)
    assert all(p <= q <= 1 for p, q in zip(ps, adjusted, strict=True))
    assert all(adjusted[i] <= adjusted[j] for i in range(len(ps)) for j in range(len(ps)) if ps[i] <= ps[j])
    places = order.sample(range(len(ps)), len(ps))
    assert holm([ps[place] for place in places]) == [adjusted[place] for place in places]


@pytest.mark.parametrize(
    ("low", "high", "p_holm", "expected"),
    [
        (0.01, 0.05, 0.01, "higher"),
        (-0.05, -0.01, 0.01, "lower"),
        (0.01, 0.05, 0.05, "no difference shown"),
        (-0.01, 0.05, 0.001, "no difference shown"),
        (-0.05, 0.0, 0.001, "no difference shown"),
    ],
)
def test_a_verdict_takes_both_the_test_and_the_interval(low, high, p_holm, expected):
    assert verdict(Paired((low + high) / 2, low, high, 0.001, 0.001, 3), p_holm) == expected


@pytest.mark.parametrize(
    ("p", "p_seeds", "both"), [(0.001, 0.2, 0.2), (0.2, 0.001, 0.2), (0.001, None, 1.0), (0.01, 0.01, 0.01)]
)
def test_neither_samples_nor_seeds_may_account_for_a_difference(p, p_seeds, both):
    assert Paired(0.1, 0.05, 0.15, p, p_seeds, 3).p_both == both


def test_a_dozen_equal_rows_seldom_have_one_that_is_shown_to_differ(few_draws):
    """Corrected for samples alone, a fifth of these families had a false difference."""
    rng = np.random.default_rng(9)
    false = 0
    for _ in range(30):
        hard = rng.normal(size=1500)
        luck = rng.normal(size=(13, 3, 1)) / 4 + rng.normal(size=(13, 3, 1500)) / 2
        reference, *rows = hard + luck + 1 > 0
        pairs = [compare_pairs(row, reference) for row in rows]
        adjusted = holm([pair.p_both for pair in pairs])
        false += any(verdict(*one) != "no difference shown" for one in zip(pairs, adjusted, strict=True))
    assert false <= 4


POINTS = st.lists(st.tuples(st.integers(0, 6).map(float), st.integers(0, 6).map(float)), max_size=9)


@given(POINTS)
def test_the_front_is_what_nothing_else_beats(points):
    def beaten(point):
        return any(x <= point[0] and y >= point[1] and (x, y) != point for x, y in points)

    front = pareto(points)
    assert sorted(front) == [place for place, point in enumerate(points) if not beaten(point)]
    assert [points[place][0] for place in front] == sorted(points[place][0] for place in front)


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (np.ones((3, 4)), np.ones((2, 4)), r"shapes \(3, 4\) and \(2, 4\)"),
        (np.ones(4), np.ones(4), "one row a seed"),
        (np.ones((0, 4)), np.ones((0, 4)), "one row a seed"),
        (np.full((1, 4), math.nan), np.ones((1, 4)), "4 values that are not finite"),
    ],
)
def test_what_cannot_be_compared_is_refused(first, second, words):
    with pytest.raises(UsageError, match=words):
        compare_pairs(first, second)
