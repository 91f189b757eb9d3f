"""Errors for the caller: one line that says what was found, where, and how to mend it."""

from collections.abc import Iterable
from difflib import get_close_matches


class UsageError(ValueError):
    """A request that cannot be met as given; the command line prints its one line and exits with 2."""


class TrainingError(RuntimeError):
    """A training that had to stop (a loss that is not a number, say); its one line says where and what is kept."""


def unknown(kind: str, name: object, options: Iterable[str]) -> UsageError:
    """The error for a name that is in no table: the nearest names first, else all of them.

    Example:
        >>> print(unknown("attention", "bas", ["bsa", "ssa", "softmax"]))
        unknown attention 'bas'; did you mean 'bsa'?
    """
    known = sorted(options)
    near = get_close_matches(str(name), known, n=3, cutoff=0.5)
    if near:
        return UsageError(f"unknown {kind} {name!r}; did you mean {' or '.join(repr(n) for n in near)}?")
    return UsageError(f"unknown {kind} {name!r}; known: {', '.join(known)}")
