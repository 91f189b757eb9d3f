"""Networks that fire, on words and letters that are known."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from snnpd import create_model
from snnpd.energy.executor.machine import Machine
from snnpd.energy.executor.wires import Letters, Spikes, Words, events_of, integers
from snnpd.energy.fixed_point import FixedNeuron, Format, ToPotential

WORD = Format(bits=24, fraction=12)


def lively(model: nn.Module, x: Tensor) -> nn.Module:
    """A network whose batch-norms have the statistics of x, and gains that make it fire; in evaluation mode."""
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            norm.momentum = 1.0
            nn.init.uniform_(norm.weight, 0.8, 1.6)
            nn.init.uniform_(norm.bias, 0.0, 0.6)
    model.train()
    with torch.no_grad():
        model(x)
    return model.eval()


def network(shape: tuple[int, ...], x: Tensor, **options: Any) -> nn.Module:
    sizes = {"dim": 16, "num_heads": 2, "num_classes": 5, "input_shape": shape}
    return lively(create_model("spikingformer_tiny", **sizes | options), x)


def spikes_of(model: nn.Module, kind: type[nn.Module] = FixedNeuron) -> dict[str, Tensor]:
    """A dictionary that fills with what each neuron emits, by its name."""
    emitted: dict[str, Tensor] = {}

    def watch(name: str) -> Any:
        return lambda module, inputs, output: emitted.__setitem__(name, output)

    for name, part in model.named_modules():
        if isinstance(part, kind):
            part.register_forward_hook(watch(name))
    return emitted


def bench(model: nn.Module, steps: int, samples: int) -> Machine:
    """A machine for one layer, which is called "layer", its parts "layer.PART"."""
    names = {part: f"layer.{name}".rstrip(".") for name, part in model.named_modules()}
    return Machine(names, steps, samples)


def entries(machine: Machine) -> dict[tuple[str, str, str, int], tuple[list[list[int]], list[list[int]]]]:
    """The ledger as plain numbers, done and skipped `[T][B]`, by layer, role, kind and bits."""
    return {
        (layer, role, *operation[:2]): (count.done.tolist(), count.skipped.tolist())
        for (layer, role, operation), count in machine.ledger
    }


def drawn(*shape: int, low: int = -1, high: int = 1) -> Tensor:
    """Letters, all alike likely."""
    return torch.randint(low, high + 1, shape).double()


def as_spikes(x: Tensor, low: int = -1, high: int = 1) -> Spikes:
    """Letters `[T, B, ...]` as events."""
    return events_of(Words(integers(x), Letters(low, high)))


def as_words(x: Tensor) -> Words:
    return Words(integers(x))


def is_same(words: Words, x: Tensor) -> bool:
    return words.values.shape == tuple(x.shape) and bool(np.array_equal(words.values, integers(x)))


def linear(in_features: int, out_features: int) -> nn.Linear:
    """Weights and bias that are integers."""
    layer = nn.Linear(in_features, out_features, dtype=torch.float64)
    return _whole(layer)


def conv(*arguments: int, **options: Any) -> nn.Conv2d:
    return _whole(nn.Conv2d(*arguments, dtype=torch.float64, **options))


def _whole(layer: Any) -> Any:
    for parameter in layer.parameters():
        parameter.data = torch.randint(-99, 100, parameter.shape).double()
    return layer


def to_word() -> ToPotential:
    return ToPotential(WORD)
