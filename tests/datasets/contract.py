"""The laws that every data set obeys; a set's test inherits them and says how it is made."""

import pickle
from collections import Counter
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from snnpd.datasets.loading import make_loader
from snnpd.datasets.splits import Splits
from snnpd.errors import UsageError

SAMPLE_AXES = {"image": 3, "frames": 4, "series": 2}


def raw(dataset: Any) -> list[bytes]:
    """Every sample as it was read, before augmentation and standardisation."""
    rows = dataset.data if hasattr(dataset, "data") else dataset.series
    return [row.numpy().tobytes() for row in rows]


def items(dataset: Any, indices: range | None = None) -> list[tuple[Tensor, int]]:
    return [dataset[i] for i in indices or range(len(dataset))]


def same(some: list[tuple[Tensor, int]], others: list[tuple[Tensor, int]]) -> bool:
    assert len(some) == len(others) > 0
    return all(torch.equal(x, z) and y == u for (x, y), (z, u) in zip(some, others, strict=True))


class DatasetContract:
    # Options that switch augmentation on and off.
    AUGMENTED: ClassVar[dict[str, Any]] = {"augment": True}
    PLAIN: ClassVar[dict[str, Any]] = {"augment": False}
    # Whether standardisation takes the mean away.
    CENTRED = True
    SOME = range(0, 40, 3)

    def make(self, **options: Any) -> Splits:
        raise NotImplementedError

    def test_form_of_samples(self) -> None:
        splits = self.make()
        assert splits.num_classes == len(splits.class_names)
        for part in (splits.train, splits.val, splits.test):
            for x, y in items(part, range(3)):
                assert x.dtype == torch.float32
                assert x.ndim == SAMPLE_AXES[splits.kind]
                assert torch.isfinite(x).all()
                if splits.kind == "series":
                    assert 0 < x.shape[0] <= splits.input_shape[0]
                    assert x.shape[1] == splits.input_shape[1]
                else:
                    assert tuple(x.shape[-3:]) == splits.input_shape
                assert type(y) is int
            assert set(part.labels.tolist()) <= set(range(splits.num_classes))
            with pytest.raises(IndexError):
                part[len(part)]

    def test_parts_are_disjoint_and_complete(self) -> None:
        splits, whole = self.make(), self.make(val_fraction=0)
        train, val, test = (raw(part) for part in (splits.train, splits.val, splits.test))
        assert whole.val is None
        assert Counter(train) + Counter(val) == Counter(raw(whole.train))
        assert not set(train) & set(val)
        assert not set(test) & (set(train) | set(val))

    def test_validation_is_stratified_and_seeded(self) -> None:
        splits = self.make(seed=1)
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
        torch.testing.assert_close(some.test.standard.undo(x), other.test.standard.undo(z), rtol=0, atol=1e-4)
        # With no validation part nothing at all is left of the seed.
        refits = [items(self.make(seed=seed, val_fraction=0).test, range(10)) for seed in (1, 2)]
        assert same(*refits)

    def test_statistics_come_from_the_train_part_alone(self) -> None:
        splits = self.make(**self.PLAIN)
        samples = [x for x, _ in items(splits.train)]
        axis = -1 if splits.kind == "series" else -3
        values = torch.cat([x.movedim(axis, 0).flatten(1) for x in samples], dim=1).double()
        if self.CENTRED:
            torch.testing.assert_close(values.mean(1), torch.zeros_like(values[:, 0]), rtol=0, atol=1e-4)
            torch.testing.assert_close(values.std(1), torch.ones_like(values[:, 0]), rtol=0, atol=1e-2)
        else:
            assert values.std() == pytest.approx(1.0, abs=1e-3)

    def test_augmentation_is_a_function_of_seed_epoch_and_index(self) -> None:
        train = self.make(**self.AUGMENTED).train
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
        train = self.make(**self.AUGMENTED).train
        if hasattr(train, "__getitems__"):
            assert same(train.__getitems__(list(self.SOME)), items(train, self.SOME))
        assert same([train[-1]], [train[len(train) - 1]])

    def test_only_train_is_augmented(self) -> None:
        splits, plain = self.make(**self.AUGMENTED), self.make(**self.PLAIN)
        for name in ("val", "test"):
            part = getattr(splits, name)
            before = items(part, range(4))
            part.set_epoch(5)
            assert same(before, items(part, range(4)))
            assert same(before, items(getattr(plain, name), range(4)))
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
        with pytest.raises(UsageError, match=message):
            self.make(**options)
