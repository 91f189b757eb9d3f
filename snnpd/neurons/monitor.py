"""How often neurons fire."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from spikingjelly.activation_based.neuron.base_node import BaseNode
from torch import Tensor, nn

from snnpd.neurons.base import Neuron


@contextmanager
def firing_rates(model: nn.Module) -> Iterator[dict[str, float]]:
    """The mean fraction of outputs that are not zero over the `with` block, by the neuron's qualified name.

    The dictionary fills during the block; it has each neuron that has run, SpikingJelly's nodes included. All outputs
    count, those of padded tokens too, which a hook cannot tell apart: on series of uneven length rates come out lower.

    Example:
        >>> import torch
        >>> from snnpd.neurons import IF
        >>> model = nn.Sequential(IF(threshold=2.0))
        >>> with firing_rates(model) as rates:
        ...     _ = model(torch.ones(4, 1))
        >>> rates
        {'0': 0.5}
    """
    rates: dict[str, float] = {}
    hooks = [
        module.register_forward_hook(_counter(name or type(module).__name__, rates))
        for name, module in model.named_modules()
        if isinstance(module, Neuron | BaseNode)
    ]
    try:
        yield rates
    finally:
        for hook in hooks:
            hook.remove()


def _counter(name: str, rates: dict[str, float]) -> Any:
    num_spikes = num_outputs = 0

    def count(module: nn.Module, inputs: Any, output: Tensor) -> None:
        nonlocal num_spikes, num_outputs
        num_spikes += int(output.detach().count_nonzero())
        num_outputs += output.numel()
        rates[name] = num_spikes / num_outputs

    return count
