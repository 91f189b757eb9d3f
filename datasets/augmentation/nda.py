"""The two augmentation recipes of event frames that spiking transformers are trained with."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from snnpd.datasets.augmentation.checks import Interpolation, check_probability, check_whole
from snnpd.datasets.augmentation.erase import Cutout, RandomErasing
from snnpd.datasets.augmentation.frames import Flip, PerSample, Roll, Rotate, Shear, Translate

# NDA's ranges in pixels are for the paper's frames of 48 × 48; other frames have them in proportion.
_SIDE = 48


@dataclass(frozen=True)
class NDA(PerSample):
    """Neuromorphic data augmentation: a flip, and `num_ops` random ones of roll, rotate, cutout and shear.

    `strength` N gives rolls of up to 2N + 1 pixels, angles of up to 15N degrees and holes of 8N pixels, on
    48 × 48 pixels; the authors' code has N = 2 for CIFAR10-DVS and 1 for N-Caltech101, with one operation.

    Source: Li et al., 2022 (Neuromorphic Data Augmentation); their code leaves out cutout, their paper has it.
    """

    num_ops: int = 1
    strength: int = 2
    flip: float = 0.5
    interpolation: Interpolation = "nearest"

    def __post_init__(self) -> None:
        check_whole(self, "num_ops")
        check_whole(self, "strength")
        check_probability(self, "flip")

    def one(self, x: Float[Tensor, "*TC H W"], rng: np.random.Generator) -> Float[Tensor, "*TC H W"]:
        """The augmented sample."""
        x = Flip(self.flip).one(x, rng)
        choices = self.choices(min(x.shape[-2:]))
        for number in rng.integers(len(choices), size=self.num_ops).tolist():
            x = choices[number].one(x, rng)
        return x

    def choices(self, side: int) -> tuple[PerSample, ...]:
        """What is drawn from, for frames whose shorter side has `side` pixels."""
        degrees = 15.0 * self.strength
        return (
            Roll(round((2 * self.strength + 1) * side / _SIDE)),
            Rotate(degrees, self.interpolation),
            Cutout(round(8 * self.strength * side / _SIDE)),
            Shear(degrees, self.interpolation),
        )


@dataclass(frozen=True)
class SNNAugmentWide(PerSample):
    """A flip, then one of: nothing, a shear, a shift along either axis, a rotation, a square erased.

    Shears of up to 0.3 pixels a row, shifts of up to `pixels`, 30 degrees, 11 % of the area. Strengths are
    uniform, where the source has 31 steps; shears in the angle.

    Source: the TrivialAugment of the Spikformer family's code for CIFAR10-DVS (QKFormer's, with its small
    square), after Müller and Hutter, 2021.
    """

    pixels: int = 5
    flip: float = 0.5
    interpolation: Interpolation = "nearest"

    def __post_init__(self) -> None:
        check_whole(self, "pixels")
        check_probability(self, "flip")

    def one(self, x: Float[Tensor, "*TC H W"], rng: np.random.Generator) -> Float[Tensor, "*TC H W"]:
        """The augmented sample."""
        x = Flip(self.flip).one(x, rng)
        choices = self.choices()
        number = int(rng.integers(len(choices) + 1))
        return choices[number].one(x, rng) if number < len(choices) else x

    def choices(self) -> tuple[PerSample, ...]:
        """What is drawn from besides nothing."""
        return (
            Shear(math.degrees(math.atan(0.3)), self.interpolation),
            Translate(columns=self.pixels),
            Translate(rows=self.pixels),
            Rotate(30.0, self.interpolation),
            RandomErasing(1.0, area=(0.001, 0.11), aspect=(1.0, 1.0)),
        )
