"""Augmentations: each draws from one generator per sample, so a sample never depends on its batch or worker.

They see samples before standardisation, where zero is the background, side by side in a batch.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from snnpd.datasets.augmentation.checks import check_below, check_three_channels, check_whole
from snnpd.errors import UsageError

Augmentation = Callable[[Tensor, Sequence[np.random.Generator]], Tensor]


@dataclass(frozen=True)
class ShiftFlip:
    """Moves each sample by up to `pad` whole pixels each way; if `flip`, mirrors half of them left to right.

    All time steps of frames move together.
    """

    pad: int
    flip: bool = False

    def __post_init__(self) -> None:
        check_whole(self, "pad")

    def __call__(
        self, x: Float[Tensor, "B *TC H W"], rngs: Sequence[np.random.Generator]
    ) -> Float[Tensor, "B *TC H W"]:
        """The moved samples."""
        height, width = x.shape[-2:]
        padded = functional.pad(x, (self.pad,) * 4)
        moved = torch.empty_like(x)
        # Numpy's views of the same memory: its slices cost a quarter of torch's.
        sources, targets = padded.numpy(), moved.numpy()
        places = 2 * self.pad + 1
        for source, target, rng in zip(sources, targets, rngs, strict=True):
            top, left = divmod(int(rng.integers(places * places)), places)
            window = source[..., top : top + height, left : left + width]
            target[...] = window[..., ::-1] if self.flip and rng.random() < 0.5 else window
        return moved


@dataclass(frozen=True)
class RandomAffine:
    """Shifts, turns and scales each image at once, bilinearly, about its centre.

    Units:
        shift in pixels, turn in degrees, both each way; zoom as a fraction: 0.1 is 0.9 to 1.1.
    """

    shift: float = 1.0
    turn: float = 10.0
    zoom: float = 0.1

    def __post_init__(self) -> None:
        check_below(self, "shift", float("inf"))
        check_below(self, "turn", float("inf"))
        check_below(self, "zoom", 1)

    def __call__(
        self, x: Float[Tensor, "B C H W"], rngs: Sequence[np.random.Generator]
    ) -> Float[Tensor, "B C H W"]:
        """The transformed images."""
        height, width = x.shape[-2:]
        # Where each output pixel looks in the input, in pixels from the centre. All element by element, and
        # the cosines one by one: a sample is rounded alike alone and in a batch, which neither a batched
        # matrix product nor a vectorised cosine promises.
        terms = np.array([self._draw(rng) for rng in rngs])[:, :, None, None]
        cos, sin, right, down = terms.swapaxes(0, 1)
        rows = (np.arange(height) - (height - 1) / 2)[None, :, None] - down
        columns = (np.arange(width) - (width - 1) / 2)[None, None, :] - right
        from_left = cos * columns + sin * rows
        from_top = cos * rows - sin * columns
        grid = np.stack([2.0 * from_left / width, 2.0 * from_top / height], axis=-1).astype(np.float32)
        return functional.grid_sample(x, torch.from_numpy(grid), align_corners=False)

    def _draw(self, rng: np.random.Generator) -> tuple[float, float, float, float]:
        turn, right, down, zoom = rng.uniform(-1.0, 1.0, size=4).tolist()
        angle, scale = math.radians(self.turn * turn), 1.0 + self.zoom * zoom
        return math.cos(angle) / scale, math.sin(angle) / scale, self.shift * right, self.shift * down


@dataclass(frozen=True)
class RandAugment:
    """Torchvision's RandAugment of colour images in [0, 1], seeded per sample; `magnitude` is from 0 to 30.

    Source: Cubuk et al., 2020 (RandAugment).

    Raises:
        UsageError: torchvision is missing or was built for another torch; when called, images without colour.
    """

    num_ops: int = 2
    magnitude: int = 9

    def __post_init__(self) -> None:
        check_whole(self, "num_ops")
        check_whole(self, "magnitude", 30)
        _torchvision_transforms()

    def __call__(
        self, x: Float[Tensor, "B C H W"], rngs: Sequence[np.random.Generator]
    ) -> Float[Tensor, "B C H W"]:
        """The augmented images."""
        check_three_channels(self, x)
        transform = _torchvision_transforms().RandAugment(self.num_ops, self.magnitude)
        pixels = (x * 255).round().to(torch.uint8)
        images = []
        with torch.random.fork_rng(devices=[]):
            for image, rng in zip(pixels, rngs, strict=True):
                # What torchvision draws from; `torch.manual_seed` would reseed the GPUs' generators as well.
                torch.default_generator.manual_seed(int(rng.integers(2**63)))
                images.append(transform(image))
        return torch.stack(images).float() / 255


def _torchvision_transforms() -> Any:
    try:
        from torchvision.transforms import v2
    # A torchvision that was built for another torch fails with a RuntimeError.
    except (ImportError, RuntimeError) as error:
        raise UsageError(
            f"randaugment needs a torchvision that fits torch {torch.__version__} "
            f"({' '.join(str(error).split())}); install the matching one, or set randaugment=False"
        ) from error
    return v2
