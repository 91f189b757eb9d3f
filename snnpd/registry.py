"""Names to callables: explicit tables of `name -> "module:callable"`, imported only when asked for."""

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from snnpd.errors import UsageError, unknown


def resolve(kind: str, name: str, table: Mapping[str, str]) -> Callable[..., Any]:
    """The callable that `name` stands for in `table`.

    Raises:
        UsageError: no such name; the message gives the nearest ones.
    """
    if name not in table:
        raise unknown(kind, name, table)
    module, _, attribute = table[name].partition(":")
    target = getattr(import_module(module), attribute)
    if not callable(target):
        raise TypeError(f"{table[name]} is not callable")
    return target


def create(kind: str, name: str, table: Mapping[str, str], *args: Any, **options: Any) -> Any:
    """Calls what `name` stands for; an option that it does not take is refused with the nearest names.

    Raises:
        UsageError: no such name, or no such option.
    """
    target = resolve(kind, name, table)
    accepted = accepted_options(target)
    for option in options:
        if option not in accepted:
            raise UsageError(f"{kind} {name!r}: {unknown('option', option, accepted)}")
    return target(*args, **options)


def accepted_options(target: Callable[..., Any]) -> list[str]:
    """The keyword options of a callable; where a class hands `**options` on to its base, those of the base too."""
    bases = inspect.getmro(target) if inspect.isclass(target) else ()
    layers = [vars(base)["__init__"] for base in bases if "__init__" in vars(base)] or [target]
    accepted: list[str] = []
    for layer in layers:
        parameters = inspect.signature(layer).parameters.values()
        accepted += [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in accepted]
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return accepted
