"""Accuracy to the last sample, the same for any number of processes."""

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import torch
from lightning_fabric import Fabric
from spikingjelly.activation_based.functional import reset_net
from torch import Tensor, nn
from torch.nn import functional

from snnpd.errors import UsageError
from snnpd.neurons import firing_rates
from snnpd.training.devices import sum_over_processes
from snnpd.training.encoding import Encoder
from snnpd.training.metrics import Score
from snnpd.training.seeding import seeded


class Batch(Protocol):
    """What a loader gives: any named tuple with these three; `times` besides, where series have time stamps."""

    @property
    def x(self) -> Tensor:
        """Inputs."""

    @property
    def y(self) -> Tensor:
        """Class numbers `[B]`."""

    @property
    def mask(self) -> Tensor | None:
        """Series only, `[B, N]`: True where a token is real."""


@torch.no_grad()
def evaluate(
    model: nn.Module,
    loader: Iterable[Batch],
    encode: Encoder,
    *,
    fabric: Fabric,
    seed: int = 0,
    rates: bool = False,
) -> Score:
    """The score of `model` in evaluation mode over the batches of all processes, which share the samples out.

    The prediction is the class of the largest mean logit over time, the loss its cross-entropy. A drawn encoding is
    a function of (seed, rank, batch), so two evaluations agree.
    """
    model.eval()
    num_samples = 0
    correct = torch.zeros((), dtype=torch.int64, device=fabric.device)
    loss = torch.zeros((), device=fabric.device)
    with rates_of(model, rates) as layers:
        for index, batch in enumerate(loader):
            batch = fabric.to_device(batch)
            with seeded(seed, fabric.global_rank, index):
                x = encode(batch.x, batch.mask)
            with fabric.autocast():
                logits = forward(model, x, batch.mask, times_of(batch)).float().mean(0)
            loss += functional.cross_entropy(logits, batch.y, reduction="sum")
            correct += (logits.argmax(-1) == batch.y).sum()
            num_samples += len(logits)
    total = int(sum_over_processes(fabric, torch.tensor(num_samples, device=fabric.device)))
    return Score(
        correct=int(sum_over_processes(fabric, correct)),
        total=total,
        loss=sum_over_processes(fabric, loss).item() / max(total, 1),
        firing_rates=_mean_over_processes(fabric, layers, num_samples / max(total, 1)) if rates else {},
    )


def forward(model: nn.Module, x: Tensor, mask: Tensor | None, times: Tensor | None = None) -> Tensor:
    """Logits per time step; first resets the state, for networks that do not do it themselves.

    The network is handed `mask` and `times` only where there are some: others need not know the words.
    """
    reset_net(model)
    given = {name: value for name, value in (("mask", mask), ("times", times)) if value is not None}
    return model(x, **given)


def times_of(batch: Batch) -> Tensor | None:
    """The time stamps `[B, N]` of a batch of series that have some, else None."""
    return getattr(batch, "times", None)


def check_digits(times: Tensor, fabric: Fabric) -> None:
    """Raises UsageError where time stamps that differ would reach a network that trains as equal ones.

    Under mixed precision Fabric hands the network every floating-point input in 32 bits: time of day in a stamp
    of seconds since 1970 would be gone, in training but not in evaluation.
    """
    precision = fabric.strategy.precision
    rounded = precision.convert_input(times)
    if bool(((times.diff() != 0) & (rounded.diff() == 0)).any()):
        raise UsageError(
            f"time stamps up to {times.abs().max().item():.0f} fall together in the 32 bits that runtime.precision "
            f"{precision.precision!r} leaves them; set it to '32-true', or count them from each series' start"
        )


def rates_of(model: nn.Module, wanted: bool) -> AbstractContextManager[dict[str, float]]:
    """`firing_rates` where they are wanted, else a dictionary that stays empty: counting costs time."""
    return firing_rates(model) if wanted else nullcontext({})


def _mean_over_processes(fabric: Fabric, rates: dict[str, float], share: float) -> dict[str, float]:
    # A process without a sample has no names; the first process always has samples.
    names: list[str] = fabric.broadcast(list(rates))
    weighted = torch.tensor([rates.get(name, 0.0) * share for name in names], dtype=torch.float32)
    means = sum_over_processes(fabric, weighted.to(fabric.device)).tolist()
    return dict(zip(names, means, strict=True))
