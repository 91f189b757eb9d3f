"""One epoch of training, on whatever devices Fabric has."""

import math
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from snnpd.neurons import firing_rates
from snnpd.training.config import Config
from snnpd.training.encoding import Encoder
from snnpd.training.evaluate import Batch, forward
from snnpd.training.losses import classification_loss, mixed_targets, mixup
from snnpd.training.nonfinite import NotFinite, first_nonfinite_gradient, first_nonfinite_layer
from snnpd.training.optim import adamw, learning_rate, moving_average
from snnpd.training.progress import Display
from snnpd.training.seeding import seed_everything


class Presented(NamedTuple):
    """A batch as the network sees it; `targets` makes the loss's targets for K classes."""

    x: Tensor
    y: Tensor
    mask: Tensor | None
    partners: Tensor | None
    share: Tensor | None

    def targets(self, num_classes: int) -> Tensor:
        """Class numbers, or the probabilities of a blend."""
        if self.partners is None or self.share is None:
            return self.y
        return mixed_targets(self.y, self.partners, self.share, num_classes)


@dataclass(frozen=True)
class TrainFigures:
    """Means over an epoch's training batches of all processes."""

    loss: float
    accuracy: float
    lr: float
    firing_rate: float | None


class Trainer:
    """A network with its optimiser and moving average; `model` is the bare network, which never changes place."""

    def __init__(self, fabric: Fabric, model: nn.Module, config: Config, encode: Encoder) -> None:
        self.fabric, self.model, self.config, self.encode = fabric, model.to(fabric.device), config, encode
        # Copied before Fabric wraps the network and before a forward pass leaves tensors in its neurons.
        decay = config.optim.ema_decay
        self.average = moving_average(model, decay) if decay else None
        self.optimizer = adamw(model, config.optim, fused=config.runtime.precision != "16-mixed")
        self.wrapped, self.stepper = fabric.setup(model, self.optimizer)

    @property
    def kept_model(self) -> nn.Module:
        """The network that is validated and kept: the moving average, if there is one."""
        return self.model if self.average is None else self.average.module

    def train_epoch(self, loader: Any, epoch: int, display: Display) -> TrainFigures:
        """Trains on every batch of `loader`, a sized iterable of batches.

        Raises:
            NotFinite: loss or gradient stopped being finite.
        """
        seed_everything(self.config.seed, epoch, self.fabric.global_rank)
        self.wrapped.train()
        # Sums of the loss, of correct predictions and of samples; read from the device as seldom as possible.
        sums = torch.zeros(3, device=self.fabric.device)
        group: list[Presented] = []
        steps = _Steps(len(loader), self.config, epoch)
        lr, firing_rate = 0.0, None
        for index, batch in enumerate(loader):
            group.append(self._present(self.fabric.to_device(batch)))
            is_last = len(group) == steps.group_size(index)
            with (
                firing_rates(self.model) if index == 0 else nullcontext({}) as rates,
                self.fabric.no_backward_sync(self.wrapped, enabled=not is_last),
            ):
                sums += self._backward(group[-1], steps.group_size(index))
            if index == 0:
                firing_rate = sum(rates.values()) / len(rates) if rates else None
            if is_last:
                lr = steps.learning_rate(index)
                self._step(lr, group, sums, f"epoch {epoch}, step {steps.number(index)}")
                group = []
            if display.wants_step():
                loss, correct, total = sums.tolist()
                display.step(epoch, (index + 1) / len(loader), loss / total, correct / total, firing_rate)
        loss, correct, total = self.fabric.all_reduce(sums, reduce_op="sum").tolist()
        return TrainFigures(loss / total, correct / total, lr, firing_rate)

    def gather_statistics(self) -> None:
        """Makes batch-norm's running statistics the mean over all processes, which each saw other samples."""
        if self.fabric.world_size > 1:
            for buffer in self.kept_model.buffers():
                if buffer.is_floating_point():
                    buffer.copy_(self.fabric.all_reduce(buffer, reduce_op="mean"))

    def state(self, epoch: int) -> dict[str, Any]:
        """Everything that a resumed training needs besides its configuration: tensors and plain types only."""
        average = self.average
        return {
            "epoch": epoch,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "precision": self.fabric.strategy.precision.state_dict(),
            "average": None if average is None else average.module.state_dict(),
            "num_averaged": 0 if average is None else int(average.n_averaged),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state`."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.fabric.strategy.precision.load_state_dict(state["precision"])
        if self.average is not None:
            self.average.module.load_state_dict(state["average"])
            self.average.n_averaged.fill_(state["num_averaged"])

    def _present(self, batch: Batch) -> Presented:
        x, partners, share = batch.x, None, None
        if self.config.optim.mixup:
            x, partners, share = mixup(x, self.config.optim.mixup)
        return Presented(self.encode(x, batch.mask), batch.y, batch.mask, partners, share)

    def _backward(self, batch: Presented, group_size: int) -> Tensor:
        logits = forward(self.wrapped, batch.x, batch.mask)
        loss = classification_loss(logits, batch.targets(logits.shape[-1]), self.config.optim)
        self.fabric.backward(loss / group_size)
        correct = (logits.detach().mean(0).argmax(-1) == batch.y).sum()
        num_samples = len(batch.y)
        return torch.stack(
            [loss.detach() * num_samples, correct.float(), correct.new_tensor(num_samples).float()]
        )

    def _step(self, lr: float, group: list[Presented], sums: Tensor, where: str) -> None:
        norm = self.fabric.clip_gradients(
            self.wrapped,
            self.stepper,
            max_norm=self.config.optim.clip_norm or math.inf,
            error_if_nonfinite=False,
        )
        # The one place where every step waits for the device: a step on a gradient that is not finite would
        # spoil the weights, and with them the search for the layer. Under 16-mixed the scaler skips such
        # steps itself.
        suspects = sums[0] if self.config.runtime.precision == "16-mixed" else torch.stack([sums[0], norm])
        if not math.isfinite(self.fabric.all_reduce(suspects, reduce_op="sum").sum().item()):
            raise NotFinite(self._explain(group, sums, where))
        for part in self.optimizer.param_groups:
            part["lr"] = lr
        self.stepper.step()
        self.stepper.zero_grad()
        if self.average is not None:
            self.average.update_parameters(self.model)

    def _explain(self, group: list[Presented], sums: Tensor, where: str) -> str:
        what = "gradient" if math.isfinite(sums[0].item()) else "loss"
        place = None
        for batch in group:
            with torch.no_grad(), self.fabric.autocast():
                place = place or first_nonfinite_layer(
                    self.model, lambda b=batch: forward(self.model, b.x, b.mask)
                )
        if place:
            place = f"first output that is not: {place}"
        elif name := first_nonfinite_gradient(self.model):
            place = f"all outputs are, first gradient that is not, counted back from the loss: {name}"
        # With several processes only one may have seen the batch.
        found = [self.fabric.broadcast(place, src=rank) for rank in range(self.fabric.world_size)]
        best = min((text for text in found if text), key=lambda text: text.startswith("all"), default=None)
        return (
            f"the {what} is not finite at {where}; {best or 'no layer shows it when the batch is run again'}"
        )


class _Steps:
    """Which optimiser step a batch belongs to, and that step's learning rate."""

    def __init__(self, num_batches: int, config: Config, epoch: int) -> None:
        self.num_batches, self.config, self.epoch = num_batches, config.optim, epoch
        self.per_epoch = math.ceil(num_batches / config.optim.accumulate)

    def number(self, index: int) -> int:
        return index // self.config.accumulate + 1

    def group_size(self, index: int) -> int:
        begin = index - index % self.config.accumulate
        return min(self.config.accumulate, self.num_batches - begin)

    def learning_rate(self, index: int) -> float:
        step = (self.epoch - 1) * self.per_epoch + self.number(index) - 1
        warmup = self.config.warmup_epochs * self.per_epoch
        return learning_rate(step, self.config.epochs * self.per_epoch, warmup, self.config)
