"""What every data set gives: three parts, one sample form, one batch form."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from torch import Tensor
from torch.utils.data import Dataset

Kind = Literal["image", "frames", "series"]


class Batch(NamedTuple):
    """Samples side by side.

    Shapes:
        x: image `[B, C, H, W]`; frames `[T, B, C, H, W]`, time first; series `[B, N, C]`, zero after the end.
        y: `[B]`, class numbers.
        mask: series only, `[B, N]`, True where a token is real.
    """

    x: Tensor
    y: Tensor
    mask: Tensor | None = None


@dataclass(frozen=True)
class Splits:
    """The parts of a data set; `val` is carved from train (stratified, seeded), None if not asked for."""

    name: str
    kind: Kind
    train: Dataset
    val: Dataset | None
    test: Dataset
    num_classes: int
    input_shape: tuple[int, ...]
    class_names: tuple[str, ...]
