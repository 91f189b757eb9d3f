"""The laws that every data set obeys; a set's test inherits them and says how it is made."""

import pickle
from collections import Counter
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from snnpd.datasets.loading import make_loader, set_epoch
from snnpd.datasets.splits import Splits
from snnpd.errors import UsageError

SAMPLE_AXES = {"image": 3, "frames": 4, "series": 2}


def raw(dataset: Any) -> list[bytes]:
    """Every sample as it was read, before augmentation and standardisation."""
    rows = dataset.data if hasattr(dataset, "data") else dataset.series
    return [row.numpy().tobytes() for row in rows]


def items(dataset: Any, indices: range | None = None) -> list[tuple[Tensor, int]]:
    return [dataset[i][:2] for i in indices or range(len(dataset))]


def begin(dataset: Any, num: int) -> range:
    """The first `num` samples, or all of a small part; never none."""
    assert len(dataset) > 0
    return range(min(num, len(dataset)))


def same(some: list[tuple[Tensor, int]], others: list[tuple[Tensor, int]]) -> bool:
    assert len(some) == len(others) > 0
    return all(torch.equal(x, z) and y == u for (x, y), (z, u) in zip(some, others, strict=True))


class DatasetContract:
    # Options that switch augmentation on and off; both None for a set that has none.
    AUGMENTED: ClassVar[dict[str, Any] | None] = {"augment": True}
    PLAIN: ClassVar[dict[str, Any] | None] = {"augment": False}
    # Whether standardisation takes the mean away; None where nothing is standardised.
    CENTRED: ClassVar[bool | None] = True
    # Whether validation is a part of the data as published, rather than carved from train.
    OFFICIAL_VAL = False
    SOME = range(0, 40, 3)

    def make(self, **options: Any) -> Splits:
        raise NotImplementedError

    def test_form_of_samples(self) -> None:
        splits = self.make()
        assert splits.num_classes == len(splits.class_names)
        for part in (splits.train, splits.val, splits.test):
            for x, y in items(part, begin(part, 3)):
                assert x.dtype == torch.float32
                assert x.ndim == SAMPLE_AXES[splits.kind]
                assert torch.isfinite(x).all()
                if splits.kind == "series":
                    assert 0 < x.shape[0] <= splits.input_shape[0]
                    assert x.shape[1] == splits.input_shape[1]
                else:
                    assert tuple(x.shape[-3:]) == splits.input_shape
                assert type(y) is int
            for x, _, *stamps in (part[i] for i in begin(part, 3)):
                for times in stamps:
                    assert (times.dtype, times.shape) == (torch.float64, x.shape[:1])
                    assert (times.diff() >= 0).all()
            assert set(part.labels.tolist()) <= set(range(splits.num_classes))
            with pytest.raises(IndexError):
                part[len(part)]

    def test_parts_are_disjoint_and_complete(self) -> None:
        splits, whole = self.make(), self.make(val_fraction=0)
        train, val, test = (raw(part) for part in (splits.train, splits.val, splits.test))
        assert whole.val is None
        rest = Counter(val) if not self.OFFICIAL_VAL else Counter()
        assert Counter(train) + rest == Counter(raw(whole.train))
        assert not set(train) & set(val)
        assert not set(test) & (set(train) | set(val))

    def test_validation_is_stratified_and_seeded(self) -> None:
        splits = self.make(seed=1)
        if self.OFFICIAL_VAL:
            assert raw(self.make(seed=2, val_fraction=0.3).val) == raw(splits.val)
            return
        share = len(splits.val) / (len(splits.train) + len(splits.val))
        for number in range(splits.num_classes):
            held, kept = ((part.labels == number).sum() for part in (splits.val, splits.train))
            assert held >= 1
            assert abs(held - share * (held + kept)) <= 1
        assert raw(self.make(seed=1).val) == raw(splits.val)
        assert raw(self.make(seed=2).val) != raw(splits.val)

    def test_test_part_does_not_depend_on_the_seed(self) -> None:
        some, other = self.make(seed=1), self.make(seed=2)
        assert raw(some.test) == raw(other.test)
        assert np.array_equal(some.test.labels, other.test.labels)
        x, z = some.test[0][0], other.test[0][0]
        if self.CENTRED is not None:
            x, z = some.test.standard.undo(x), other.test.standard.undo(z)
        torch.testing.assert_close(x, z, rtol=0, atol=1e-4)
        # With no validation part nothing at all is left of the seed.
        refits = [self.make(seed=seed, val_fraction=0).test for seed in (1, 2)]
        assert same(*(items(part, begin(part, 10)) for part in refits))

    def test_statistics_come_from_the_train_part_alone(self) -> None:
        splits = self.make(**(self.PLAIN or {}))
        samples = [x for x, _ in items(splits.train)]
        if self.CENTRED is None:
            assert not hasattr(splits.train, "standard")
            return
        axis = -1 if splits.kind == "series" else -3
        values = torch.cat([x.movedim(axis, 0).flatten(1) for x in samples], dim=1).double()
        if self.CENTRED:
            torch.testing.assert_close(values.mean(1), torch.zeros_like(values[:, 0]), rtol=0, atol=1e-4)
            torch.testing.assert_close(values.std(1), torch.ones_like(values[:, 0]), rtol=0, atol=1e-2)
        else:
            assert values.std() == pytest.approx(1.0, abs=1e-3)

    def test_augmentation_is_a_function_of_seed_epoch_and_index(self) -> None:
        train = self.make(**(self.AUGMENTED or {})).train
        if self.AUGMENTED is None:
            before = items(train, self.SOME)
            set_epoch(make_loader(train, 4, shuffle=False), 2)
            assert same(before, items(pickle.loads(pickle.dumps(train)), self.SOME))
            return
        train.set_epoch(1)
        first = items(train, self.SOME)
        train.set_epoch(2)
        second = items(train, self.SOME)
        assert not same(first, second)
        again = pickle.loads(pickle.dumps(self.make(**self.AUGMENTED).train))
        again.set_epoch(2)
        assert same(second, list(reversed(items(again, self.SOME[::-1]))))
        train.seed += 1
        assert not same(second, items(train, self.SOME))

    def test_many_samples_at_once_are_the_same_to_the_bit(self) -> None:
        train = self.make(**(self.AUGMENTED or {})).train
        if hasattr(train, "__getitems__"):
            assert same(train.__getitems__(list(self.SOME)), items(train, self.SOME))
        assert same([train[-1][:2]], [train[len(train) - 1][:2]])

    def test_only_train_is_augmented(self) -> None:
        if self.AUGMENTED is None or self.PLAIN is None:
            pytest.skip("this set has no augmentation")
        splits, plain = self.make(**self.AUGMENTED), self.make(**self.PLAIN)
        for name in ("val", "test"):
            part = getattr(splits, name)
            some = begin(part, 4)
            before = items(part, some)
            part.set_epoch(5)
            assert same(before, items(part, some))
            assert same(before, items(getattr(plain, name), some))
        assert not same(items(splits.train, self.SOME), items(plain.train, self.SOME))

    def test_form_of_batches(self) -> None:
        splits = self.make()
        batch = next(iter(make_loader(splits.test, 4, shuffle=False)))
        samples = items(splits.test, range(4))
        assert batch.y.tolist() == [y for _, y in samples]
        assert batch.y.dtype == torch.int64
        if splits.kind == "series":
            assert batch.x.shape == (4, *splits.input_shape)
            assert batch.mask.dtype == torch.bool
            assert batch.mask.sum(1).tolist() == [len(x) for x, _ in samples]
            assert not batch.x[~batch.mask].any()
            assert torch.equal(batch.x[batch.mask], torch.cat([x for x, _ in samples]))
            stamps = [splits.test[i][2] for i in range(4) if len(splits.test[i]) == 3]
            assert (batch.times is not None) == bool(stamps)
            if batch.times is not None:
                assert torch.equal(batch.times[batch.mask], torch.cat(stamps))
                assert not batch.times[~batch.mask].any()
        else:
            axis = 1 if splits.kind == "frames" else 0
            assert batch.mask is None
            assert torch.equal(batch.x, torch.stack([x for x, _ in samples], dim=axis))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"seed": -1}, "seed is -1"),
            ({"val_fraction": 1.0}, "val_fraction is 1.0"),
            ({"val_fraction": 0.999}, "val_fraction 0.999 does not fit"),
        ],
    )
    def test_options_that_do_not_fit(self, options: dict[str, Any], message: str) -> None:
        if self.OFFICIAL_VAL and "does not fit" in message:
            pytest.skip("no validation part is carved from this set")
        with pytest.raises(UsageError, match=message):
            self.make(**options)
