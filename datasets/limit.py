"""Data sets of which only a part is used."""

from dataclasses import replace
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from snnpd.datasets.seeding import permutation
from snnpd.datasets.splits import Splits

# Of the draw, not of the run: where the whole is the same for all seeds, so is the part.
_SEED = 0


class Part(Dataset):
    """Some samples of a data set, in its order; their augmentation is what it would be in the whole."""

    def __init__(self, dataset: Any, indices: np.ndarray) -> None:
        self.dataset, self.indices = dataset, indices
        if hasattr(dataset, "max_length"):
            self.max_length = dataset.max_length

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, number: int) -> Any:
        return self.dataset[int(self.indices[number])]

    def set_epoch(self, epoch: int) -> None:
        """Makes the augmentation that of `epoch`."""
        if hasattr(self.dataset, "set_epoch"):
            self.dataset.set_epoch(epoch)


def limit(splits: Splits, max_train: int | None, max_test: int | None) -> Splits:
    """The data set with at most so many samples to train and to test on, drawn without replacement.

    The test part is the same for every seed; the train part is drawn from what the seed's validation part leaves.
    """
    return replace(splits, train=_draw(splits.train, max_train), test=_draw(splits.test, max_test))


def _draw(dataset: Any, number: int | None) -> Any:
    if number is None or number >= len(dataset):
        return dataset
    chosen = permutation(len(dataset), _SEED, 0)[:number]
    return Part(dataset, np.sort(np.asarray(chosen)))
