"""How often neurons fire."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from spikingjelly.activation_based.neuron.base_node import BaseNode
from torch import Tensor, nn

from snnpd.neurons.base import Neuron


@contextmanager
def firing_rates(model: nn.Module) -> Iterator[dict[str, float]]:
    """The mean fraction of outputs that are not zero, for each neuron by qualified name, over the `with` block.

    The dictionary fills during the block, one entry for each neuron that has run; SpikingJelly's nodes count too.

    Example:
        >>> import torch
        >>> from snnpd.neurons import IF
        >>> with firing_rates(nn.Sequential(IF())) as rates:
        ...     _ = nn.Sequential(IF())(torch.ones(4, 2))
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
