"""Pickles of plain data and numpy arrays, walked step by step: nothing that they name is looked up or called."""

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Names = Mapping[tuple[str, str], str]

_LITERALS = frozenset(
    (
        "BININT", "BININT1", "BININT2", "LONG1",
        "BINSTRING", "SHORT_BINSTRING", "BINUNICODE", "SHORT_BINUNICODE", "BINBYTES", "SHORT_BINBYTES",
    )
)  # fmt: skip
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class RefusedError(Exception):
    """Says which name a pickle asks for that nobody admitted."""


@dataclass(eq=False)
class Noted:
    """A name in a pickle, with what the pickle would have called it with and the state it would have set."""

    name: str
    arguments: tuple[Any, ...] | None = None
    state: Any = None


def walk_pickle(data: bytes, admitted: Names) -> Any:
    """The data that a pickle describes, each call in it as a `Noted` of the name that `admitted` gives to it.

    The name "encode" stands for `_codecs.encode`, which is how Python 3 writes bytes for Python 2: these become
    bytes. Python 2's strings, which have no encoding, become text in Latin 1, one character for each byte.
    Everything is as large as the bytes that are there: Python's own reader makes room for as many as a number
    in the file says, and overflows the stack when it hashes a deep tuple.

    Raises:
        RefusedError: a name that is not admitted.
        ValueError, TypeError, IndexError, KeyError: a damaged pickle, or one of anything but plain data.
    """
    walker = _Walker(admitted)
    for opcode, argument, _ in pickletools.genops(data):
        name = opcode.name
        if name in _LITERALS:
            walker.stack.append(argument)
        elif name == "STOP":
            return walker.stack.pop()
        elif name in _CONSTANTS:
            walker.stack.append(_CONSTANTS[name])
        elif name in _TUPLES:
            walker.make_tuple([walker.stack.pop() for _ in range(_TUPLES[name])][::-1])
        elif name in _STEPS:
            _STEPS[name](walker, argument)
        else:
            raise ValueError(f"the step {name} has no place in plain data")
    raise ValueError("it ends before its last step")


class _Walker:
    def __init__(self, admitted: Names):
        self.admitted = admitted
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def mark(self) -> None:
        self.below.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.below.pop()
        return items

    def make_tuple(self, items: list[Any]) -> None:
        self.stack.append(tuple(items))

    def extend(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise TypeError("a step puts items into what is no list")
        self.stack[-1].extend(items)

    def update(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], dict):
            raise TypeError("a step puts items into what is no dictionary")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str | bytes):
                raise TypeError(f"a dictionary has a key of type {type(key).__name__}")
            self.stack[-1][key] = value

    def name(self, module: str, name: str) -> None:
        if (module, name) not in self.admitted:
            raise RefusedError(f"{module}.{name}")
        self.stack.append(Noted(self.admitted[module, name]))

    def call(self) -> None:
        arguments, called = self.stack.pop(), self.stack.pop()
        if not isinstance(called, Noted) or not isinstance(arguments, tuple):
            raise TypeError("a step calls what is no name")
        if called.name == "encode":
            text, encoding = arguments
            if encoding != "latin1":
                raise ValueError(f"bytes written in {encoding!r}")
            self.stack.append(text.encode("latin1"))
        else:
            self.stack.append(Noted(called.name, arguments))

    def set_state(self) -> None:
        state = self.stack.pop()
        if not isinstance(self.stack[-1], Noted):
            raise TypeError("a step sets the state of what is no object")
        self.stack[-1].state = state


def _remember(walker: _Walker, place: int | None) -> None:
    walker.memo[len(walker.memo) if place is None else place] = walker.stack[-1]


def _name_on_stack(walker: _Walker, _: Any) -> None:
    name, module = walker.stack.pop(), walker.stack.pop()
    walker.name(str(module), str(name))


_STEPS: dict[str, Callable[[_Walker, Any], None]] = {
    "PROTO": lambda walker, _: None,
    "FRAME": lambda walker, _: None,
    "MARK": lambda walker, _: walker.mark(),
    "EMPTY_DICT": lambda walker, _: walker.stack.append({}),
    "EMPTY_LIST": lambda walker, _: walker.stack.append([]),
    "TUPLE": lambda walker, _: walker.make_tuple(walker.since_mark()),
    "APPEND": lambda walker, _: walker.extend([walker.stack.pop()]),
    "APPENDS": lambda walker, _: walker.extend(walker.since_mark()),
    "SETITEM": lambda walker, _: walker.update([walker.stack.pop(-2), walker.stack.pop()]),
    "SETITEMS": lambda walker, _: walker.update(walker.since_mark()),
    "BINPUT": _remember,
    "LONG_BINPUT": _remember,
    "MEMOIZE": _remember,
    "BINGET": lambda walker, place: walker.stack.append(walker.memo[place]),
    "LONG_BINGET": lambda walker, place: walker.stack.append(walker.memo[place]),
    "GLOBAL": lambda walker, names: walker.name(*names.split(" ", 1)),
    "STACK_GLOBAL": _name_on_stack,
    "REDUCE": lambda walker, _: walker.call(),
    "BUILD": lambda walker, _: walker.set_state(),
}
