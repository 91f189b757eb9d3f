"""Layers of neurons on integers: words in, events out."""

from typing import NamedTuple

import numpy as np
from torch import Tensor, nn

from snnpd.energy.executor.machine import Machine, moved
from snnpd.energy.executor.neuron_kernels import NO_LEAK, SHIFT, SHIFT_AND_SUBTRACT, fire
from snnpd.energy.executor.wires import Ints, Letters, Spikes, Words, integers
from snnpd.energy.fixed_point import FixedNeuron
from snnpd.energy.fixed_point.neuron import along_channels

LEAKS = {"none": NO_LEAK, "shift": SHIFT, "shift_and_subtract": SHIFT_AND_SUBTRACT}


class Done(NamedTuple):
    """Operations of each row, and the neurons that a soft reset passed over."""

    shifts: Ints
    additions: Ints
    compares: Ints
    silent: Ints


def run_neuron(machine: Machine, neuron: nn.Module, words: Words) -> Spikes:
    """The spikes of a layer of neurons, which begin at rest."""
    assert isinstance(neuron, FixedNeuron)
    done = Done(*(machine.counter() for _ in Done._fields))
    spikes = _fired(neuron, words, done)
    if neuron.leak.kind != "none":
        machine.write(neuron, "neuron", "shift", neuron.bits, done.shifts)
    machine.write(neuron, "neuron", "ac", neuron.bits, done.additions, done.silent)
    machine.write(neuron, "neuron", "compare", neuron.bits, done.compares)
    machine.spikes[machine.names[neuron]] = spikes
    return spikes


def _fired(neuron: FixedNeuron, words: Words, done: Done) -> Spikes:
    steps, samples, *sizes = words.values.shape
    x = np.ascontiguousarray(moved(words.values, neuron.places).reshape(steps, samples, -1))

    def everywhere(numbers: Tensor) -> Ints:
        """Numbers `[..., C]` at each place of a sample."""
        spread = along_channels(numbers, len(sizes) + 1, neuron.channel_dim)
        lead = numbers.shape[:-1]
        return integers(spread.expand(*lead, 1, *sizes).reshape(*lead, x.shape[2]))

    bounds = everywhere(neuron.above), everywhere(neuron.below)
    worths = everywhere(neuron.worth), everywhere(neuron.worth_below)
    events = np.zeros(steps * samples + 1, np.int64), np.empty(x.size, np.int64), np.empty(x.size, np.int64)
    leak, word = (LEAKS[neuron.leak.kind], neuron.leak.places), neuron.saturate.potential
    state, limits = np.zeros(x.shape[1:], np.int64), (word.low, word.high)
    fire(x, state, bounds, worths, leak, neuron.reset == "soft", limits, events, tuple(done))
    starts, places, letters = events
    lists = starts, places[: starts[-1]].copy(), letters[: starts[-1]].copy()
    alphabet = Letters(neuron.alphabet.low, neuron.alphabet.high)
    return Spikes(*lists, steps, tuple(sizes), alphabet)
