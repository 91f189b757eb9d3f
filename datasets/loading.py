"""Batches: one collate function, one sampler whose order is a function of (seed, epoch), one loader."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from snnpd.datasets.seeding import check_seed, permutation
from snnpd.datasets.splits import Batch, TimedSample
from snnpd.errors import UsageError


def collate(samples: Sequence[tuple[Tensor, int] | TimedSample], pad_to: int | None = None) -> Batch:
    """Samples side by side: images stacked, frames stacked time first, series padded with zeros and masked.

    `pad_to` is the length that series are padded to; by default that of the longest of the batch. Time stamps
    are padded alongside.

    Raises:
        UsageError: a sample with no known number of axes, a series longer than `pad_to`, or not one time stamp
            for every token of every series.
    """
    y = torch.tensor([sample[1] for sample in samples], dtype=torch.int64)
    first = samples[0][0]
    if first.ndim == 2:
        x, mask = pad_series([sample[0] for sample in samples], pad_to)
        return Batch(x, y, mask, pad_times(samples, x.shape[1]))
    if first.ndim not in (3, 4):
        raise UsageError(
            f"a sample has shape {tuple(first.shape)}; images are [C, H, W], frames [T, C, H, W], series [N, "
            "C]"
        )
    # Frames [T, C, H, W] stack along axis 1, images along axis 0.
    return Batch(torch.stack([sample[0] for sample in samples], dim=first.ndim - 3), y)


def pad_series(
    series: Sequence[Float[Tensor, "_ C"]], pad_to: int | None = None
) -> tuple[Float[Tensor, "B N C"], Bool[Tensor, "B N"]]:
    """Series `[N_i, C]` as `[B, N, C]`, zero after the end, and a mask `[B, N]`, True where a token is real.

    Raises:
        UsageError: a series is longer than `pad_to`.
    """
    lengths = torch.tensor([len(one) for one in series])
    longest = int(lengths.max())
    if pad_to is not None and longest > pad_to:
        raise UsageError(f"a series has {longest} tokens, pad_to is {pad_to}; raise pad_to or cut the series")
    length = longest if pad_to is None else pad_to
    x = series[0].new_zeros(len(series), length, series[0].shape[1])
    for row, one in zip(x, series, strict=True):
        row[: len(one)] = one
    return x, torch.arange(length) < lengths[:, None]


def pad_times(
    samples: Sequence[tuple[Tensor, int] | TimedSample], length: int
) -> Float64[Tensor, "B N"] | None:
    """The time stamps of the samples, zero after the end; None where the samples have none.

    Raises:
        UsageError: some samples have time stamps and others none, or not one for every token.
    """
    timed = [sample for sample in samples if len(sample) == 3]
    if not timed:
        return None
    if len(timed) < len(samples):
        raise UsageError(
            f"{len(timed)} of {len(samples)} samples have time stamps; give them to all series of a data set "
            "or to none"
        )
    times = torch.zeros(len(timed), length, dtype=torch.float64)
    for row, (series, _, stamps) in zip(times, timed, strict=True):
        if stamps.shape != series.shape[:1]:
            raise UsageError(
                f"a series of {len(series)} tokens has time stamps of shape {list(stamps.shape)}; give one a token"
            )
        row[: len(stamps)] = stamps
    return times


class EpochSampler(Sampler[int]):
    """The indices of one process: every `world_size`-th of an order that is a function of (seed, epoch).

    Shuffled (training), all processes get equally many and the remainder waits for another epoch's order;
    unshuffled (evaluation), every sample comes exactly once over all processes.
    """

    def __init__(self, num_samples: int, *, shuffle: bool, seed: int = 0, rank: int = 0, world_size: int = 1):
        check_seed(seed)
        if not 0 <= rank < world_size:
            raise UsageError(f"rank {rank} of {world_size} processes; ranks are 0 to {world_size - 1}")
        self.num_samples = num_samples
        self.shuffle = shuffle
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Makes the order that of `epoch`."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        if not self.shuffle:
            return iter(range(self.rank, self.num_samples, self.world_size))
        order = permutation(self.num_samples, self.seed, self.epoch)
        common = self.num_samples // self.world_size * self.world_size
        return iter(order[:common][self.rank :: self.world_size].tolist())

    def __len__(self) -> int:
        if self.shuffle:
            return self.num_samples // self.world_size
        return len(range(self.rank, self.num_samples, self.world_size))


def make_loader(
    dataset: Any,
    batch_size: int,
    *,
    shuffle: bool,
    seed: int = 0,
    num_workers: int = 0,
    rank: int = 0,
    world_size: int = 1,
    drop_last: bool = False,
) -> DataLoader:
    """A loader of `Batch`es: the same ones for the same (seed, epoch), with any number of workers.

    Call `set_epoch(loader, epoch)` before each epoch. It shards by itself: hand it to no wrapper that does so
    too, or that counts epochs of its own.

    Raises:
        UsageError: a batch size or process count that leaves no batch.
    """
    sampler = EpochSampler(len(dataset), shuffle=shuffle, seed=seed, rank=rank, world_size=world_size)
    if batch_size < 1:
        raise UsageError(f"batch_size is {batch_size}; give a whole number from 1 upwards")
    if shuffle and len(sampler) < (batch_size if drop_last else 1):
        raise UsageError(
            f"{len(dataset)} samples over {world_size} processes leave no full batch of {batch_size}; "
            f"lower batch_size or the number of processes, or set drop_last=False"
        )
    return DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=sampler,
        drop_last=drop_last,
        num_workers=num_workers,
        collate_fn=partial(collate, pad_to=getattr(dataset, "max_length", None)),
        # Its own generator: an iterator that drew from the global one would change what the network draws.
        generator=torch.Generator().manual_seed(seed),
    )


def set_epoch(loader: DataLoader, epoch: int) -> None:
    """Makes the order and the augmentation of a loader from `make_loader` those of `epoch`."""
    for part in (loader.sampler, loader.dataset):
        if hasattr(part, "set_epoch"):
            part.set_epoch(epoch)
