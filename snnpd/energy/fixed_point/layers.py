"""Linear maps and convolutions on integers, their batch-norm inside."""

from copy import deepcopy
from typing import TypeVar

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from snnpd.energy.fixed_point.words import Format, ToPotential, finest

Layer = nn.Linear | nn.Conv1d | nn.Conv2d
Any_ = TypeVar("Any_", bound=nn.Module)


class FixedInput(nn.Module):
    """The analog input as whole numbers, saturated: what the first layer multiplies.

    Shapes: any; gives float64 that holds integers.
    """

    def __init__(self, source: Format) -> None:
        super().__init__()
        self.source = source

    def forward(self, x: Tensor) -> Tensor:
        """The nearest integers."""
        return self.source.integers(x)


def with_parts(module: Any_, **parts: nn.Module) -> Any_:
    """A copy of a module with some of its submodules replaced."""
    copy = deepcopy(module)
    for name, part in parts.items():
        setattr(copy, name, part)
    return copy


def folded(layer: Layer, norm: nn.Module | None) -> tuple[Tensor, Tensor]:
    """Weight and bias, in float64, of the layer and the batch-norm (in evaluation mode) behind it."""
    weight = layer.weight.detach().double()
    bias = weight.new_zeros(len(weight)) if layer.bias is None else layer.bias.detach().double()
    if norm is None:
        return weight, bias
    assert isinstance(norm, _BatchNorm)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    scale = scale if norm.weight is None else scale * norm.weight.detach().double()
    shift = (bias - norm.running_mean.double()) * scale
    shift = shift if norm.bias is None else shift + norm.bias.detach().double()
    return weight * scale.view(-1, *[1] * (weight.ndim - 1)), shift


def of_events(
    layer: Layer, norm: nn.Module | None, weight_bits: int, potential: Format, gain: float = 1.0
) -> tuple[Layer, ToPotential]:
    """The layer on events: weights on a grid of their own, a multiple of the potentials' step, and their bias.

    `gain` is what a unit of the input is worth.
    """
    weight, bias = folded(layer, norm)
    weight = weight * gain
    fraction = min(finest(weight_bits, float(weight.abs().max())).fraction, potential.fraction)
    grid = Format(weight_bits, fraction)
    integers = grid.integers(weight) * 2.0 ** (potential.fraction - fraction)
    return _filled(layer, integers, potential.integers(bias)), ToPotential(potential)


def of_words(
    layer: Layer, norm: nn.Module | None, weight_bits: int, source: Format, potential: Format
) -> tuple[Layer, ToPotential]:
    """The layer on analog words: products are summed in full, and rounded to the nearest potential."""
    weight, bias = folded(layer, norm)
    grid = finest(weight_bits, float(weight.abs().max()))
    product = source.fraction + grid.fraction
    places = potential.fraction - product
    half = 2.0 ** (-places - 1) if places < 0 else 0.0
    offset = (bias * 2.0**product).round() + half
    return _filled(layer, grid.integers(weight), offset), ToPotential(potential, places)


def _filled(layer: Layer, weight: Tensor, bias: Tensor) -> Layer:
    copy = deepcopy(layer)
    copy.weight = nn.Parameter(weight, requires_grad=False)
    copy.bias = nn.Parameter(bias, requires_grad=False)
    return copy
