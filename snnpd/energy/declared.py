"""Neurons, counted from what they declare, whichever kernel runs them: rule 8."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from spikingjelly.activation_based.neuron import (
    IFNode,
    LIFNode,
    ParametricLIFNode,
    TernaryIFNode,
    TernaryLIFNode,
)
from torch import Tensor, nn

from snnpd.energy.costs import Kind
from snnpd.energy.letters import Seen, look
from snnpd.energy.scene import Scene
from snnpd.energy.signals import Signal
from snnpd.energy.sums import leading
from snnpd.errors import UsageError
from snnpd.neurons.learned import values
from snnpd.neurons.spec import NeuronSpec, every
from snnpd.spikes import BINARY, TERNARY, Alphabet


class NeuronCost(NamedTuple):
    """What a neuron does at each step: decays of its leak (none without one), and how it resets.

    `amplitude` is what a spike is worth, and folds into what follows.
    """

    alphabet: Alphabet
    decays: tuple[float, ...]
    is_soft: bool
    amplitude: Tensor | None = None


def cost_of(spec: NeuronSpec, module: nn.Module) -> NeuronCost:
    """The cost of one of our neurons, learned numbers included."""
    learned = values(module)
    decays = every(spec.decay) if learned.decay is None else tuple(learned.decay.detach().flatten().tolist())
    return NeuronCost(spec.alphabet, decays, spec.reset == "soft", learned.amplitude)


def cost_of_node(node: Any) -> NeuronCost | None:
    """The cost of a SpikingJelly node of the integrate-and-fire family; None for any other."""
    alphabet = TERNARY if isinstance(node, TernaryIFNode | TernaryLIFNode) else BINARY
    is_soft = getattr(node, "v_reset", None) is None
    if type(node) in (IFNode, TernaryIFNode):
        return NeuronCost(alphabet, (), is_soft)
    if type(node) in (LIFNode, TernaryLIFNode):
        return NeuronCost(alphabet, (1 - 1 / float(node.tau),), is_soft)
    if type(node) is ParametricLIFNode:
        return NeuronCost(alphabet, (1 - float(torch.sigmoid(node.w)),), is_soft)
    return None


def observe(
    scene: Scene, spikes: Tensor, signal: Signal, alphabet: Alphabet, amplitude: Tensor | None = None
) -> Seen:
    """Declares the letters of spikes after a look at each value; `amplitude` is what a spike is worth.

    Raises:
        UsageError: values that are no letters, or an amplitude of its own for each channel.
    """
    scale = _scale(scene, amplitude)
    declared = signal.of(alphabet).scaled(scale)
    letters = spikes if scale == 1 else spikes / scale
    seen = look(leading(letters, scene.rows(signal)), alphabet.low, alphabet.high)
    if strange := int(seen.strange.sum()):
        low, high = (float(end) for end in letters.aminmax())
        raise UsageError(
            f"{scene.layer}: {strange} of {spikes.numel()} values (from {low:g} to {high:g}) are not in its declared "
            f"alphabet {alphabet.name} ({alphabet.low}..{alphabet.high}); declare another, or none"
        )
    elements = scene.per_row(spikes.numel(), signal)
    scene.access("output", "write", seen.spiking, signal, elements, bits=declared.width)
    scene.ledger.add_rate(scene.layer, alphabet, int(seen.spiking.sum()), spikes.numel())
    scene.signals.set(spikes, declared)
    scene.signals.remember(spikes, seen)
    return seen


def _scale(scene: Scene, amplitude: Tensor | None) -> float:
    if amplitude is None:
        return 1.0
    if amplitude.numel() > 1:
        raise UsageError(
            f"{scene.layer}: learned amplitudes of its own for each channel are not followed; fold them into the next "
            "layer's weights, or learn one for the layer"
        )
    return float(amplitude)


def fire(scene: Scene, spikes: Tensor, signal: Signal, cost: NeuronCost) -> None:
    """Rule 8."""
    seen = observe(scene, spikes, signal, cost.alphabet, cost.amplitude)
    elements = scene.per_row(spikes.numel(), signal)
    for kind in _leak(cost.decays):
        scene.count("neuron", kind, signal, elements)
    scene.count("neuron", "ac", signal, elements)
    scene.count("neuron", "compare", signal, elements * (len(cost.alphabet.values) - 1))
    if cost.is_soft:
        scene.count("neuron", "ac", signal, seen.events, elements - seen.spiking)
    for mode in ("read", "write"):
        scene.access("potential", mode, elements, signal, elements)


def _leak(decays: tuple[float, ...]) -> Iterator[Kind]:
    """The dearest leak of a layer's channels."""
    if not decays or set(decays) == {1.0}:
        return
    if all(_is_power(decay) for decay in decays):
        yield "shift"
    elif all(_is_power(decay) or _is_power(1 - decay) for decay in decays):
        yield "shift"
        yield "ac"
    else:
        yield "mac"


def _is_power(x: float) -> bool:
    return x == 0 or (0 < x <= 1 and math.frexp(x)[0] == 0.5)
