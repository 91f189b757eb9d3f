"""Numbers as people read them."""

from collections.abc import Callable

import pytest

from snnpd.energy.page.formats import (
    format_count,
    format_energy,
    format_exact,
    format_price,
    format_ratio,
    format_share,
    format_spread,
    format_tick,
    ticks,
)


@pytest.mark.parametrize(
    ("energy_pj", "text"),
    [
        (0.0, "0 pJ"),
        (0.00151, "0.00151 pJ"),
        (1.0, "1.00 pJ"),
        (999.4, "999 pJ"),
        # rounds to the next unit
        (999.5, "1.00 nJ"),
        (9_996.0, "10.0 nJ"),
        (1.234e6, "1.23 µJ"),
        (7.73e9, "7.73 mJ"),
        (5e15, "5000 J"),
    ],
)
def test_energies(energy_pj: float, text: str) -> None:
    assert format_energy(energy_pj) == text


@pytest.mark.parametrize(
    ("mean", "std", "parts"),
    [
        (12_345.0, 678.0, ("12.3", "0.7", "nJ")),
        (12_345.0, 1.0, ("12.3", "0.0", "nJ")),
        (1.5e6, 2e6, ("1.50", "2.00", "µJ")),
        (0.0, 0.0, ("0", "0", "pJ")),
    ],
)
def test_means_and_their_spread_share_a_unit(mean: float, std: float, parts: tuple[str, str, str]) -> None:
    assert format_spread(mean, std) == parts


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (format_count, 0.0, "0"),
        (format_count, 12.0, "12"),
        (format_count, 0.0625, "0.0625"),
        (format_count, 99.96, "100"),
        (format_count, 1_234_567.5, "1,234,568"),
        (format_exact, 1_234_567.5, "1,234,567.5"),
        (format_exact, 1_200.0, "1,200"),
        # what is left of a sum of tenths
        (format_exact, 0.1 + 0.2, "0.3"),
        (format_exact, 4_069_785.600000001, "4,069,785.6"),
        (format_price, 0.026250000000000002, "0.02625 pJ"),
        (format_price, 4.6000000000000005, "4.6 pJ"),
        (format_share, 0.0, "0.0 %"),
        (format_share, 1e-7, "<0.1 %"),
        (format_share, 0.955, "95.5 %"),
        (format_ratio, 5.4, "5.40 ×"),
        (format_tick, 2_500.0, "2.5 nJ"),
        (format_tick, 0.0, "0"),
    ],
)
def test_other_numbers(write: Callable, value: float, text: str) -> None:
    assert write(value) == text


@pytest.mark.parametrize(
    ("peak", "expected"),
    [
        (9.4, [0, 2, 4, 6, 8, 10]),
        (1.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.33, [0, 0.1, 0.2, 0.3, 0.4]),
        (2_600.0, [0, 500, 1_000, 1_500, 2_000, 2_500, 3_000]),
        (0.0, [0, 1]),
    ],
)
def test_ticks_are_round_and_reach_the_peak(peak: float, expected: list[float]) -> None:
    assert ticks(peak) == pytest.approx(expected)
    assert ticks(peak)[-1] >= peak
