"""The event-driven executor: a network on integers run event by event, with all that it did written down."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from snnpd.energy.executor.attention import run_attention
from snnpd.energy.executor.geometry import everywhere
from snnpd.energy.executor.layers import run_conv_stem, run_feed_forward, run_series_stem
from snnpd.energy.executor.machine import Machine, add_residual, map_events, settled, sum_over
from snnpd.energy.executor.neurons import run_neuron
from snnpd.energy.executor.wires import Spikes, Words, events_of, integers
from snnpd.energy.fixed_point import FixedBlock, FixedConvStem, FixedNetwork
from snnpd.energy.ledger import Ledger


@dataclass(frozen=True)
class Execution:
    """What a run gave: logits worth 2^-fraction each, the operations done, the spikes of each neuron by its name."""

    logits: Int64[Tensor, "T B K"]
    fraction: int
    ledger: Ledger
    spikes: dict[str, Spikes]


class Executor:
    """Runs a network in fixed point on lists of events: after the first layer nothing but additions, comparisons,
    shifts and gates, each counted by the rules of docs/energy.md where it is done.

    Spikes and logits are those of the dense network, bit for bit.

    Example:
        >>> from snnpd import create_model
        >>> from snnpd.energy.fixed_point import to_fixed_point
        >>> model = create_model("spikingformer_tiny", dim=16, input_shape=(1, 8, 8)).eval()
        >>> x = torch.rand(2, 1, 1, 8, 8)
        >>> fixed = to_fixed_point(model, x)
        >>> execution = Executor(fixed).run(x)
        >>> torch.equal(execution.logits, fixed(x).long())
        True
    """

    def __init__(self, network: FixedNetwork) -> None:
        self.network = network
        self.names = {module: name or type(module).__name__ for name, module in network.named_modules()}

    @torch.no_grad()
    def run(self, x: Float[Tensor, "T B *sample"]) -> Execution:
        """Logits and operations of a batch, input as for the network."""
        network = self.network
        machine = Machine(self.names, *x.shape[:2])
        words = Words(integers(network.input(x)))
        is_image = isinstance(network.stem, FixedConvStem)
        stem: Any = run_conv_stem if is_image else run_series_stem
        words = stem(machine, network.stem, words)
        for block in network.blocks:
            words = self._block(machine, block, words)
        sums = sum_over(machine, network, run_neuron(machine, network.last, words), axis=0)
        logits = self._head(machine, sums)
        return Execution(torch.from_numpy(logits), network.logit_fraction, machine.ledger, machine.spikes)

    @staticmethod
    def _block(machine: Machine, block: Any, words: Words) -> Words:
        assert isinstance(block, FixedBlock)
        branch = run_attention(machine, block.attention, run_neuron(machine, block.before, words))
        words = add_residual(machine, block, block.saturate, words, branch)
        branch = run_feed_forward(machine, block.feed_forward, words)
        return add_residual(machine, block, block.saturate, words, branch)

    def _head(self, machine: Machine, sums: Words) -> np.ndarray:
        network = self.network
        assert isinstance(network.head, nn.Linear)
        bits = network.saturate.potential.bits
        logits = map_events(machine, network.head, everywhere(1), events_of(sums), bits)
        return settled(network.saturate, logits).reshape(machine.steps, machine.samples, -1)
