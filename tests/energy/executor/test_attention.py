"""Attention event by event: the dense layer's numbers, and counts worked out by hand."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from snnpd.energy.executor.attention import gate, multiply, run_attention, run_products, run_shiftmax
from snnpd.energy.executor.wires import Letters
from snnpd.energy.fixed_point import FixedProductGroup, FixedShiftmaxGroup, Format, to_fixed_point
from snnpd.expansion import Points
from tests.energy.executor.networks import (
    as_spikes,
    as_words,
    bench,
    drawn,
    entries,
    is_same,
    network,
    spikes_of,
)

NOTHING = nn.Identity()


def shiftmax_group(bits: int = 24) -> FixedShiftmaxGroup:
    return FixedShiftmaxGroup(NOTHING, NOTHING, NOTHING, Format(bits, 4))


def test_pairs_of_ternary_events_by_hand() -> None:
    # Channel 0: 2 events of a meet 1 of b; channel 1: 1 meets 2. Of 2 · 2 · 2 products 4 are met.
    a = torch.tensor([[[[[1.0, 0], [-1, 1]]]]]).double()
    b = torch.tensor([[[[[0.0, -1], [1, 1]]]]]).double()
    machine = bench(NOTHING, 1, 1)
    scores = multiply(machine, NOTHING, as_spikes(a), as_spikes(b))
    assert is_same(scores, a @ b)
    assert scores.letters == Letters(-2, 2)
    assert entries(machine) == {("layer", "product", "ac", 3): ([[4]], [[4]])}


@pytest.mark.parametrize(
    ("left", "right", "drives_left", "bits"),
    # Sums of 6 products: 0..6, -24..24, 0..24, -48..48, -96..72.
    [
        ((0, 1), (0, 1), True, 3),
        ((-1, 1), (0, 4), True, 6),
        ((0, 4), (0, 1), False, 5),
        ((-2, 2), (0, 4), True, 7),
        ((-4, 4), (-2, 1), False, 7),
        ((0, 4), (-4, 3), True, 8),
    ],
)
def test_the_smaller_letters_drive(left: Any, right: Any, drives_left: bool, bits: int) -> None:
    a = drawn(2, 2, 3, 4, 6, low=left[0], high=left[1])
    b = drawn(2, 2, 3, 6, 5, low=right[0], high=right[1])
    machine = bench(NOTHING, 2, 2)
    assert is_same(multiply(machine, NOTHING, as_spikes(a, *left), as_spikes(b, *right)), a @ b)
    units, events = (a.abs(), (b != 0).double()) if drives_left else ((a != 0).double(), b.abs())
    done = (units @ events).sum((2, 3, 4)).long()
    met = ((a != 0).double() @ (b != 0).double()).sum((2, 3, 4)).long()
    skipped = 3 * 4 * 6 * 5 - met
    assert entries(machine) == {("layer", "product", "ac", bits): (done.tolist(), skipped.tolist())}


def test_shiftmax_by_hand() -> None:
    # One query, three points, one channel: scores 1, 0, -1. 2 + 1 + 1/2 is below 4, so shifts are 2 - x = 1, 2, 3.
    q, k = torch.ones(1, 1, 1, 1, 1).double(), torch.tensor([1.0, 0, -1]).double().reshape(1, 1, 1, 3, 1)
    v = torch.tensor([[5.0, -5], [-1, 8], [-1, 17]]).double().reshape(1, 1, 1, 3, 2)
    group = shiftmax_group()
    machine = bench(group, 1, 1)
    sums = run_shiftmax(machine, group, as_spikes(q), as_spikes(k), as_words(v))
    # 5 >> 1, -1 >> 2, -1 >> 3 | -5 >> 1, 8 >> 2, 17 >> 3
    assert sums.values.ravel().tolist() == [2 - 1 - 1, -3 + 2 + 2]
    assert entries(machine) == {
        # one query event, two keys; scores of -1..1
        ("layer", "product", "ac", 2): ([[2]], [[1]]),
        # three exponents; three additions into 2 · 1 + 1 + 2 bits
        ("layer", "shiftmax", "ac", 2): ([[3]], [[0]]),
        ("layer", "shiftmax", "ac", 5): ([[3]], [[0]]),
        ("layer", "shiftmax", "leading_one", 5): ([[1]], [[0]]),
        # three points, two channels
        ("layer", "values", "shift", 24): ([[6]], [[0]]),
        ("layer", "values", "ac", 24): ([[6]], [[0]]),
    }


def test_shifts_by_the_width_of_a_word_are_skipped() -> None:
    # Scores 3 and -3: shifts 1 and 7 in words of 7 bits; -1 >> 7 would leave -1.
    q, k = (
        torch.ones(1, 1, 1, 1, 3).double(),
        torch.tensor([[1.0] * 3, [-1.0] * 3]).double().reshape(1, 1, 1, 2, 3),
    )
    v = torch.tensor([[6.0, 6, 6], [-1, -64, 63]]).double().reshape(1, 1, 1, 2, 3)
    for bits, last, done in ((8, [-1, -1, 0], 6), (7, [0, 0, 0], 3)):
        group = shiftmax_group(bits)
        machine = bench(group, 1, 1)
        sums = run_shiftmax(machine, group, as_spikes(q), as_spikes(k), as_words(v))
        assert is_same(sums, group(Points(q, k, v)))
        assert sums.values.ravel().tolist() == [3 + term for term in last]
        assert entries(machine)["layer", "values", "shift", bits] == ([[done]], [[6 - done]])
        assert entries(machine)["layer", "values", "ac", bits] == ([[done]], [[6 - done]])


@pytest.mark.parametrize("width", [1, 4, 16, 33, 70])
@pytest.mark.parametrize("points", [1, 5, 8])
def test_shiftmax_of_any_width(width: int, points: int) -> None:
    q, k = drawn(2, 2, 2, 3, width), drawn(2, 2, 2, points, width)
    q[0, 0, 0, 0], k[0, 0, 0, 0] = 1, 1
    k[0, 0, 0, -1] = 1 if points == 1 else -1
    v = torch.randint(-(1 << 23), 1 << 23, (2, 2, 2, points, 3)).double()
    group = shiftmax_group()
    machine = bench(group, 2, 2)
    sums = run_shiftmax(machine, group, as_spikes(q), as_spikes(k), as_words(v))
    assert is_same(sums, group(Points(q, k, v)))
    wide = 2 * width + 1 + {1: 0, 5: 3, 8: 3}[points]
    counted = entries(machine)
    assert counted["layer", "shiftmax", "leading_one", wide] == ([[6, 6]] * 2, [[0, 0]] * 2)
    done, skipped = (torch.tensor(part) for part in counted["layer", "values", "ac", 24])
    assert (done + skipped == 6 * points * 3).all()
    assert bool(skipped.any()) == (width > 11 and points > 1)


@pytest.mark.parametrize("is_primal", [False, True])
@pytest.mark.parametrize("high", [1, 3])
def test_products_of_spikes(is_primal: bool, high: int) -> None:
    q, k, v = (drawn(2, 2, 2, tokens, 4, low=0, high=high) for tokens in (3, 6, 6))
    group = FixedProductGroup(NOTHING, NOTHING, NOTHING, is_primal)
    machine = bench(group, 2, 2)
    spikes = (as_spikes(x, 0, high) for x in (q, k, v))
    heads = run_products(machine, group, *spikes)
    assert is_same(heads, group(Points(q, k, v)))
    assert heads.letters == Letters(0, 24 * high**3)
    # q kᵀ holds sums of 4 products, kᵀ v of 6; the others are sums of these.
    widths = {(1, False): {3, 5}, (1, True): {3, 5}, (3, False): {6, 10}, (3, True): {6, 10}}
    assert {bits for *_, bits in entries(machine)} == widths[high, is_primal]


def primal_counts(q: Tensor, k: Tensor, v: Tensor) -> tuple[int, int]:
    weight = k.transpose(-1, -2) @ v
    return int(weight.sum()), int((q @ (weight != 0).double()).sum())


def test_the_primal_form_by_brute_force() -> None:
    q, k, v = (drawn(1, 1, 2, tokens, 4, low=0) for tokens in (3, 9, 9))
    group = FixedProductGroup(NOTHING, NOTHING, NOTHING, is_primal=True)
    machine = bench(group, 1, 1)
    run_products(machine, group, *(as_spikes(x, 0, 1) for x in (q, k, v)))
    first, second = primal_counts(q, k, v)
    counted = entries(machine)
    assert counted["layer", "product", "ac", 4][0] == [[first]]
    assert counted["layer", "product", "ac", 6][0] == [[second]]


@pytest.mark.parametrize(
    ("a", "b", "sizes", "driver", "bits"),
    [
        ((-1, 1), (0, 1), ((2, 3, 4), (2, 3, 4)), "a", 2),
        ((0, 1), (0, 1), ((2, 3, 1), (2, 3, 4)), "b", 1),
        ((0, 1), (-1, 1), ((2, 3, 4), (2, 1, 4)), "a", 2),
        ((0, 3), (0, 3), ((2, 1, 4), (2, 3, 4)), "b", 4),
    ],
)
def test_gates(a: Any, b: Any, sizes: Any, driver: str, bits: int) -> None:
    x, y = (drawn(2, 2, *size, low=low, high=high) for size, (low, high) in zip(sizes, (a, b), strict=True))
    machine = bench(NOTHING, 2, 2)
    passed = gate(machine, NOTHING, as_spikes(x, *a), as_spikes(y, *b))
    assert torch.equal(passed.dense(), (x * y).long())
    assert (passed.letters != 0).all()
    events = ((x if driver == "a" else y) != 0).sum((2, 3, 4))
    expected = events.tolist(), (passed.num_places - events).tolist()
    assert entries(machine) == {("layer", "gate", "and", bits): expected}


@pytest.mark.parametrize("neuron", ["lif", "integer_lif"])
@pytest.mark.parametrize("attention", ["bsa", "ssa", "sdsa1", "token_qk", "channel_qk"])
def test_whole_layers(attention: str, neuron: str) -> None:
    x = torch.randn(3, 2, 2, 8, 8)
    fixed = to_fixed_point(network((2, 8, 8), x, attention=attention, neuron=neuron), x)
    layer, high = fixed.blocks[0].attention, 4 if neuron == "integer_lif" else 1
    emitted, spikes = spikes_of(layer), drawn(3, 2, 16, 16, low=0, high=high)
    dense = layer(spikes)
    machine = bench(layer, 3, 2)
    words = run_attention(machine, layer, as_spikes(spikes, 0, high))
    assert is_same(words, dense)
    for name, letters in emitted.items():
        assert letters.any(), name
        assert torch.equal(machine.spikes[f"layer.{name}"].dense(), letters.long()), name
