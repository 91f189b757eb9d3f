"""Attention event by event: pairs of events that meet, values that are shifted, gates."""

from dataclasses import replace
from typing import Any

import numpy as np
from torch import nn

from snnpd.attention.qk_gates import GatedKeys, TokenQK
from snnpd.attention.spike_driven import SpikeDriven1
from snnpd.attention.spiking import SpikingOutput
from snnpd.energy.executor.attention_kernels import add_pairs, add_shifted, shift_counts
from snnpd.energy.executor.layers import run_linear
from snnpd.energy.executor.machine import Machine, sum_over
from snnpd.energy.executor.map_kernels import gate_events
from snnpd.energy.executor.neurons import run_neuron
from snnpd.energy.executor.wires import Ints, Spikes, Words, events_of
from snnpd.energy.fixed_point import FixedAttention, FixedProductGroup, FixedShiftmaxGroup


def run_attention(machine: Machine, layer: nn.Module, x: Spikes) -> Words:
    """Spikes `[N, C]` to potentials `[N, C]`."""
    if isinstance(layer, FixedAttention):
        return run_expansion(machine, layer, x)
    if isinstance(layer, SpikeDriven1):
        return run_spike_driven(machine, layer, x)
    assert isinstance(layer, GatedKeys)
    return run_gated_keys(machine, layer, x)


def run_expansion(machine: Machine, layer: FixedAttention, x: Spikes) -> Words:
    """Bipolar or spiking self-attention."""
    group: Any = layer.groups[0]
    q, k, v = parts(run_linear(machine, layer.qkv, x), 3)
    query, key = (split(run_neuron(machine, n, t), layer) for n, t in ((group.query, q), (group.key, k)))
    if isinstance(group, FixedShiftmaxGroup):
        heads = run_shiftmax(machine, group, query, key, split_words(v, layer.num_heads))
    else:
        heads = run_products(machine, group, query, key, split(run_neuron(machine, group.value, v), layer))
    tokens = heads.arranged(1, 0, 2)
    tokens = tokens.shaped(tokens.values.shape[2], -1)
    assert isinstance(layer.out, SpikingOutput)
    return run_linear(machine, layer.out.project, run_neuron(machine, layer.out.neuron, tokens))


def run_products(machine: Machine, group: FixedProductGroup, q: Spikes, k: Spikes, v: Spikes) -> Words:
    """(q kᵀ) v, or q (kᵀ v)."""
    if group.is_primal:
        weight = multiply(machine, group, k.arranged(0, 2, 1), v)
        return multiply(machine, group, q, events_of(weight))
    scores = multiply(machine, group, q, k.arranged(0, 2, 1))
    return multiply(machine, group, events_of(scores), v)


def multiply(machine: Machine, layer: nn.Module, a: Spikes, b: Spikes) -> Words:
    """The products of events `[H, I, K]` and `[H, K, J]`, driven by the one with the smaller letters."""
    heads, rows, terms = a.sizes
    columns = b.sizes[2]
    letters = a.alphabet.times(b.alphabet, terms)
    done, met = machine.counter(), machine.counter()
    if a.alphabet.peak <= b.alphabet.peak:
        driver, other, sums = a, b, machine.zeros(heads, rows, columns)
    else:
        driver, other, sums = b.arranged(0, 2, 1), a.arranged(0, 2, 1), machine.zeros(heads, columns, rows)
    others = other.words().values.reshape(-1, *other.sizes)
    add_pairs(driver.starts, driver.places, driver.letters, others, sums, done, met)
    machine.write(layer, "product", "ac", letters.bits, done, heads * rows * terms * columns - met)
    words = machine.words(sums, *sums.shape[1:], letters=letters)
    return words if driver is a else words.arranged(0, 2, 1)


def run_shiftmax(machine: Machine, group: FixedShiftmaxGroup, q: Spikes, k: Spikes, v: Words) -> Words:
    """Values shifted by Shiftmax of q kᵀ, and added."""
    words = multiply(machine, group, q, k.arranged(0, 2, 1))
    assert words.letters is not None
    scores = words.values.reshape(-1, *words.values.shape[2:])
    num_rows, heads, queries, points = scores.shape
    shifts = np.empty((num_rows, heads * queries, points), np.int64)
    counters = exponents, additions, leading = tuple(machine.counter() for _ in range(3))
    peak = words.letters.peak
    shift_counts(scores.reshape(shifts.shape), peak, shifts, counters)
    wide = 2 * peak + 1 + (points - 1).bit_length()
    machine.write(group, "shiftmax", "ac", words.letters.bits, exponents)
    machine.write(group, "shiftmax", "ac", wide, additions)
    machine.write(group, "shiftmax", "leading_one", wide, leading)
    return _shifted(machine, group, shifts.reshape(scores.shape), v)


def _shifted(machine: Machine, group: FixedShiftmaxGroup, shifts: Ints, v: Words) -> Words:
    values = v.values.reshape(-1, *v.values.shape[2:])
    sums = machine.zeros(*shifts.shape[1:3], values.shape[3])
    done, skipped = machine.counter(), machine.counter()
    add_shifted(shifts, values, group.value_bits, sums, done, skipped)
    machine.write(group, "values", "shift", group.value_bits, done, skipped)
    machine.write(group, "values", "ac", group.value_bits, done, skipped)
    return machine.words(sums, *sums.shape[1:])


def run_spike_driven(machine: Machine, layer: SpikeDriven1, x: Spikes) -> Words:
    """Queries, channel by channel, where the weight spikes."""
    q = split_words(run_linear(machine, layer.q, x), layer.num_heads)
    k, v = (split_words(part, layer.num_heads) for part in parts(run_linear(machine, layer.kv, x), 2))
    key, value = run_neuron(machine, layer.key, k), run_neuron(machine, layer.value, v)
    weight = sum_over(machine, layer, gate(machine, layer, key, value), axis=1)
    query = run_neuron(machine, layer.query, q)
    open_ = run_neuron(machine, layer.weight_neuron, weight)
    return run_linear(machine, layer.out, merge(gate(machine, layer, query, open_)))


def run_gated_keys(machine: Machine, layer: GatedKeys, x: Spikes) -> Words:
    """Keys behind a gate of query spikes."""
    q, k = (split_words(part, layer.num_heads) for part in parts(run_linear(machine, layer.qk, x), 2))
    query = run_neuron(machine, layer.query, q)
    sums = sum_over(machine, layer, query, axis=2 if isinstance(layer, TokenQK) else 1)
    open_ = run_neuron(machine, layer.gate, sums)
    return run_linear(
        machine, layer.out, merge(gate(machine, layer, open_, run_neuron(machine, layer.key, k)))
    )


def gate(machine: Machine, layer: nn.Module, a: Spikes, b: Spikes) -> Spikes:
    """a ⊙ b: the events of the one with more places, the left one at a tie, each through its gate."""
    driver, other = (a, b) if a.num_places >= b.num_places else (b, a)
    own = np.arange(other.num_places).reshape(other.sizes)
    owners = np.ascontiguousarray(np.broadcast_to(own, driver.sizes)).ravel()
    passed, done = np.zeros_like(driver.letters), machine.counter()
    gate_events(driver.starts, driver.places, driver.letters, other.words().rows, owners, passed, done)
    letters = a.alphabet.times(b.alphabet)
    machine.write(layer, "gate", "and", letters.bits, done, driver.num_places - done)
    return events_of(replace(driver, letters=passed, alphabet=letters).words())


def parts(words: Words, count: int) -> list[Words]:
    """Tokens cut into equal parts of their channels."""
    return [Words(part) for part in np.split(words.values, count, axis=-1)]


def split_words(words: Words, num_heads: int) -> Words:
    """`[N, C]` to `[H, N, D]`."""
    return words.shaped(words.values.shape[2], num_heads, -1).arranged(1, 0, 2)


def split(spikes: Spikes, layer: FixedAttention) -> Spikes:
    """`[N, C]` to `[H, N, D]`."""
    tokens, channels = spikes.sizes
    return spikes.shaped(tokens, layer.num_heads, channels // layer.num_heads).arranged(1, 0, 2)


def merge(spikes: Spikes) -> Spikes:
    """`[H, N, D]` to `[N, C]`."""
    heads, tokens, width = spikes.sizes
    return spikes.arranged(1, 0, 2).shaped(tokens, heads * width)
