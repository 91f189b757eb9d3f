"""Collating, sampling and loading."""

from itertools import chain

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset

from snnpd.datasets.digits import digits
from snnpd.datasets.loading import EpochSampler, collate, make_loader, set_epoch
from snnpd.datasets.splits import Batch, TimedSample
from snnpd.errors import UsageError


def samples(*shape: int, num: int = 3) -> list[tuple[Tensor, int]]:
    return [(torch.randn(shape), label) for label in range(num)]


def test_images_are_stacked() -> None:
    given = samples(2, 5, 4)
    batch = collate(given)
    assert batch.x.shape == (3, 2, 5, 4)
    assert torch.equal(batch.x[1], given[1][0])
    assert batch.y.tolist() == [0, 1, 2]
    assert batch.mask is None


def test_frames_are_stacked_time_first() -> None:
    given = samples(6, 2, 5, 4)
    batch = collate(given)
    assert batch.x.shape == (6, 3, 2, 5, 4)
    assert torch.equal(batch.x[:, 2], given[2][0])


@pytest.mark.parametrize(("pad_to", "length"), [(None, 5), (9, 9)])
def test_series_are_padded_and_masked(pad_to: int | None, length: int) -> None:
    given = [(torch.ones(n, 2) * (n + 1), n) for n in (3, 5, 1)]
    batch = collate(given, pad_to)
    assert batch.x.shape == (3, length, 2)
    assert batch.mask.tolist() == [[token < n for token in range(length)] for n in (3, 5, 1)]
    assert torch.equal(batch.x[..., 0], batch.mask * torch.tensor([[4.0], [6.0], [2.0]]))


def timed(*lengths: int) -> list[TimedSample]:
    return [TimedSample(torch.ones(n, 2), n, 1e9 + torch.arange(n).double() / 8) for n in lengths]


@pytest.mark.parametrize(("pad_to", "length"), [(None, 5), (9, 9)])
def test_time_stamps_are_padded_alongside(pad_to: int | None, length: int) -> None:
    batch = collate(timed(3, 5, 1), pad_to)
    assert batch.y.tolist() == [3, 5, 1]
    assert batch.times.shape == (3, length)
    # In float32 all of them would be 1e9.
    assert batch.times[1, :5].tolist() == [1e9, 1e9 + 0.125, 1e9 + 0.25, 1e9 + 0.375, 1e9 + 0.5]
    assert not batch.times[~batch.mask].any()
    assert batch.times[batch.mask].min() == 1e9
    assert collate(samples(6, 2)).times is None


@pytest.mark.parametrize(
    ("given", "pad_to", "message"),
    [
        ([*timed(3), *samples(6, 2)], None, "1 of 4 samples have time stamps"),
        (
            [TimedSample(torch.ones(3, 2), 0, torch.ones(2).double())],
            None,
            "3 tokens has time stamps of shape",
        ),
        (samples(4), None, r"a sample has shape \(4,\)"),
        (samples(6, 2), 5, "a series has 6 tokens, pad_to is 5"),
    ],
)
def test_samples_that_make_no_batch(given: list, pad_to: int | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        collate(given, pad_to)


def order(sampler: EpochSampler, epoch: int) -> list[int]:
    sampler.set_epoch(epoch)
    indices = list(sampler)
    assert len(indices) == len(sampler)
    return indices


@pytest.mark.parametrize(("num_samples", "world_size"), [(20, 1), (23, 2), (23, 4)])
def test_shards(num_samples: int, world_size: int) -> None:
    def shards(shuffle: bool, epoch: int = 1) -> list[list[int]]:
        return [
            order(EpochSampler(num_samples, shuffle=shuffle, rank=rank, world_size=world_size), epoch)
            for rank in range(world_size)
        ]

    evaluation = shards(shuffle=False)
    assert sorted(chain(*evaluation)) == list(range(num_samples))
    training = shards(shuffle=True)
    assert {len(shard) for shard in training} == {num_samples // world_size}
    assert len(set(chain(*training))) == num_samples // world_size * world_size
    assert training != shards(shuffle=True, epoch=2)


def test_order_is_a_function_of_seed_and_epoch() -> None:
    assert order(EpochSampler(50, shuffle=True, seed=3), 4) == order(
        EpochSampler(50, shuffle=True, seed=3), 4
    )
    orders = [order(EpochSampler(50, shuffle=True, seed=s), e) for s, e in ((0, 0), (0, 1), (1, 0), (1, 1))]
    assert len({tuple(one) for one in orders}) == 4
    assert order(EpochSampler(5, shuffle=False), 3) == [0, 1, 2, 3, 4]


def batches(num_workers: int, epoch: int) -> list[Batch]:
    loader = make_loader(digits(seed=1).train, 100, shuffle=True, seed=5, num_workers=num_workers)
    set_epoch(loader, epoch)
    return list(loader)


# Python 3.12 and later warn of any fork once torch has started its threads.
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_workers_change_nothing() -> None:
    before = torch.random.get_rng_state()
    alone, by_two = batches(0, epoch=3), batches(2, epoch=3)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert sum(len(batch.y) for batch in alone) == 1293
    for one, other in zip(alone, by_two, strict=True):
        assert torch.equal(one.x, other.x)
        assert torch.equal(one.y, other.y)


class Stamps(Dataset):
    def __len__(self) -> int:
        return 9

    def __getitem__(self, index: int) -> TimedSample:
        return timed(index + 1)[0]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_workers_bring_time_stamps() -> None:
    alone, by_two = (list(make_loader(Stamps(), 4, shuffle=True, num_workers=n)) for n in (0, 2))
    assert [len(batch.y) for batch in alone] == [4, 4, 1]
    for one, other in zip(alone, by_two, strict=True):
        assert torch.equal(one.times, other.times)
        assert other.times.max() >= 1e9


def test_epochs_change_order_and_augmentation() -> None:
    first, second = batches(0, epoch=0)[0], batches(0, epoch=1)[0]
    assert not torch.equal(first.y, second.y)
    train = digits(seed=1).train
    loader = make_loader(train, 10, shuffle=False)
    fixed = next(iter(loader))
    set_epoch(loader, 1)
    moved = next(iter(loader))
    assert torch.equal(fixed.y, moved.y)
    assert not torch.equal(fixed.x, moved.x)


def test_distributed_evaluation_sees_every_sample_once() -> None:
    test = digits().test
    labels = [
        torch.cat([b.y for b in make_loader(test, 64, shuffle=False, rank=r, world_size=7)]) for r in range(7)
    ]
    assert np.array_equal(np.sort(torch.cat(labels)), np.sort(test.labels))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"batch_size": 361, "drop_last": True}, "leave no full batch of 361"),
        ({"batch_size": 2, "world_size": 400}, "360 samples over 400 processes"),
        ({"batch_size": 2, "rank": 2, "world_size": 2}, "rank 2 of 2 processes"),
        ({"batch_size": 2, "seed": -3}, "seed is -3"),
    ],
)
def test_loaders_that_cannot_be(options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make_loader(digits().test, shuffle=True, **options)
