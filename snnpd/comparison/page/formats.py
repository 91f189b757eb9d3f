"""Numbers of a comparison as people read them: shares in per cent, differences with a sign, small p as a bound."""

from math import floor, log10

from snnpd.comparison.page.rows import Spread
from snnpd.energy.page.formats import format_exact, format_spread

_LEAST = 0.0001


def per_cent(share: float, digits: int = 1) -> str:
    """A share in per cent.

    Example:
        >>> per_cent(0.9531)
        '95.3 %'
    """
    return f"{100 * share:.{digits}f} %"


def signed(value: float, digits: int) -> str:
    """A number with its sign, which is a minus and no hyphen; what rounds to nothing has none."""
    text = f"{value:+.{digits}f}"
    return text.replace("-", "−") if float(text) else text[1:]


def plain(value: float) -> str:
    """A number to three digits and four decimals at most, without a power of ten.

    Example:
        >>> [plain(v) for v in (0.012345, 12.34, 123456.0, 1e-7)]
        ['0.0123', '12.3', '123,456', '<0.0001']
    """
    if 0 < abs(value) < _LEAST / 2:
        return f"{'>−' if value < 0 else '<'}{_LEAST}"
    text = format_exact(round(value) if abs(value) >= 100 else round(float(f"{value:.3g}"), 4))
    return text.replace("-", "−")


def p_value(p: float | None) -> str:
    """A p to two digits; below 0.001 only that it is."""
    if p is None:
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.2g}" if p < 0.1 else f"{p:.2f}"


def spread_per_cent(spread: Spread) -> str:
    """Mean and standard deviation of a share, in per cent."""
    return f"{100 * spread.mean:.1f}{_deviation(100 * (spread.std or 0.0), 1)} %"


def spread_plain(spread: Spread) -> str:
    """Mean and standard deviation to the same decimals, such as leave three digits of the mean."""
    if not spread.std:
        return plain(spread.mean)
    digits = max(0, min(4, 2 - floor(log10(abs(spread.mean) or spread.std))))
    return f"{spread.mean:.{digits}f}".replace("-", "−") + _deviation(spread.std, digits)


def spread_energy(spread: Spread) -> str:
    """Mean and standard deviation of an energy, in one unit."""
    mean, std, unit = format_spread(spread.mean, spread.std or 0.0)
    if not spread.std:
        return f"{mean} {unit}"
    return f"{mean} ± {std if float(std) else f'<{_least(mean)}'} {unit}"


def _deviation(std: float, digits: int) -> str:
    """What follows a mean; a deviation that rounds to nothing is told by the bound it is below."""
    if not std:
        return ""
    shown = f"{std:.{digits}f}"
    return f" ± {shown if float(shown) else f'<{_least(shown)}'}"


def _least(text: str) -> str:
    """One in the last place of a number: 0.01 of 5.24."""
    digits = len(text.partition(".")[2])
    return f"{10.0**-digits:.{digits}f}"


def duration(seconds: float) -> str:
    """A time as people say it.

    Example:
        >>> [duration(s) for s in (12.34, 200, 5000)]
        ['12.3 s', '3 min 20 s', '1 h 23 min']
    """
    if seconds < 60:
        return f"{plain(seconds)} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
