"""Stems, projections and the feed-forward half, event by event."""

import numpy as np
from torch import nn

from snnpd.blocks import FeedForward
from snnpd.blocks.stems import ConvNorm
from snnpd.energy.executor.geometry import everywhere, sliding
from snnpd.energy.executor.machine import (
    Machine,
    add_residual,
    map_events,
    map_words,
    settled,
)
from snnpd.energy.executor.map_kernels import pool_largest
from snnpd.energy.executor.neurons import run_neuron
from snnpd.energy.executor.wires import Spikes, Words
from snnpd.energy.fixed_point import FixedConvStem, FixedSeriesStem, ToPotential
from snnpd.projections import LinearNorm


def run_linear(machine: Machine, layer: nn.Module, spikes: Spikes) -> Words:
    """Tokens `[N, C]` to potentials `[N, K]`."""
    assert isinstance(layer, LinearNorm)
    norm = _to_potential(layer.norm)
    reach = everywhere(spikes.sizes[0])
    sums = map_events(machine, layer.linear, reach, spikes, norm.potential.bits)
    return machine.words(settled(norm, sums), *sums.shape[1:])


def run_conv(machine: Machine, layer: nn.Module, x: Spikes | Words) -> Words:
    """Maps `[C, h, w]`, events or (in the first layer) words, to potentials `[K, i, j]`."""
    assert isinstance(layer, ConvNorm)
    conv, norm = layer.conv, _to_potential(layer.norm)
    sizes = x.sizes if isinstance(x, Spikes) else x.values.shape[2:]
    assert not isinstance(conv.padding, str)
    reach = sliding(sizes[1:], conv.kernel_size, conv.stride, conv.padding)
    if isinstance(x, Spikes):
        sums = map_events(machine, conv, reach, x.arranged(1, 2, 0), norm.potential.bits)
    else:
        rows = x.arranged(1, 2, 0).shaped(-1, sizes[0]).values
        sums = map_words(machine, conv, reach, rows.reshape(-1, *rows.shape[2:]), norm.potential.bits)
    words = machine.words(settled(norm, sums), *reach.output_sizes, sums.shape[2]).arranged(2, 0, 1)
    return run_pool(machine, layer.pool, words, norm.potential.bits)


def run_pool(machine: Machine, pool: nn.Module, words: Words, bits: int) -> Words:
    """The largest of each window; nothing where there is no pool."""
    if not isinstance(pool, nn.MaxPool2d):
        return words
    maps, *sizes = words.values.shape[2:]
    kernel, stride, padding = (_pair(size) for size in (pool.kernel_size, pool.stride, pool.padding))
    reach = sliding(tuple(sizes), kernel, stride, padding)
    largest, done = machine.zeros(maps, len(reach.windows) - 1), machine.counter()
    rows = words.rows.reshape(-1, maps, int(np.prod(sizes)))
    pool_largest(rows, reach.windows, reach.inputs, largest, done)
    machine.write(pool, "pool", "compare", bits, done)
    return machine.words(largest, maps, *reach.output_sizes)


def run_conv_stem(machine: Machine, stem: FixedConvStem, x: Words) -> Words:
    """An image to tokens."""
    given: Spikes | Words = x
    for conv, activation in zip(stem.convs, stem.activations, strict=True):
        words = run_conv(machine, conv, given)
        given = run_neuron(machine, activation, words)
    words = add_residual(machine, stem, stem.saturate, words, run_conv(machine, stem.position, given))
    return words.shaped(words.values.shape[2], -1).arranged(1, 0)


def run_series_stem(machine: Machine, stem: FixedSeriesStem, x: Words) -> Words:
    """A series to tokens."""
    norm, position_norm = _to_potential(stem.norm), _to_potential(stem.position_norm)
    bits, rows = norm.potential.bits, x.values.reshape(-1, *x.values.shape[2:])
    assert isinstance(stem.linear, nn.Linear)
    assert isinstance(stem.conv, nn.Conv1d)
    assert not isinstance(stem.conv.padding, str)
    sums = map_words(machine, stem.linear, everywhere(rows.shape[1]), rows, bits)
    words = machine.words(settled(norm, sums), *sums.shape[1:])
    spikes = run_neuron(machine, stem.activation, words)
    reach = sliding(spikes.sizes[:1], stem.conv.kernel_size, stem.conv.stride, stem.conv.padding)
    near = map_events(machine, stem.conv, reach, spikes, bits)
    neighbours = machine.words(settled(position_norm, near), *near.shape[1:])
    return add_residual(machine, stem, stem.saturate, words, neighbours)


def run_feed_forward(machine: Machine, half: nn.Module, x: Words) -> Words:
    """Neurons, widen, neurons, narrow."""
    assert isinstance(half, FeedForward)
    between = run_linear(machine, half.widen, run_neuron(machine, half.before, x))
    return run_linear(machine, half.narrow, run_neuron(machine, half.between, between))


def _to_potential(module: nn.Module) -> ToPotential:
    assert isinstance(module, ToPotential)
    return module


def _pair(size: int | tuple[int, ...]) -> tuple[int, ...]:
    return (size, size) if isinstance(size, int) else size
