"""Options by name: what a configuration may say."""

from collections.abc import Sequence

import numpy as np
import pytest

from snnpd.errors import UsageError
from snnpd.registry import accepted_options, create

TABLE = {"thing": "snnpd.registry:Thing", "fit": "snnpd.registry:fit"}


class Base:
    def __init__(self, size: float, *, rate: float = 0.5, deep: bool = False):
        self.given = size, rate, deep


class Thing(Base):
    def __init__(self, size: float, *, name: str = "", kind: int | None = 3, **options: object):
        super().__init__(size, **options)
        self.named = name, kind


def fit(*, size: int | Sequence[int] = 3, table: tuple[int, ...] = (1,)) -> object:
    return size, table


@pytest.fixture(autouse=True)
def things(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("snnpd.registry.Thing", Thing, raising=False)
    monkeypatch.setattr("snnpd.registry.fit", fit, raising=False)


def test_options_reach_the_base() -> None:
    thing = create("thing", "thing", TABLE, 2.0, name="x", kind=None, rate=1, deep=True)
    assert (thing.given, thing.named) == ((2.0, 1, True), ("x", None))
    assert accepted_options(Thing) == ["name", "kind", "rate", "deep"]
    assert create("thing", "thing", TABLE, 1.0, kind=np.int64(4), rate=np.float32(0.5)).named == ("", 4)


@pytest.mark.parametrize("options", [{"size": "anything"}, {"size": [1]}, {"table": (1, 2)}])
def test_types_that_are_not_simple_are_left_to_the_callable(options: dict) -> None:
    assert create("thing", "fit", TABLE, **options) == (options.get("size", 3), options.get("table", (1,)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "4"}, "thing 'thing': option 'kind' is '4'; give a whole number or null"),
        ({"kind": 4.0}, "option 'kind' is 4.0; give a whole number or null"),
        ({"kind": True}, "option 'kind' is True; give a whole number or null"),
        ({"rate": "fast"}, "option 'rate' is 'fast'; give a number"),
        ({"rate": None}, "option 'rate' is None; give a number"),
        ({"deep": 1}, "option 'deep' is 1; give true or false"),
        ({"deep": "yes"}, "option 'deep' is 'yes'; give true or false"),
        ({"name": ["a"]}, "option 'name' is \\['a'\\]; give text"),
        ({"rat": 1}, "unknown option 'rat'; did you mean 'rate'"),
    ],
)
def test_options_that_do_not_fit(options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        create("thing", "thing", TABLE, 1.0, **options)
