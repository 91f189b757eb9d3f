"""One epoch of training, on whatever devices Fabric has."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from snnpd.training.config import Config
from snnpd.training.devices import sum_over_processes
from snnpd.training.encoding import Encoder
from snnpd.training.evaluate import Batch, check_digits, forward, rates_of, times_of
from snnpd.training.losses import classification_loss
from snnpd.training.mixup import Mixing, draw_mixing
from snnpd.training.nonfinite import NotFinite, first_nonfinite_gradient, first_nonfinite_layer
from snnpd.training.objectives import layer_objectives
from snnpd.training.optim import adamw, learning_rate, moving_average
from snnpd.training.progress import Display
from snnpd.training.seeding import seed_everything


class Presented(NamedTuple):
    """A batch as the network sees it; `targets` makes the loss's targets for K classes."""

    x: Tensor
    y: Tensor
    mask: Tensor | None
    times: Tensor | None
    mixing: Mixing | None

    def targets(self, num_classes: int) -> Tensor:
        """Class numbers, or the probabilities of a blend."""
        return self.y if self.mixing is None else self.mixing.targets(self.y, num_classes)

    def num_correct(self, logits: Tensor) -> Tensor:
        """How many of the samples have the class of their highest logit; a blend has each of its two in part."""
        found = logits.argmax(-1)
        if self.mixing is None:
            return (found == self.y).sum()
        return self.mixing.targets(self.y, logits.shape[-1]).gather(1, found[:, None]).sum()


@dataclass(frozen=True)
class TrainFigures:
    """Means over an epoch's training batches of all processes, as they were trained on: augmented and mixed.

    Who names the class that a blend has λ of is right to λ, who names the other one to 1 − λ, as mixup's own
    code counts: a perfect network stays below 1, and only validation says how it does on whole samples.
    """

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
        # Under 16-mixed on a GPU a scaler divides the gradients again, and skips steps where they overflowed.
        self.has_scaler = getattr(fabric.strategy.precision, "scaler", None) is not None
        self.optimizer = adamw(model, config.optim, fused=not self.has_scaler)
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
            group.append(self._present(self.fabric.to_device(batch), epoch, index))
            is_last = len(group) == steps.group_size(index)
            with (
                rates_of(self.model, index == 0) as rates,
                self.fabric.no_backward_sync(self.wrapped, enabled=not is_last),
            ):
                sums += self._backward(group[-1], steps.group_size(index))
            if index == 0:
                firing_rate = sum(rates.values()) / len(rates) if rates else None
            if is_last:
                lr = steps.learning_rate(index)
                self._step(lr, group, sums[0], f"epoch {epoch}, step {steps.number(index)}")
                group = []
            if display.wants_step():
                loss, correct, total = sums.tolist()
                display.step(epoch, (index + 1) / len(loader), loss / total, correct / total, firing_rate)
        loss, correct, total = sum_over_processes(self.fabric, sums).tolist()
        return TrainFigures(loss / total, correct / total, lr, firing_rate)

    def gather_statistics(self) -> None:
        """Makes batch-norm's running statistics the mean over all processes, which each saw other samples."""
        if self.fabric.world_size > 1:
            for buffer in self.kept_model.buffers():
                if buffer.is_floating_point():
                    buffer.copy_(sum_over_processes(self.fabric, buffer) / self.fabric.world_size)

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

    def _present(self, batch: Batch, epoch: int, index: int) -> Presented:
        x, config = batch.x, self.config
        place = {"seed": config.seed, "epoch": epoch, "rank": self.fabric.global_rank, "step": index}
        mixing = draw_mixing(config.optim, len(batch.y), x.shape[-2:], **place)
        if mixing is not None:
            x = mixing.blend(x, batch_axis=1 if self.encode.kind == "frames" else 0)
        times = times_of(batch)
        if times is not None:
            check_digits(times, self.fabric)
        return Presented(self.encode(x, batch.mask), batch.y, batch.mask, times, mixing)

    def _backward(self, batch: Presented, group_size: int) -> Tensor:
        with layer_objectives(self.model, self.config.optim, self.fabric.device) as of_layers:
            logits = forward(self.wrapped, batch.x, batch.mask, batch.times)
        loss = classification_loss(logits, batch.targets(logits.shape[-1]), self.config.optim) + of_layers()
        self.fabric.backward(loss / group_size)
        correct = batch.num_correct(logits.detach().mean(0))
        num_samples = len(batch.y)
        return torch.stack(
            [loss.detach() * num_samples, correct.float(), correct.new_tensor(num_samples).float()]
        )

    def _step(self, lr: float, group: list[Presented], loss: Tensor, where: str) -> None:
        norm = self.fabric.clip_gradients(
            self.wrapped,
            self.stepper,
            max_norm=self.config.optim.clip_norm or math.inf,
            error_if_nonfinite=False,
        )
        # The one place where every step waits for the device: a step on a gradient that is not finite would spoil
        # the weights, and with them the search for the layer.
        suspect = loss if self.has_scaler or norm is None else loss + norm
        if not math.isfinite(sum_over_processes(self.fabric, suspect).item()):
            raise NotFinite(self._explain(group, loss, where))
        for part in self.optimizer.param_groups:
            part["lr"] = lr
        self.stepper.step()
        self.stepper.zero_grad()
        if self.average is not None:
            self.average.update_parameters(self.model)

    def _explain(self, group: list[Presented], loss: Tensor, where: str) -> str:
        what = "gradient" if math.isfinite(loss.item()) else "loss"
        # With several processes, perhaps only one of them saw the batch; the gradients are the same in all.
        mine = self._first_layer(group)
        layers = [self.fabric.broadcast(mine, src=rank) for rank in range(self.fabric.world_size)]
        if layer := next(filter(None, layers), None):
            place = f"first in the output of {layer}"
        elif parameter := first_nonfinite_gradient(self.model):
            place = f"with all outputs finite; counted back from the loss, first at {parameter}"
        else:
            place = "in no layer's output when the batch is run again"
        return f"the {what} is not finite at {where}, {place}"

    def _first_layer(self, group: list[Presented]) -> str | None:
        with torch.no_grad(), self.fabric.autocast():
            runs = (partial(forward, self.model, b.x, b.mask, b.times) for b in group)
            return next(filter(None, (first_nonfinite_layer(self.model, run) for run in runs)), None)


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
