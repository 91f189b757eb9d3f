"""The optimiser, its learning rate, and the moving average of the weights."""

import math

import torch
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.swa_utils import AveragedModel

from snnpd.training.config import OptimConfig

Tensors = tuple[Tensor, ...] | list[Tensor]


def adamw(model: nn.Module, config: OptimConfig, *, fused: bool = True) -> AdamW:
    """AdamW over the trainable parameters, without weight decay on biases, norms and other one-dimensional ones.

    `fused` is several times faster on small networks; it excludes gradient clipping behind a gradient scaler.
    """
    decayed: list[Tensor] = []
    free: list[Tensor] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            is_free = parameter.ndim < 2 or name.rpartition(".")[2] == "bias"
            (free if is_free else decayed).append(parameter)
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": free, "weight_decay": 0.0}]
    return AdamW([group for group in groups if group["params"]], lr=config.lr, fused=fused)


def learning_rate(step: int, num_steps: int, warmup_steps: float, config: OptimConfig) -> float:
    """The learning rate of optimiser step `step` of `num_steps`, from 0: linear warm-up, then half a cosine."""
    if step < warmup_steps:
        return config.lr * min(1.0, (step + 1) / warmup_steps)
    progress = (step - warmup_steps) / max(1.0, num_steps - warmup_steps)
    cosine = 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))
    return config.lr * (config.min_lr_ratio + (1.0 - config.min_lr_ratio) * cosine)


def moving_average(model: nn.Module, decay: float) -> AveragedModel:
    """A copy of the model that follows it as a moving average, once a call of `update_parameters`.

    Equation: a ← d·a + (1 − d)·w, d = min(decay, (1 + n)/(10 + n)) after n updates, so that the random first
        weights fade at once even in short trainings.
    Source: the ramp of TensorFlow's ExponentialMovingAverage.

    Batch-norm's running statistics are averaged alike, so they belong to the networks that the weights are the
    average of (they lag behind by batch-norm's own ten steps or so, little against the window of any useful decay).
    Copied ones would belong to the last network; behind a threshold that changes the firing rates. Counters
    (integers) are copied.
    """

    def average(averaged: Tensors, current: Tensors, num_updates: Tensor | int) -> None:
        if not averaged[0].is_floating_point():
            torch._foreach_copy_(averaged, current)
            return
        n = int(num_updates)
        torch._foreach_lerp_(averaged, current, 1.0 - min(decay, (1 + n) / (10 + n)))

    return AveragedModel(model, multi_avg_fn=average, use_buffers=True)
