"""A whole training: epochs, validation, checkpoints, and at the end the weights that validation chose."""

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
from torch import nn

from snnpd.errors import TrainingError, UsageError
from snnpd.training.checkpoint import Checkpoints, Entry
from snnpd.training.config import Config
from snnpd.training.devices import make_fabric
from snnpd.training.encoding import Encoder
from snnpd.training.evaluate import evaluate
from snnpd.training.metrics import EpochRecord, MetricsLog
from snnpd.training.nonfinite import NotFinite
from snnpd.training.progress import Display, make_display
from snnpd.training.trainer import Trainer

CHECKPOINTS = "checkpoints"


@dataclass(frozen=True)
class Fitted:
    """The epoch whose weights the network holds now, its validation figures, and the seconds of all epochs."""

    epoch: int
    val_accuracy: float | None
    val_loss: float | None
    seconds: float


def fit(
    model: nn.Module,
    train_loader: Any,
    val_loader: Any | None,
    config: Config,
    *,
    folder: Path,
    encode: Encoder | None = None,
    fabric: Fabric | None = None,
    resume: bool = False,
    display: Display | None = None,
) -> Fitted:
    """Trains `model` and leaves it with the weights of the chosen epoch, in evaluation mode.

    Chosen is the epoch of the best validation accuracy, at a tie that of lower loss; without `val_loader`
    the last. Loaders are sized iterables of named tuples (x, y, mask); where a loader's `sampler` or
    `dataset` has a `set_epoch`, it is called. Each process brings its own share of the samples. With
    `resume` the training goes on behind the newest intact checkpoint in `folder`. `display` shows it; None takes a
    bar on a terminal, and lines elsewhere.

    Raises:
        TrainingError: the loss is not finite, or a checkpoint cannot be written; says what is kept.
        UsageError: settings that do not go together.
    """
    encode = encode or Encoder(config.encoding, config.time_steps)
    _check(config, encode, train_loader)
    fabric = fabric or make_fabric(config.runtime)
    display = display or make_display(config.optim.epochs, is_first_process=fabric.is_global_zero)
    trainer = Trainer(fabric, model, config, encode)
    with fabric.rank_zero_first():
        checkpoints = Checkpoints(folder / CHECKPOINTS)
        last_epoch = _restore(trainer, checkpoints, display) if resume else 0
    if warning := _short_for_average(config, len(train_loader)):
        display.say(warning)
    log = MetricsLog(folder, last_epoch) if fabric.is_global_zero else None
    try:
        with display:
            for epoch in range(last_epoch + 1, config.optim.epochs + 1):
                record = _run_epoch(trainer, train_loader, val_loader, epoch, display)
                if log is not None:
                    log.write(record)
                    checkpoints.save(trainer.state(epoch), epoch, record.val_accuracy, record.val_loss)
                fabric.barrier()
                display.epoch(record)
    except NotFinite as error:
        advice = "lower optim.lr or set optim.clip_norm lower"
        raise TrainingError(f"{error}; {checkpoints.kept()}; {advice}, or look at that layer") from error
    finally:
        if log is not None:
            log.close()
    return _choose(trainer, folder, fabric.broadcast(log.seconds if log else 0.0))


def load_chosen(model: nn.Module, folder: Path) -> Entry:
    """Gives `model` the weights that the run in `folder` ended with; says which checkpoint they are from.

    Raises:
        UsageError: the run has no checkpoint, it is damaged, or the network is another.
    """
    chosen = Checkpoints(folder / CHECKPOINTS).best
    if chosen is None:
        raise UsageError(f"{folder} has no checkpoint; train first: snnpd train --resume {folder}")
    state = Checkpoints(folder / CHECKPOINTS).load(chosen)
    try:
        model.load_state_dict(state["model"] if state["average"] is None else state["average"])
    except RuntimeError as error:
        raise UsageError(f"{folder / CHECKPOINTS / chosen.file}: {' '.join(str(error).split())}") from error
    return chosen


def _check(config: Config, encode: Encoder, train_loader: Any) -> None:
    for name in ("mixup", "cutmix"):
        alpha = getattr(config.optim, name)
        if alpha and encode.kind == "series":
            raise UsageError(
                f"optim.{name} is {alpha}, but {name} is for images and frames only; set it to 0"
            )
    if len(train_loader) == 0:
        raise UsageError("the train loader has no batch; lower the batch size, or do not drop the last batch")


def _short_for_average(config: Config, num_batches: int) -> str | None:
    """A warning where the average of the weights would still hold much of the untrained ones at the end."""
    decay = config.optim.ema_decay
    steps = config.optim.epochs * max(1, num_batches // config.optim.accumulate)
    untrained = decay**steps
    if untrained < 0.05:
        return None
    return (
        f"warning: optim.ema_decay {decay} over {steps} steps leaves the average {untrained:.0%} of the untrained "
        f"weights, and the average is what is evaluated; train longer, or lower it"
    )


def _restore(trainer: Trainer, checkpoints: Checkpoints, display: Display) -> int:
    state = checkpoints.recover(display.say)
    if state is None:
        display.say("no checkpoint to go on from; beginning with epoch 1")
        return 0
    trainer.load(state)
    display.say(f"going on behind epoch {state['epoch']}")
    return state["epoch"]


def _run_epoch(
    trainer: Trainer, train_loader: Any, val_loader: Any, epoch: int, display: Display
) -> EpochRecord:
    began = time.monotonic()
    for part in ("sampler", "dataset"):
        set_epoch = getattr(getattr(train_loader, part, None), "set_epoch", None)
        if set_epoch is not None:
            set_epoch(epoch)
    train = trainer.train_epoch(train_loader, epoch, display)
    trainer.gather_statistics()
    val = None
    if val_loader is not None:
        val = evaluate(
            trainer.kept_model, val_loader, trainer.encode, fabric=trainer.fabric, seed=trainer.config.seed
        )
        if not math.isfinite(val.loss):
            raise NotFinite(f"the validation loss is {val.loss} after epoch {epoch}")
    return EpochRecord(
        epoch=epoch,
        train_loss=train.loss,
        train_accuracy=train.accuracy,
        val_loss=None if val is None else val.loss,
        val_accuracy=None if val is None else val.accuracy,
        lr=train.lr,
        firing_rate=train.firing_rate,
        seconds=round(time.monotonic() - began, 3),
    )


def _choose(trainer: Trainer, folder: Path, seconds: float) -> Fitted:
    chosen = load_chosen(trainer.model, folder)
    trainer.model.eval()
    return Fitted(chosen.epoch, chosen.val_accuracy, chosen.val_loss, seconds)
