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
        times: series with time stamps only, `[B, N]`, float64, in the data set's own unit; zero after the end.
    """

    x: Tensor
    y: Tensor
    mask: Tensor | None = None
    times: Tensor | None = None


class TimedSample(NamedTuple):
    """A series with the time stamps of its tokens, the sample form of data sets that have such stamps.

    Shapes: x `[N, C]`, float32; times `[N]`, float64: whole microseconds and seconds since 1970 stay exact.
    """

    x: Tensor
    y: int
    times: Tensor


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
