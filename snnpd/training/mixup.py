"""Mixup and CutMix: blends of a batch's samples and of their targets."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from snnpd.training.config import OptimConfig

# Apart from whatever else is drawn from the same seed.
_STREAM = 0x6D6978


@dataclass(frozen=True)
class Mixing:
    """Whom each sample of a batch is blended with, and the `share` that it keeps of itself.

    With a `box` (its first row, the row behind it, likewise its columns) the partner shows in that box alone,
    and `share` is the area that is left; without one all values are averaged.
    """

    partners: Tensor
    share: float
    box: tuple[int, int, int, int] | None = None

    def blend(self, x: Tensor, *, batch_axis: int = 0) -> Tensor:
        """The blended samples; all time steps of frames alike, `batch_axis` is 1 where time comes first.

        Equation: x' = λ x_i + (1 − λ) x_j; with a box x' = x_j in it and x_i around it.
        """
        others = x.index_select(batch_axis, self.partners.to(x.device))
        if self.box is None:
            return torch.lerp(others, x, self.share)
        top, bottom, left, right = self.box
        blended = x.clone()
        blended[..., top:bottom, left:right] = others[..., top:bottom, left:right]
        return blended

    def targets(self, y: Tensor, num_classes: int) -> Tensor:
        """The class probabilities `[B, num_classes]` of the blended samples, before label smoothing."""
        targets = functional.one_hot(y, num_classes).to(torch.get_default_dtype())
        return torch.lerp(targets[self.partners.to(y.device)], targets, self.share)


def draw_mixing(
    config: OptimConfig,
    batch_size: int,
    size: Sequence[int],
    *,
    seed: int,
    epoch: int,
    rank: int = 0,
    step: int,
) -> Mixing | None:
    """How batch `step` of `epoch` (from 1) is mixed, a function of its arguments alone; None if it is not.

    One λ ~ Beta(α, α) a batch, as in the authors' codes; where both are on, half of the mixed batches get CutMix.
    `size` is the height and width of the samples.

    Source: Zhang et al., 2018 (mixup); Yun et al., 2019 (CutMix), its box clipped and λ corrected as in their code.
    """
    last_epoch = config.mixup_epochs
    if not (config.mixup or config.cutmix) or (last_epoch is not None and epoch > last_epoch):
        return None
    rng = np.random.default_rng((_STREAM, seed, epoch, rank, step))
    if rng.random() >= config.mixup_prob:
        return None
    cuts = config.cutmix > 0 and (config.mixup == 0 or rng.random() < 0.5)
    alpha = config.cutmix if cuts else config.mixup
    share = float(rng.beta(alpha, alpha))
    partners = torch.from_numpy(rng.permutation(batch_size))
    if not cuts:
        return Mixing(partners, share)
    height, width = size
    top, bottom = _side(height, share, rng)
    left, right = _side(width, share, rng)
    area = (bottom - top) * (right - left)
    return Mixing(partners, 1 - area / (height * width), (top, bottom, left, right))


def _side(length: int, share: float, rng: np.random.Generator) -> tuple[int, int]:
    """One side of a box of 1 − λ of the area, about any pixel, and what of it is within the picture."""
    cut = int(length * np.sqrt(1 - share))
    start = int(rng.integers(length)) - cut // 2
    return max(0, start), min(length, start + cut)
