"""Linear maps, pools and sums event by event: the dense layer's numbers, and counts worked out by hand."""

from typing import Any

import pytest
import torch
from torch import nn

from snnpd.blocks.stems import ConvNorm, Stage
from snnpd.energy.executor.geometry import sliding
from snnpd.energy.executor.layers import run_conv, run_linear, run_pool
from snnpd.energy.executor.machine import add_residual, map_events, moved, settled, sum_over
from snnpd.energy.executor.wires import Letters
from snnpd.energy.fixed_point import Format, ToPotential
from snnpd.energy.fixed_point.layers import with_parts
from snnpd.projections import LinearNorm
from tests.energy.executor.networks import (
    as_spikes,
    as_words,
    bench,
    conv,
    drawn,
    entries,
    is_same,
    linear,
    to_word,
)


def test_a_linear_map_of_ternary_and_integer_events_by_hand() -> None:
    layer = with_parts(LinearNorm(3, 2), linear=linear(3, 2), norm=to_word())
    layer.linear.weight.data = torch.tensor([[5.0, 7, 11], [1, 2, 3]], dtype=torch.float64)
    layer.linear.bias.data = torch.tensor([100.0, -100], dtype=torch.float64)
    # Step 0: two tokens with events +1, -1 | 3; step 1: one event -2.
    x = torch.tensor([[[[1.0, 0, -1], [0, 3, 0]]], [[[0.0, 0, 0], [-2, 0, 0]]]]).double()
    machine = bench(layer, 2, 1)
    words = run_linear(machine, layer, as_spikes(x, -2, 3))
    assert words.values[0, 0].tolist() == [[100 + 5 - 11, -100 + 1 - 3], [100 + 21, -100 + 6]]
    assert words.values[1, 0].tolist() == [[100, -100], [100 - 10, -100 - 2]]
    # Units 1 + 1 + 3 and 2, two outputs each; 3 and 5 of the 6 places are silent.
    assert entries(machine) == {
        ("layer.linear", "linear", "ac", 24): ([[5 * 2], [2 * 2]], [[3 * 2], [5 * 2]])
    }


def test_a_convolution_of_events_by_hand() -> None:
    layer = with_parts(ConvNorm(1, Stage(2, False)), conv=conv(1, 2, 3, padding=1), norm=to_word())
    x = torch.zeros(1, 2, 1, 4, 4).double()
    x[0, 0, 0, 0, 0], x[0, 0, 0, 1, 2], x[0, 1, 0, 0, 2] = 1, -1, 1
    machine = bench(layer, 1, 2)
    assert is_same(run_conv(machine, layer, as_spikes(x)), layer(x))
    # A 4 x 4 image has 10 · 10 real taps. A corner is read by 4 outputs, the inside by 9, an edge by 6; two maps.
    assert entries(machine) == {
        ("layer.conv", "linear", "ac", 24): ([[13 * 2, 6 * 2]], [[(100 - 13) * 2, (100 - 6) * 2]])
    }


@pytest.mark.parametrize(
    ("kernel", "geometry"),
    [(3, {"padding": 1}), (3, {"padding": 1, "stride": 2}), (2, {"stride": 3}), (1, {}), (4, {"padding": 2})],
)
@pytest.mark.parametrize(("low", "high"), [(0, 1), (-1, 1), (0, 4)])
def test_convolutions_of_all_letters(kernel: int, geometry: dict[str, Any], low: int, high: int) -> None:
    layer = conv(3, 5, kernel, **geometry)
    x = drawn(2, 3, 3, 7, 6, low=low, high=high)
    machine = bench(layer, 2, 3)
    reach = sliding((7, 6), layer.kernel_size, layer.stride, layer.padding)
    sums = map_events(machine, layer, reach, as_spikes(x, low, high).arranged(1, 2, 0), 24)
    assert sums.transpose(0, 2, 1).tolist() == layer(x.flatten(0, 1)).flatten(2).tolist()
    assert entries(machine).keys() == {("layer", "linear", "ac", 24)}
    ((done, skipped),) = entries(machine).values()
    # A convolution of ones adds each unit event as often as it is read.
    ones = torch.ones_like(layer.weight)
    for counted, events in ((done, x.abs()), (skipped, (x == 0).double())):
        reached = torch.nn.functional.conv2d(events.flatten(0, 1), ones, **geometry)
        assert counted == reached.flatten(1).sum(1).long().view(2, 3).tolist()
        assert sum(map(sum, counted)) > 0


def test_the_first_layer_multiplies_every_word_and_rounds_to_the_nearest() -> None:
    norm = ToPotential(Format(10, 2), places=-3)
    layer = with_parts(ConvNorm(2, Stage(3, False)), conv=conv(2, 3, 3, padding=1), norm=norm)
    x = torch.randint(-49, 50, (1, 2, 2, 3, 3)).double()
    x[0, 1] = 0
    machine = bench(layer, 1, 2)
    dense = layer(x)
    assert is_same(run_conv(machine, layer, as_words(x)), dense)
    assert {-512, 511} < set(dense.unique().tolist())
    assert (dense.abs() < 500).any()
    # 7 · 7 real taps in a 3 x 3 image, 2 channels to 3 maps, zeros too.
    assert entries(machine) == {("layer.conv", "linear", "mac", 10): ([[49 * 6] * 2], [[0, 0]])}


@pytest.mark.parametrize(("places", "moves"), [(2, [-20, 28]), (0, [-5, 7]), (-1, [-3, 3]), (-2, [-2, 1])])
def test_wires_round_down(places: int, moves: list[int]) -> None:
    words = as_words(torch.tensor([[[-5.0, 7.0]]]).double())
    assert moved(words.values, places).ravel().tolist() == moves
    assert settled(ToPotential(Format(4, 0), places), words.values).ravel().tolist() == [
        max(-8, min(7, move)) for move in moves
    ]


def test_a_max_pool_by_hand() -> None:
    pool = nn.MaxPool2d(3, stride=2, padding=1)
    x = torch.randint(-50, 50, (2, 1, 3, 4, 4)).double()
    machine = bench(pool, 2, 1)
    assert is_same(run_pool(machine, pool, as_words(x), 24), pool(x.flatten(0, 1)).unflatten(0, (2, 1)))
    # Windows read -1..1 and 1..3 along each axis: 2 and 3 real taps, so 4, 6, 6 and 9, less one each; three maps.
    assert entries(machine) == {("layer", "pool", "compare", 24): ([[63], [63]], [[0], [0]])}


def test_a_residual_sum_saturates() -> None:
    to_potential = ToPotential(Format(5, 0))
    a, b = torch.tensor([[[9.0, -9, 3, 0]]]).double(), torch.tensor([[[8.0, -8, -1, 0]]]).double()
    machine = bench(to_potential, 1, 1)
    total = add_residual(machine, to_potential, to_potential, as_words(a), as_words(b))
    assert total.values.ravel().tolist() == [15, -16, 2, 0]
    assert entries(machine) == {("layer", "residual", "ac", 5): ([[4]], [[0]])}


@pytest.mark.parametrize(
    ("low", "high", "axis", "bits"),
    # Sums of 3: 0..3, -3..3, 0..12; of 4: 0..4, -4..4, 0..16.
    [(0, 1, 0, 2), (-1, 1, 0, 3), (0, 4, 0, 4), (0, 1, 1, 3), (-1, 1, 1, 4), (0, 4, 1, 5)],
)
def test_sums_of_events(low: int, high: int, axis: int, bits: int) -> None:
    x = drawn(2, 2, 3, 4, low=low, high=high)
    machine = bench(nn.Identity(), 2, 2)
    sums = sum_over(machine, next(iter(machine.names)), as_spikes(x, low, high), axis)
    assert is_same(sums, x.sum(axis + 2, keepdim=True))
    assert sums.letters == Letters(low * x.shape[axis + 2], high * x.shape[axis + 2])
    events = (x != 0).sum((2, 3))
    assert entries(machine) == {("layer", "pool", "ac", bits): (events.tolist(), (12 - events).tolist())}


def test_a_head_on_sums_adds_every_unit() -> None:
    head = linear(3, 4)
    # 2 + 0 + 5 units to 4 classes; one of the 3 channels is silent.
    sums = torch.tensor([[[[2.0, 0, 5]]]]).double()
    machine = bench(head, 1, 1)
    reach = sliding((1,), (1,), (1,), (0,))
    logits = map_events(machine, head, reach, as_spikes(sums, 0, 9), 24)
    assert logits.ravel().tolist() == head(sums).ravel().tolist()
    assert entries(machine) == {("layer", "linear", "ac", 24): ([[28]], [[4]])}
