"""Accuracy to the last sample, the same for any number of processes."""

from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any, Protocol

import torch
from lightning_fabric import Fabric
from spikingjelly.activation_based.functional import reset_net
from torch import Tensor, nn
from torch.nn import functional

from snnpd.neurons import firing_rates
from snnpd.training.encoding import Encoder
from snnpd.training.metrics import Score
from snnpd.training.seeding import seeded


class Batch(Protocol):
    """What a loader gives: any named tuple with these three."""

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
    """The score of `model` in evaluation mode over all batches of all processes, which must share the samples out.

    The prediction is the class of the largest mean logit over time, the loss its cross-entropy. A drawn
    encoding is a function of (seed, rank, batch), so two evaluations agree.
    """
    model.eval()
    sums = torch.zeros(2, dtype=torch.int64, device=fabric.device)
    loss = torch.zeros((), device=fabric.device)
    with firing_rates(model) if rates else nullcontext({}) as layers:
        for index, batch in enumerate(loader):
            batch = fabric.to_device(batch)
            with seeded(seed, fabric.global_rank, index):
                x = encode(batch.x, batch.mask)
            with fabric.autocast():
                logits = forward(model, x, batch.mask)
            mean = logits.float().mean(0)
            loss += functional.cross_entropy(mean, batch.y, reduction="sum")
            sums += torch.stack(
                [(mean.argmax(-1) == batch.y).sum(), torch.tensor(len(mean), device=mean.device)]
            )
    layers = _mean_over_processes(layers, int(sums[1]), fabric) if rates else {}
    correct, total = fabric.all_reduce(sums, reduce_op="sum").tolist()
    total_loss = fabric.all_reduce(loss, reduce_op="sum").item()
    return Score(correct, total, total_loss / max(total, 1), layers)


def forward(model: nn.Module, x: Tensor, mask: Tensor | None) -> Tensor:
    """Logits per time step of one presentation, from a state that is reset (for networks that do not do it)."""
    reset_net(model)
    return model(x) if mask is None else model(x, mask=mask)


def _mean_over_processes(rates: dict[str, float], num_samples: int, fabric: Fabric) -> dict[str, float]:
    if fabric.world_size == 1:
        return dict(rates)
    names: list[str] = fabric.broadcast(list(rates))
    local: list[Any] = [rates.get(name, 0.0) * num_samples for name in names] + [num_samples]
    *sums, total = fabric.all_reduce(torch.tensor(local, device=fabric.device), reduce_op="sum").tolist()
    return {name: value / total for name, value in zip(names, sums, strict=True)}
