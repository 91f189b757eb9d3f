"""Sequences of tokens out of a small vocabulary, shown to a network as one-hot series."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from snnpd.datasets.carve import carve_validation
from snnpd.datasets.labels import check_every_class
from snnpd.datasets.seeding import check_seed
from snnpd.datasets.splits import Splits
from snnpd.errors import UsageError


class LabelledTokens(NamedTuple):
    """Sequences `[N_i]` of token numbers, a byte each, and the class number of each sequence."""

    sequences: list[UInt8[Tensor, "_"]]
    labels: NDArray[np.int64]


class TokenDataset(Dataset[tuple[Tensor, int]]):
    """Samples `(x [N_i, V] float32, y)`: 1 in the column of each token, 0 elsewhere; batches pad to `max_length`.

    A linear map of such a series is an embedding of its tokens: no network needs to know that they were numbers.
    What is kept is one byte a token; a sequence has V floats a token only from the moment it is asked for.
    """

    def __init__(self, part: LabelledTokens, num_tokens: int, max_length: int):
        self.series = part.sequences
        self.labels = part.labels
        self.num_tokens = num_tokens
        self.max_length = max_length

    def __len__(self) -> int:
        return len(self.series)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        x = functional.one_hot(self.series[index].long(), self.num_tokens).float()
        return x, int(self.labels[index])


def split_tokens(
    name: str,
    parts: Sequence[LabelledTokens],
    *,
    num_tokens: int,
    class_names: tuple[str, ...],
    seed: int,
    val_fraction: float,
) -> Splits:
    """The parts of a data set from (train, test), with validation carved from train, or from (train, val, test).

    Where validation is official, `val_fraction` has a say only at 0: then it is left out.

    Raises:
        UsageError: an empty class, or a seed or fraction that does not fit.
    """
    train, *official, test = parts
    check_every_class(train.labels, class_names, f"{name}, train")
    if official:
        check_seed(seed)
        if not 0.0 <= val_fraction < 1.0:
            raise UsageError(f"val_fraction is {val_fraction}; give 0 (no validation part) to below 1")
        val = official[0] if val_fraction else None
    else:
        kept, held = carve_validation(train.labels, val_fraction, seed)
        val = None if held is None else _choose(train, held)
        train = _choose(train, kept)
    max_length = max(len(one) for part in parts for one in part.sequences)

    def dataset(part: LabelledTokens) -> TokenDataset:
        return TokenDataset(part, num_tokens, max_length)

    return Splits(
        name=name,
        kind="series",
        train=dataset(train),
        val=None if val is None else dataset(val),
        test=dataset(test),
        num_classes=len(class_names),
        input_shape=(max_length, num_tokens),
        class_names=class_names,
    )


def _choose(part: LabelledTokens, indices: NDArray[np.int64]) -> LabelledTokens:
    return LabelledTokens([part.sequences[i] for i in indices], part.labels[indices])
