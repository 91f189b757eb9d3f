"""Classification losses over time steps."""

import torch
from torch import Tensor
from torch.nn import functional

from snnpd.training.config import OptimConfig


def classification_loss(logits: Tensor, targets: Tensor, config: OptimConfig) -> Tensor:
    """The loss that `config.loss` names, with its label smoothing.

    Equation:
        mean_rate: CE(mean_t o(t), y)
        tet: (1 − λ) · mean_t CE(o(t), y) + λ · mean (o(t) − 1)²
    Source: Deng et al., 2022 (Temporal Efficient Training), eq. 8–10 with φ = 1. SpikingJelly's TET loss is
        the case λ = 0 without label smoothing; it takes no soft targets.
    Shapes:
        logits: `[T, B, K]`; targets: class numbers `[B]`, or probabilities `[B, K]`.
    """
    smoothing = config.label_smoothing
    if config.loss == "mean_rate":
        return functional.cross_entropy(logits.mean(0), targets, label_smoothing=smoothing)
    every_step = targets.expand(len(logits), *targets.shape).flatten(0, 1)
    entropy = functional.cross_entropy(logits.flatten(0, 1), every_step, label_smoothing=smoothing)
    if config.tet_lambda == 0:
        return entropy
    distance = functional.mse_loss(logits, torch.ones_like(logits))
    return (1 - config.tet_lambda) * entropy + config.tet_lambda * distance
