"""The table of data sets: every row stands, and all share their common options."""

import inspect

import pytest

import snnpd
from snnpd.datasets.table import DATASETS
from snnpd.errors import UsageError
from snnpd.registry import accepted_options, resolve

WITH_FILES = {
    "ts",
    "idx",
    "mnist",
    "fashion_mnist",
    "cifar10",
    "cifar100",
    "japanese_vowels",
    "basic_motions",
}


@pytest.mark.parametrize("name", DATASETS)
def test_common_options(name: str) -> None:
    factory = resolve("data set", name, DATASETS)
    options = accepted_options(factory)
    assert {"seed", "val_fraction"} <= set(options)
    assert ("root" in options) == (name in WITH_FILES)
    assert "Licence" in factory.__doc__ or "licence" in factory.__doc__ or "CC BY" in factory.__doc__
    # Options only: a data set is made by name from a configuration, which knows no positions.
    kinds = {parameter.kind for parameter in inspect.signature(factory).parameters.values()}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY}


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
