"""A part of a data set has samples of the whole; to test, the same for every seed."""

import pytest
import torch

from snnpd import create_dataset
from snnpd.cli import main
from snnpd.datasets.limit import limit


def test_a_part_is_drawn_once_and_keeps_its_samples() -> None:
    whole = create_dataset("digits", augment=False)
    part = limit(whole, 100, 50)
    assert (len(part.train), len(part.test), len(part.val)) == (100, 50, len(whole.val))  # type: ignore[arg-type]
    indices = part.train.indices  # type: ignore[attr-defined]
    assert len(set(indices.tolist())) == 100
    assert sorted(indices) == indices.tolist()
    for number in (0, 57, 99):
        x, y = part.train[number]
        x_whole, y_whole = whole.train[int(indices[number])]
        assert torch.equal(x, x_whole)
        assert y == y_whole
    again = limit(create_dataset("digits", augment=False, seed=3), 100, 50)
    assert again.test.indices.tolist() == part.test.indices.tolist()  # type: ignore[attr-defined]
    assert len({part.train[i][1] for i in range(100)}) == 10


def test_no_limit_and_a_large_one_leave_the_whole() -> None:
    whole = create_dataset("digits")
    same = limit(whole, None, 10**6)
    assert same.train is whole.train
    assert same.test is whole.test


def test_augmentation_follows_the_epoch_and_series_keep_their_length() -> None:
    part = limit(create_dataset("digits"), 20, None).train
    part.set_epoch(1)  # type: ignore[attr-defined]
    first = torch.stack([part[i][0] for i in range(20)])
    part.set_epoch(2)  # type: ignore[attr-defined]
    assert not torch.equal(first, torch.stack([part[i][0] for i in range(20)]))
    part.set_epoch(1)  # type: ignore[attr-defined]
    assert torch.equal(first, torch.stack([part[i][0] for i in range(20)]))
    vowels = create_dataset("japanese_vowels")
    assert limit(vowels, 20, 20).test.max_length == vowels.test.max_length  # type: ignore[attr-defined]


@pytest.mark.parametrize("value", ["0", "-3"])
def test_no_samples_are_refused(value: str) -> None:
    assert main(["train", "--data.max_train", value]) == 2
