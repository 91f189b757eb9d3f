"""Numbers as people read them: three digits and a prefix, or all digits in groups of three."""

from decimal import Decimal
from math import ceil, floor, log10

_UNITS = {"pJ": 1.0, "nJ": 1e3, "µJ": 1e6, "mJ": 1e9, "J": 1e12}


def energy_unit(energy_pj: float) -> str:
    """The largest unit that leaves at least one before the point, once the energy is rounded to three digits."""
    rounded = float(f"{abs(energy_pj):.2e}")
    return next((unit for unit in reversed(_UNITS) if rounded >= _UNITS[unit]), "pJ")


def format_energy(energy_pj: float) -> str:
    """An energy to three digits.

    Example:
        >>> [format_energy(e) for e in (0, 0.0125, 999.7, 12_345)]
        ['0 pJ', '0.0125 pJ', '1.00 nJ', '12.3 nJ']
    """
    unit = energy_unit(energy_pj)
    value = energy_pj / _UNITS[unit]
    return f"{value:.{_decimals(value)}f} {unit}"


def format_spread(mean_pj: float, std_pj: float) -> tuple[str, str, str]:
    """A mean to three digits, its standard deviation to as many decimals, and the unit of both."""
    unit = energy_unit(mean_pj)
    mean, std = mean_pj / _UNITS[unit], std_pj / _UNITS[unit]
    decimals = _decimals(mean)
    return f"{mean:.{decimals}f}", f"{std:.{decimals}f}", unit


def format_price(energy_pj: float) -> str:
    """A price to four digits, without zeros at its end."""
    return f"{format_exact(float(f'{energy_pj:.3e}'))} pJ"


def format_tick(energy_pj: float) -> str:
    """An energy at an axis, without zeros at its end."""
    unit = energy_unit(energy_pj)
    return f"{energy_pj / _UNITS[unit]:.10g} {unit}" if energy_pj else "0"


def format_count(count: float) -> str:
    """A count in groups of three digits; a small mean keeps three digits."""
    return f"{count:,.0f}" if count >= 100 or count == int(count) else f"{count:.{_decimals(count)}f}"


def format_ratio(ratio: float) -> str:
    """A ratio to three digits."""
    return f"{ratio:.{_decimals(ratio)}f} ×"


def format_exact(value: float) -> str:
    """Twelve digits, which is more than rounding in sums disturbs, in groups of three and without zeros at the end."""
    text = f"{Decimal(f'{value:.12g}'):,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def format_share(share: float) -> str:
    """A share in per cent; what is there at all is not called nothing."""
    return "<0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"


def ticks(peak: float, num: int = 5) -> list[float]:
    """Round numbers from 0 to the first that is not below the peak, about `num` steps of 1, 2 or 5 · 10^k."""
    if peak <= 0:
        return [0.0, 1.0]
    power = 10.0 ** floor(log10(peak / num))
    step = next(power * digit for digit in (1, 2, 5, 10) if power * digit * (num + 0.5) >= peak)
    return [step * i for i in range(ceil(peak / step * (1 - 1e-12)) + 1)]


def _decimals(value: float) -> int:
    rounded = float(f"{abs(value):.2e}")
    return max(0, 2 - floor(log10(rounded))) if rounded else 0
