"""From a trained network to one of integers: parts one by one, formats from what a sample needs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from snnpd.energy.fixed_point.network import FixedNetwork
from snnpd.energy.fixed_point.neuron import FixedNeuron
from snnpd.energy.fixed_point.parts import Builder
from snnpd.energy.fixed_point.words import Format, ToPotential, finest
from snnpd.errors import UsageError

WIDTHS = {"weight_bits": range(2, 25), "potential_bits": range(4, 33), "input_bits": range(2, 17)}
# Wide enough that nothing saturates while the range is looked for, and narrow enough for float64.
_SEARCH = Format(bits=48, fraction=20)


def to_fixed_point(
    model: nn.Module,
    sample: Float[Tensor, "T B *shape"],
    *,
    weight_bits: int = 16,
    potential_bits: int = 24,
    input_bits: int = 16,
) -> FixedNetwork:
    """The network on integers: batch-norms folded, weights rounded, potentials in fixed point.

    - Weights: signed, `weight_bits` wide, one power of two a layer as their step; never finer than the potentials'
      step, so that bringing them to its binary point is wiring.
    - Potentials: signed, `potential_bits` wide, one binary point for the whole network: the finest at which the
      largest potential of `sample`, and every threshold, fits. Biases have the same format.
    - Beyond the range words saturate: the sums of linear maps, of residuals and of charging a neuron, when they are
      complete (partial sums have guard bits). Leaks round down, as arithmetic shifts do.
    - The input: `input_bits` wide, its binary point by its range in `sample` (counts of events stay exact); the first
      layer multiplies it, and rounds to the nearest potential. No other layer multiplies. Inputs beyond saturate, too.
    - The mean over tokens stands in the head's weights, the scale of spiking self-attention in the binary point.

    Args:
        model: one of our spiking networks; its batch-norms fold by their running statistics, and it stays as it is.
        sample: inputs as the network gets them, time first, that range over what is to be expected.

    Shapes: the result takes `[T, B, ...]` as `model` does and gives integer logits `[T, B, K]` in float64.

    Raises:
        UsageError: a part without an integer form, with its name; widths that are not offered; a sample that
            says nothing of the range.
    """
    widths = {"weight_bits": weight_bits, "potential_bits": potential_bits, "input_bits": input_bits}
    for name, bits in widths.items():
        if bits not in WIDTHS[name]:
            raise UsageError(
                f"{name} = {bits} is not offered; choose {WIDTHS[name][0]} to {WIDTHS[name][-1]}"
            )
    if not sample.numel() or not sample.isfinite().all():
        raise UsageError(
            "the sample is empty or holds values that are not finite; give inputs of the training part"
        )
    source = finest(input_bits, float(sample.abs().max()))
    search = Builder(model, weight_bits, source, _SEARCH, _SEARCH).network(sample)
    peak, logit_peak = _peaks(search, sample)
    formats = finest(potential_bits, peak), finest(potential_bits, logit_peak)
    return Builder(model, weight_bits, source, *formats).network(sample)


@torch.no_grad()
def _peaks(network: FixedNetwork, sample: Tensor) -> tuple[float, float]:
    """The largest magnitudes of potentials and thresholds, and of logits, in real numbers."""
    with _recorded(network) as largest:
        network(sample)
    logits = largest.pop("saturate")
    for name, part in network.named_modules():
        if isinstance(part, FixedNeuron):
            bounds = (part.above, -part.below)
            largest[name] = max(float(bound.max()) for bound in bounds if bound.numel()) / 2**_SEARCH.fraction
    return max(largest.values()), logits


@contextmanager
def _recorded(network: nn.Module) -> Iterator[dict[str, float]]:
    """The largest magnitude that each place gave where sums become potentials."""
    largest: dict[str, float] = {}

    def watch(name: str) -> Any:
        def look(module: nn.Module, inputs: Any, output: Tensor) -> None:
            peak = float(output.abs().max()) / 2**_SEARCH.fraction
            largest[name] = max(peak, largest.get(name, 0.0))

        return look

    places = [(name, part) for name, part in network.named_modules() if isinstance(part, ToPotential)]
    hooks = [part.register_forward_hook(watch(name)) for name, part in places]
    try:
        yield largest
    finally:
        for hook in hooks:
            hook.remove()
