"""Products that events take part in: worked out by hand, by brute force, and conserved."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from snnpd.energy.fan_out import conv_fan_out, linear_fan_out, pair_fan_out, reached_taps
from snnpd.errors import UsageError


def spikes(*shape: int, low: int = -1, high: int = 1, seed: int = 0) -> Tensor:
    return torch.randint(low, high + 1, shape, generator=torch.Generator().manual_seed(seed)).float()


def test_linear_by_hand() -> None:
    # Sample 0 of step 0: three events, two zeros a token and two tokens; each event meets 7 outputs.
    x = torch.tensor([[[[1.0, 0, -1], [0, 0, 1]]], [[[0.0, 0, 0], [2, 1, 0]]]])
    events, skipped = linear_fan_out(x, 7)
    assert events.tolist() == [[3 * 7], [3 * 7]]
    assert skipped.tolist() == [[3 * 7], [4 * 7]]


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "dilation", "taps"),
    [
        # Outputs at 0..4 read 3 each; the border inputs are read by two of them.
        (5, 3, 1, 1, 1, [2, 3, 3, 3, 2]),
        # Without padding outputs 0..2 read 0-2, 1-3, 2-4.
        (5, 3, 1, 0, 1, [1, 2, 3, 2, 1]),
        # Stride 2, padding 1: outputs read -1..1, 1..3, 3..5.
        (5, 3, 2, 1, 1, [1, 2, 1, 2, 1]),
        # Patches of 2: each input once; an odd rest is read by nobody.
        (5, 2, 2, 0, 1, [1, 1, 1, 1, 0]),
        # Dilation 2: outputs 0..2 read 0, 2 | 1, 3 | 2, 4.
        (5, 2, 1, 0, 2, [1, 1, 2, 1, 1]),
        (1, 1, 1, 0, 1, [1]),
    ],
)
def test_taps_by_hand(
    size: int, kernel: int, stride: int, padding: int, dilation: int, taps: list[int]
) -> None:
    assert reached_taps(size, kernel, stride, padding, dilation).tolist() == taps


@given(
    size=st.tuples(st.integers(3, 9), st.integers(3, 9)),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    groups=st.sampled_from([1, 2, 4]),
    seed=st.integers(0, 99),
)
def test_a_convolution_of_ones_meets_as_many(groups: int, seed: int, size: Any, **geometry: Any) -> None:
    x = spikes(2, 3, 4, *size, seed=seed)
    events, skipped = conv_fan_out(x, num_out=8, groups=groups, dilation=(1, 1), **geometry)
    ones = torch.ones(8, 4 // groups, *geometry["kernel"], dtype=torch.float64)

    def products(of: Tensor) -> list[list[int]]:
        out = functional.conv2d(
            of.flatten(0, 1).double(),
            ones,
            stride=geometry["stride"],
            padding=geometry["padding"],
            groups=groups,
        )
        return out.flatten(1).sum(1).view(2, 3).long().tolist()

    assert events.tolist() == products(x.abs())
    assert skipped.tolist() == products((x == 0).float())
    assert (events + skipped).tolist() == products(torch.ones_like(x))


def test_dilated_one_dimensional_convolution() -> None:
    x = spikes(1, 2, 3, 11)
    geometry: dict[str, Any] = {"kernel": (3,), "stride": (2,), "padding": (2,), "dilation": (2,)}
    events, _ = conv_fan_out(x, num_out=5, **geometry)
    met = functional.conv1d(x[0].abs(), torch.ones(5, 3, 3), stride=2, padding=2, dilation=2)
    assert events.tolist() == [met.flatten(1).sum(1).long().tolist()]


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-1, 1), (0, 3)])
def test_pairs_are_products_that_are_not_zero(low: int, high: int) -> None:
    q, k = spikes(2, 3, 4, 5, 6, low=low, high=high), spikes(2, 3, 4, 7, 6, low=low, high=high, seed=1)
    events, skipped = pair_fan_out(q, k)
    products = q.unsqueeze(-2) * k.unsqueeze(-3)
    assert events.tolist() == products.abs().flatten(2).sum(-1).long().tolist()
    assert skipped.tolist() == (products == 0).flatten(2).sum(-1).tolist()
    if high == 1:
        assert (events + skipped == 4 * 5 * 7 * 6).all()


@pytest.mark.parametrize("shape", [(3, 2), (3, 2, 5), (3, 2, 5, 6)])
@pytest.mark.parametrize("low", [0, -1])
def test_a_linear_layer_conserves(shape: tuple[int, ...], low: int) -> None:
    x = spikes(*shape, 9, low=low)
    events, skipped = linear_fan_out(x, 4)
    assert (events > 0).all()
    assert (events + skipped == x[0, 0].numel() * 4).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stride": (1,)}, "a convolution over 2 axes needs 2 numbers each"),
        ({"groups": 3}, "3 groups divide neither 4 nor 8 channels"),
        ({"kernel": (9, 1)}, "a kernel of 9 .dilation 1. does not fit into 5"),
    ],
)
def test_layers_that_cannot_be(change: dict[str, Any], message: str) -> None:
    geometry = {"kernel": (3, 3), "stride": (1, 1), "padding": (0, 0), "dilation": (1, 1)} | change
    with pytest.raises(UsageError, match=message):
        conv_fan_out(spikes(1, 1, 4, 5, 5), num_out=8, **geometry)
