"""Intervals, paired tests and verdicts over seeds and test samples."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Shaped
from scipy import stats

from snnpd.errors import UsageError

DRAWS = 10_000
FLIPS = 20_000
LEVEL = 0.95
# Numbers drawn at once: 32 MB, and as much again where they meet the values.
CHUNK = 4_000_000

Verdict = Literal["higher", "lower", "no difference shown"]


@dataclass(frozen=True)
class Interval:
    """A mean over seeds and samples with its 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Paired:
    """What two rows differ by, first less second, on the same seeds and samples.

    `p` asks whether these very networks would differ on other samples, `p_seeds` whether other seeds would; the
    interval asks both. `p_seeds` is None for a single seed, which has no spread to judge by.
    """

    difference: float
    low: float
    high: float
    p: float
    p_seeds: float | None
    num_seeds: int

    @property
    def p_both(self) -> float:
        """The larger of the two, for neither samples nor seeds may account for a difference; 1 where one is unknown.

        Source: the intersection-union test of Berger 1982, recalled: at level α if each of both is.
        """
        return 1.0 if self.p_seeds is None else max(self.p, self.p_seeds)


def interval(
    values: Shaped[np.ndarray, "S n"], limits: tuple[float, float] = (-math.inf, math.inf)
) -> Interval:
    """The mean and the interval that new seeds and new samples would move it in, kept within `limits`.

    Percentile bootstrap of 10,000 draws: seeds with replacement, and samples, the same for all seeds, since all were
    tested on the same ones. Three seeds resampled are never further out than the outermost of them, which new seeds
    are in one case of four; so the seeds' distances from their mean are first stretched by
    √(S / (S - 1)) · t_{S-1} / z, after which an interval over seeds alone is as wide as Student's. One seed says
    nothing of others: its interval is over samples alone.

    Source: the nested resampling of Davison and Hinkley 1997, section 3.8, and the narrowness of the percentile
    interval in Hesterberg 2014 (arXiv 1411.5279), both recalled; stretching instead of moving the percentiles is ours.

    Raises:
        UsageError: no values, not one row a seed, or values that are not finite.
    """
    table = _table(values)
    drawn = _bootstrap(table)
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(table.mean()), max(float(low), limits[0]), min(float(high), limits[1]))


def compare_pairs(first: Shaped[np.ndarray, "S n"], second: Shaped[np.ndarray, "S n"]) -> Paired:
    """The difference of two rows whose seeds and samples are the same, one by one.

    Raises:
        UsageError: shapes that differ, no values, or values that are not finite.
    """
    if np.shape(first) != np.shape(second):
        raise UsageError(
            f"a pair of shapes {np.shape(first)} and {np.shape(second)}; keep the seeds and samples that both have"
        )
    differences = _table(first) - _table(second)
    found = interval(differences)
    p = _sign_flips(differences.mean(0))
    return Paired(found.mean, found.low, found.high, p, _seeds_test(differences), len(differences))


def holm(ps: Sequence[float]) -> list[float]:
    """The p values of one family of tests, adjusted so that any false alarm among them stays as rare as for one.

    Equation: p̃_(i) = max over j <= i of min(1, (m - j + 1) · p_(j)), p_(1) <= … <= p_(m).

    Source: Holm 1979, A simple sequentially rejective multiple test procedure.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    adjusted = [0.0] * len(ps)
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(ps)), key=lambda place: ps[place])):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[place]))
        adjusted[place] = largest
    return adjusted


def verdict(paired: Paired, p_holm: float, alpha: float = 0.05) -> Verdict:
    """Whether the first of a pair is shown to be higher or lower than the second.

    It takes both: p_holm < alpha, `p_both` after its correction, says that neither samples nor seeds account for it
    in spite of all the other comparisons made; an interval without 0 says so of both at once.
    """
    if p_holm < alpha and paired.low > 0:
        return "higher"
    if p_holm < alpha and paired.high < 0:
        return "lower"
    return "no difference shown"


def pareto(points: Sequence[tuple[float, float]]) -> list[int]:
    """Which points (cost, accuracy) no other one beats, by increasing cost; equal points stand or fall together.

    Example:
        >>> pareto([(2.0, 0.9), (1.0, 0.8), (3.0, 0.85)])
        [1, 0]
    """
    front: list[int] = []
    for place in sorted(range(len(points)), key=lambda place: (points[place][0], -points[place][1])):
        if not front or points[place][1] > points[front[-1]][1] or points[place] == points[front[-1]]:
            front.append(place)
    return front


def _table(values: Shaped[np.ndarray, "S n"]) -> Float[np.ndarray, "S n"]:
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or not table.size:
        raise UsageError(f"values of shape {table.shape}; give one row a seed and one column a sample")
    if not np.isfinite(table).all():
        raise UsageError(f"{(~np.isfinite(table)).sum()} values that are not finite; leave their seeds out")
    return table


def _bootstrap(table: Float[np.ndarray, "S n"]) -> Float[np.ndarray, "draws"]:
    num_seeds, num_samples = table.shape
    rng = np.random.default_rng(0)
    seeds = rng.multinomial(num_seeds, [1 / num_seeds] * num_seeds, DRAWS) / num_seeds
    # Samples on which all seeds did the same are drawn together; sorted, so their order says nothing.
    patterns, counts = np.unique(table, axis=1, return_counts=True)
    stretch = _stretch(num_seeds)
    drawn = []
    for rows in _chunks(DRAWS, len(counts)):
        by_seed = rng.multinomial(num_samples, counts / num_samples, rows.stop - rows.start) @ patterns.T
        # The stretch acts on the seeds as they were; what a draw of samples changes stays as it is.
        drawn.append((seeds[rows] * by_seed).sum(1) / num_samples)
    distances = table.mean(1) - table.mean()
    return np.concatenate(drawn) + (stretch - 1) * seeds @ distances


def _stretch(num_seeds: int) -> float:
    if num_seeds == 1:
        return 1.0
    tail = (1 + LEVEL) / 2
    student = stats.t.ppf(tail, num_seeds - 1) / stats.norm.ppf(tail)
    return float(math.sqrt(num_seeds / (num_seeds - 1)) * student)


def _chunks(rows: int, width: int) -> Iterator[slice]:
    step = max(1, CHUNK // width)
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))


def _sign_flips(differences: Float[np.ndarray, "n"]) -> float:
    """The share of 20,000 draws of signs whose sum is as far from 0, the observed signs among them."""
    # Sums over seeds in another order differ in the last digits, which would take equal sizes apart.
    sizes, counts = np.unique(np.abs(differences).round(12), return_counts=True)
    if not sizes.any():
        return 1.0
    observed = abs(differences.sum()) - 1e-9 * sizes.max()
    rng = np.random.default_rng(0)
    as_far = 0
    for rows in _chunks(FLIPS, len(sizes)):
        positive = rng.binomial(counts, 0.5, (rows.stop - rows.start, len(sizes)))
        as_far += int((np.abs((2 * positive - counts) @ sizes) >= observed).sum())
    return (1 + as_far) / (1 + FLIPS)


def _seeds_test(differences: Float[np.ndarray, "S n"]) -> float | None:
    """The paired t test over seeds, whose accuracies come in whole samples: seeds that agree do so to a part of one.

    Equation: t = d̄ / √((s² + r²/12) / S), r the step in which a seed's difference can change, r²/12 what that hides.
    """
    by_seed = differences.mean(1)
    if len(by_seed) == 1:
        return None
    sizes = np.abs(differences[differences != 0])
    if not sizes.size:
        return 1.0
    step = sizes.min() / differences.shape[1]
    error = math.sqrt((by_seed.var(ddof=1) + step**2 / 12) / len(by_seed))
    return float(2 * stats.t.sf(abs(by_seed.mean()) / error, len(by_seed) - 1))
