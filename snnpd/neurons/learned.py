"""What a neuron may learn of its own numbers, and the parameters that hold it."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from snnpd.errors import UsageError, unknown
from snnpd.neurons.spec import NeuronSpec, every
from snnpd.neurons.values import Values


class Quantity(NamedTuple):
    """The parameter that stands for a number, the number it makes, and the parameter where the number starts."""

    parameter: str
    number: Callable[[Tensor], Tensor]
    start: Callable[[float], float]


# A decay stays inside (0, 1), a threshold stays positive; an amplitude is free.
LEARNABLE: dict[str, Quantity] = {
    "decay": Quantity("w", torch.sigmoid, lambda decay: math.log(decay / (1 - decay))),
    "threshold": Quantity("log_threshold", torch.exp, math.log),
    "negative_threshold": Quantity("log_negative_threshold", torch.exp, math.log),
    "amplitude": Quantity("amplitude", lambda amplitude: amplitude, lambda amplitude: amplitude),
}


def parameters(
    spec: NeuronSpec, learned: Sequence[str], channels: int | None
) -> dict[str, nn.Parameter | None]:
    """One entry for each learnable quantity by its parameter's name; None where it is not learned.

    Raises:
        UsageError: a name that nothing learnable has, or a quantity that this neuron lacks.
    """
    for name in learned:
        if name not in LEARNABLE:
            raise unknown("learned quantity", name, LEARNABLE)
    return {
        quantity.parameter: _parameter(quantity, _starts(spec, name), channels) if name in learned else None
        for name, quantity in LEARNABLE.items()
    }


def values(module: nn.Module) -> Values:
    """The learned numbers of a module that holds such parameters, in at least float32."""
    held = {name: getattr(module, quantity.parameter) for name, quantity in LEARNABLE.items()}
    return Values(
        **{
            name: LEARNABLE[name].number(raw.to(torch.promote_types(raw.dtype, torch.float32)))
            for name, raw in held.items()
            if raw is not None
        }
    )


def _starts(spec: NeuronSpec, name: str) -> tuple[float, ...]:
    if name == "amplitude":
        return (1.0,)
    if name == "decay":
        if spec.decay is None:
            raise UsageError("a neuron without a leak has no decay to learn")
        if not all(0 < decay < 1 for decay in every(spec.decay)):
            raise UsageError(f"a learned decay starts strictly between 0 and 1, got {spec.decay}")
    if name == "negative_threshold" and spec.alphabet.low >= 0:
        raise UsageError(f"negative_threshold is for ternary neurons; a {spec.alphabet.name} one has none")
    return every(spec.lower_threshold if name == "negative_threshold" else getattr(spec, name))


def _parameter(quantity: Quantity, starts: tuple[float, ...], channels: int | None) -> nn.Parameter:
    raw = torch.tensor([quantity.start(number) for number in starts])
    if channels is None:
        return nn.Parameter(raw if len(starts) > 1 else raw[0].clone())
    if len(starts) not in (1, channels):
        raise UsageError(
            f"channels={channels}, but {len(starts)} numbers to start from: give as many, or one"
        )
    return nn.Parameter(raw.expand(channels).clone())
