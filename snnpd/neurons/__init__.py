"""Spiking neurons: binary, ternary and integer, multi-step and time first."""

from typing import Any

from snnpd.neurons.base import Neuron, explain
from snnpd.neurons.dispatch import set_default_implementation, use_implementation
from snnpd.neurons.modules import IF, LIF, IntegerLIF, ParametricLIF
from snnpd.neurons.monitor import firing_rates
from snnpd.neurons.spec import decay_from_tau
from snnpd.neurons.table import NEURONS
from snnpd.neurons.ternary import TernaryIF, TernaryLIF
from snnpd.registry import create

__all__ = [
    "IF",
    "LIF",
    "IntegerLIF",
    "ParametricLIF",
    "TernaryIF",
    "TernaryLIF",
    "create_neuron",
    "decay_from_tau",
    "explain",
    "firing_rates",
    "list_neurons",
    "set_default_implementation",
    "use_implementation",
]


def create_neuron(name: str, **options: Any) -> Neuron:
    """A neuron by name.

    Example:
        >>> create_neuron("ternary_lif", threshold=0.5).alphabet.name
        'ternary'

    Raises:
        UsageError: no such neuron or option, with the nearest names, or a value out of its range.
    """
    return create("neuron", name, NEURONS, **options)


def list_neurons() -> list[str]:
    """The names that `create_neuron` takes."""
    return sorted(NEURONS)
