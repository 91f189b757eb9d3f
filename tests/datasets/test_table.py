"""The table of data sets: every row stands, and all share their common options."""

import inspect
import re

import pytest

import snnpd
from snnpd.datasets.facts import FACTS, KINDS
from snnpd.datasets.table import DATASETS
from snnpd.errors import UsageError
from snnpd.registry import accepted_options, resolve

# All others read files from a folder of the user's.
WITHOUT_FILES = {"digits", "event_digits", "listops", "pathfinder"}


@pytest.mark.parametrize("name", DATASETS)
def test_common_options(name: str) -> None:
    factory = resolve("data set", name, DATASETS)
    options = accepted_options(factory)
    assert {"seed", "val_fraction"} <= set(options)
    assert ("root" in options) == (name not in WITHOUT_FILES)
    # Options only: a data set is made by name from a configuration, which knows no positions.
    kinds = {parameter.kind for parameter in inspect.signature(factory).parameters.values()}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY}


def test_facts_are_known_of_every_set() -> None:
    assert set(FACTS) == set(DATASETS)
    assert {facts.kind for facts in FACTS.values()} == set(KINDS)
    assert all(all(facts) for facts in FACTS.values())


@pytest.mark.parametrize("name", ["digits", "event_digits", "basic_motions"])
def test_facts_are_true(name: str) -> None:
    splits = snnpd.create_dataset(name, val_fraction=0)
    facts = FACTS[name]
    assert facts.size == f"{len(splits.train):,} / {len(splits.test):,}"
    assert facts.classes == str(splits.num_classes)
    tokens = "×" if splits.kind == "image" else " × "
    numbers = [int(number.replace(",", "")) for number in re.findall(r"[0-9][0-9,]*", facts.sample)]
    assert numbers[-len(splits.input_shape) + 1 :] == list(splits.input_shape[1:])
    assert tokens in facts.sample or splits.kind != "series"


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("digitz", {}, "unknown data set 'digitz'; did you mean 'digits'"),
        ("digits", {"sede": 1}, "data set 'digits': unknown option 'sede'; did you mean 'seed'"),
        (
            "cifar10",
            {"root": "nowhere"},
            "cifar10: found no folder cifar-10-batches-bin or cifar-10-batches-py",
        ),
    ],
)
def test_requests_that_cannot_be_met(name: str, options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        snnpd.create_dataset(name, **options)


def test_the_face_gives_the_parts() -> None:
    splits = snnpd.create_dataset("digits", seed=3, val_fraction=0.2, augment=False)
    assert [len(part) for part in (splits.train, splits.val, splits.test)] == [1150, 287, 360]
    assert splits.name == "digits"
