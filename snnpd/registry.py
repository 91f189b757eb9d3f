"""Names to callables: explicit tables of `name -> "module:callable"`, imported only when asked for."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from snnpd.errors import UsageError, unknown

# What a value of a configuration file may be for an option of that type, and how to say it.
_SCALARS: dict[Any, tuple[type, str]] = {
    int: (Integral, "a whole number"),
    float: (Real, "a number"),
    bool: (bool, "true or false"),
    str: (str, "text"),
    NoneType: (NoneType, "null"),
}


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


def create(kind: str, name: str, table: Mapping[str, str], /, *args: Any, **options: Any) -> Any:
    """Calls what `name` stands for; an option that it does not take is refused with the nearest names.

    Raises:
        UsageError: no such name, no such option, or text where an option is a number and the like.
    """
    target = resolve(kind, name, table)
    annotations = dict(_keyword_options(target))
    for option, value in options.items():
        if option not in annotations:
            raise UsageError(f"{kind} {name!r}: {unknown('option', option, list(annotations))}")
        wanted = _mismatch(value, annotations[option])
        if wanted:
            raise UsageError(f"{kind} {name!r}: option {option!r} is {value!r}; give {wanted}")
    return target(*args, **options)


def accepted_options(target: Callable[..., Any]) -> list[str]:
    """The keyword options of a callable; where a class hands `**options` on to its base, those of the base too."""
    return list(dict(_keyword_options(target)))


def _keyword_options(target: Callable[..., Any]) -> Iterator[tuple[str, Any]]:
    """The names and annotations of the options, those of a base last and only where they are new."""
    bases = inspect.getmro(target) if inspect.isclass(target) else ()
    layers = [vars(base)["__init__"] for base in bases if "__init__" in vars(base)] or [target]
    seen: set[str] = set()
    for layer in layers:
        parameters = inspect.signature(layer).parameters.values()
        own = [p for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in seen]
        yield from ((p.name, p.annotation) for p in own)
        seen.update(p.name for p in own)
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break


def _mismatch(value: Any, annotation: Any) -> str:
    """What to give instead of `value`, in words; empty where it fits, or where the type is no simple one."""
    kinds = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    if not all(isinstance(kind, type) and kind in _SCALARS for kind in kinds):
        return ""
    # Python calls True a whole number.
    fits = (bool in kinds,) if isinstance(value, bool) else (isinstance(value, _SCALARS[k][0]) for k in kinds)
    return "" if any(fits) else " or ".join(_SCALARS[kind][1] for kind in kinds)
