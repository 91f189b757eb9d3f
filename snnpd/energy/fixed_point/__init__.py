"""Trained spiking networks on integers: the dense form, that the event-driven executor must equal bit for bit."""

from snnpd.energy.fixed_point.attention import FixedProductGroup, FixedShiftmaxGroup
from snnpd.energy.fixed_point.convert import to_fixed_point
from snnpd.energy.fixed_point.layers import FixedInput
from snnpd.energy.fixed_point.network import (
    FixedAttention,
    FixedBlock,
    FixedConvStem,
    FixedNetwork,
    FixedSeriesStem,
)
from snnpd.energy.fixed_point.neuron import FixedNeuron, Leak
from snnpd.energy.fixed_point.words import Format, ToPotential

__all__ = [
    "FixedAttention",
    "FixedBlock",
    "FixedConvStem",
    "FixedInput",
    "FixedNetwork",
    "FixedNeuron",
    "FixedProductGroup",
    "FixedSeriesStem",
    "FixedShiftmaxGroup",
    "Format",
    "Leak",
    "ToPotential",
    "to_fixed_point",
]
