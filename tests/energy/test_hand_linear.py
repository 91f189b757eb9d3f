"""Linear maps, convolutions and pools, worked out by hand: rules 1, 2, 3, 9 and 10."""

import pytest
import torch
from torch import Tensor, nn

from snnpd.energy.scene import Word
from snnpd.energy.tally import count_batch
from snnpd.spikes import BINARY, TERNARY, Alphabet, integer
from tests.energy.counting import Formula, Totals, one, placed, totals

TWO = integer(2)


@pytest.mark.parametrize(
    ("x", "inputs", "expected"),
    [
        # 2 of 3 inputs spike, each to 4 outputs: 8; the silent one spares 4
        (one(1, 0, 1), BINARY, {"linear ac f32": (8, 4)}),
        (one(-1, 0, 1), TERNARY, {"linear ac f32": (8, 4)}),
        # 2 + 0 + 1 = 3 unit events; still one silent input
        (one(2, 0, 1), TWO, {"linear ac f32": (12, 4)}),
        # nothing declared: 3 · 4 products, spikes or not
        (one(1, 0, 1), None, {"linear mac f32": (12, 0)}),
        # two tokens, [1, 1, N, C]: 3 events of 6 inputs
        (one([1, 0, 1], [0, 0, 1]), BINARY, {"linear ac f32": (12, 12)}),
    ],
)
@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_map(x: Tensor, inputs: Alphabet | None, expected: Totals, bias: bool) -> None:
    assert totals(nn.Linear(3, 4, bias=bias), x, inputs=inputs) == expected


def test_the_width_of_words_is_the_callers() -> None:
    layer, x = nn.Linear(3, 4), one(1, 0, 1)
    assert totals(layer, x, inputs=BINARY, word=Word(8, False)) == {"linear ac 8": (8, 4)}
    assert totals(layer, x, word=Word(16, True)) == {"linear mac f16": (12, 0)}


# rows 1 0 2 0 / 0 1 0 0 / 0 0 0 1 / 1 0 0 0: 5 spiking, 6 unit events; row and column of each
CORNERS = one([[1, 0, 2, 0], [0, 1, 0, 0], [0, 0, 0, 1], [1, 0, 0, 0]])


@pytest.mark.parametrize(
    ("layer", "x", "expected"),
    [
        # 3x3, padding 1: the taps that a place reaches are (2 3 3 2)ᵀ(2 3 3 2) = 10² = 100 in all.
        # (0,0) 4, (0,2) 6 twice, (1,1) 9, (2,3) 6, (3,0) 4: 35 additions; 29 taps carry spikes
        (nn.Conv2d(1, 1, 3, padding=1), CORNERS, (35, 71)),
        # two filters: all twice
        (nn.Conv2d(1, 2, 3, padding=1, bias=False), CORNERS, (70, 142)),
        # no padding, 2x2 outputs: reach (1 2 2 1) along each axis, 36 in all.
        # (0,0) 1, (0,2) 2 twice, (1,1) 4, (2,3) 2, (3,0) 1: 12; 10 taps carry spikes
        (nn.Conv2d(1, 1, 3), CORNERS, (12, 26)),
        # stride 2, padding 1: outputs read -1..1 and 1..3, reach (1 2 1 1), 25 in all.
        # (0,0) 1, (0,2) 1 twice, (1,1) 4, (2,3) 1, (3,0) 1: 9; 8 taps carry spikes
        (nn.Conv2d(1, 1, 3, stride=2, padding=1), CORNERS, (9, 17)),
        # 1x1 of stride 2 reads (0,0) (0,2) (2,0) (2,2) alone: 1 + 2; two silent
        (nn.Conv2d(1, 1, 1, stride=2), CORNERS, (3, 2)),
        # dilation 2: the one output place of 2x2 taps at distance 2 moves over 2x2 places, reach (1 1 1 1): 16 in all
        (nn.Conv2d(1, 1, 2, dilation=2), CORNERS, (6, 11)),
        # dilation 2, padding 1 along rows: outputs -1..2, taps {-1,1} {0,2} {1,3} {2,4}: reach (1 2 2 1); columns
        # (1 1 1 1). (0,0) 1, (0,2) 1 twice, (1,1) 2, (2,3) 2, (3,0) 1: 8; 7 taps carry spikes of 6 · 4
        (nn.Conv2d(1, 1, 2, dilation=2, padding=(1, 0)), CORNERS, (8, 17)),
        # 2x2 filters of stride 2, "patches": reach 1 each
        (nn.Conv2d(1, 3, 2, stride=2), CORNERS, (18, 33)),
        # along one axis, [1, 0, 2, 1], 3 taps, padding 1, reach (2 3 3 2): 2 + 6 + 2 additions; 7 of 10 carry spikes
        (nn.Conv1d(1, 1, 3, padding=1), one([1, 0, 2, 1]), (10, 3)),
    ],
)
def test_a_convolution_of_integers(layer: nn.Module, x: Tensor, expected: tuple[int, int]) -> None:
    x = x.squeeze(0)
    assert totals(layer, x, inputs=TWO, time_steps=0) == {"linear ac f32": expected}


# Two channels: channel 0 has one spike in a corner, channel 1 two in the middle and one at the border.
PAIR = one(
    [[-1, 0, 0], [0, 0, 0], [0, 0, 0]],
    [[0, 0, 0], [1, -1, 0], [0, 0, 0]],
)


@pytest.mark.parametrize(
    ("layer", "ternary", "dense"),
    [
        # 3x3 with padding 1 on 3x3: reach (2 3 2)ᵀ(2 3 2), 49 for each channel.
        # corner 4, border 6, middle 9: 19, to 4 filters
        (nn.Conv2d(2, 4, 3, padding=1), 76, 392),
        # two groups of 2 filters: a channel meets 2
        (nn.Conv2d(2, 4, 3, padding=1, groups=2), 38, 196),
        # depthwise: each channel its own filter
        (nn.Conv2d(2, 2, 3, padding=1, groups=2), 19, 98),
        # depthwise, dilation 2, padding 2 on 3x3: taps at distance 2, outputs -2..: reach (2 1 2) along an axis (an end
        # is read by itself and by the other end, the middle by itself); corner 4, border (1,0) 2, middle 1
        (nn.Conv2d(2, 2, 3, padding=2, dilation=2, groups=2), 7, 50),
        # a column of 2 taps, stride 1 x 2: rows reach (1 2 1), columns 0 and 2 are read: corner 1, border 2, middle 0;
        # 4 · 2 reached for each channel
        (nn.Conv2d(2, 1, (2, 1), stride=(1, 2)), 3, 16),
    ],
)
def test_a_convolution_of_two_channels(layer: nn.Module, ternary: int, dense: int) -> None:
    x = PAIR.squeeze(0)
    assert totals(layer, x, time_steps=0, inputs=TERNARY) == {"linear ac f32": (ternary, dense - ternary)}
    assert totals(layer, x, time_steps=0) == {"linear mac f32": (dense, 0)}


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        # batch-norm right behind the linear map, or the convolution: part of its weights
        ([nn.Linear(2, 3), nn.BatchNorm1d(3)], {"linear ac f32": (3, 3)}),
        # in front of it 2 elements are scaled and shifted, and the map meets words
        ([nn.BatchNorm1d(2), nn.Linear(2, 3)], {"norm mac f32": (2, 0), "linear mac f32": (6, 0)}),
        # the second one has no linear map before it
        (
            [nn.Linear(2, 3), nn.BatchNorm1d(3), nn.BatchNorm1d(3)],
            {"linear ac f32": (3, 3), "norm mac f32": (3, 0)},
        ),
        # a ReLU between: 3 comparisons, 3 elements to normalise
        (
            [nn.Linear(2, 3), nn.ReLU(), nn.BatchNorm1d(3)],
            {"linear ac f32": (3, 3), "neuron compare f32": (3, 0), "norm mac f32": (3, 0)},
        ),
        # dropout at inference, an identity: nothing
        ([nn.Dropout(), nn.Linear(2, 3), nn.Identity()], {"linear ac f32": (3, 3)}),
    ],
)
def test_batch_norm_folds_or_does_not(layers: list[nn.Module], expected: Totals) -> None:
    x = torch.tensor([[0.0, 1.0]])
    assert totals(nn.Sequential(*layers).eval(), x, time_steps=0, inputs=BINARY) == expected


def test_a_constant_folds_into_the_next_weights() -> None:
    # ½ · 2 · (−x): the letters are 1 and 0 still, the sign turned
    halved = Formula(lambda x, fc: fc(-(x / 2) * 4), fc=nn.Linear(3, 2))
    assert totals(halved, one(1, 0, 1), inputs=BINARY) == {"linear ac f32": (4, 2)}


def test_a_scale_behind_a_linear_map_is_its_own() -> None:
    scaled = Formula(lambda x, fc: fc(x) * 0.125, fc=nn.Linear(3, 2))
    assert totals(scaled, one(0.5, 0, 1)) == {"linear mac f32": (6, 0)}


SQUARE = one([[1, 0, 0, -1], [0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]]).squeeze(0)


@pytest.mark.parametrize(
    ("pool", "events", "analog"),
    [
        # 2x2 windows: 3 comparisons in each of 4; a ternary letter has 2 bits
        (nn.MaxPool2d(2), {"pool compare 2": (12, 0)}, {"pool compare f32": (12, 0)}),
        # 3x3, stride 2, padding 1: reach (1 2 1 1), so 25 real taps for 4 windows
        (nn.MaxPool2d(3, 2, 1), {"pool compare 2": (21, 0)}, {"pool compare f32": (21, 0)}),
        # 3x3 of stride 3 with ceil_mode: rows 0..2 and 3 alone, reach (1 1 1 1): 16 taps, 4 windows
        (nn.MaxPool2d(3, 3, ceil_mode=True), {"pool compare 2": (12, 0)}, {"pool compare f32": (12, 0)}),
        # every element in one window; 5 of 16 spike; sums lie in −4..4: 3 bits and a sign
        (nn.AvgPool2d(2), {"pool ac 4": (5, 11)}, {"pool ac f32": (16, 0)}),
        # 3x3 of stride 1: reach (1 2 2 1), 36 taps; (0,0) 1, (0,3) 1, (2,1) 4, (2,2) 4, (3,3) 1; sums in −9..9
        (nn.AvgPool2d(3, 1), {"pool ac 5": (11, 25)}, {"pool ac f32": (36, 0)}),
        # the whole map, as a mean over two axes: 5 of 16, sums in −16..16
        (nn.AdaptiveAvgPool2d(1), {"pool ac 6": (5, 11)}, {"pool ac f32": (16, 0)}),
    ],
)
def test_a_pool(pool: nn.Module, events: Totals, analog: Totals) -> None:
    assert totals(pool, SQUARE, time_steps=0, inputs=TERNARY) == events
    assert totals(pool, SQUARE, time_steps=0) == analog


def test_a_map_behind_a_pool_meets_its_unit_events() -> None:
    # the sums of the four windows are 1, −1, 1, 2 quarters: 5 unit events, none silent, to 3 outputs
    x = SQUARE.clone()
    x[0, 0, 0, 3] = -1
    behind = nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(4, 3))
    assert totals(behind, x, time_steps=0, inputs=TERNARY) == {"pool ac 4": (5, 11), "linear ac f32": (15, 0)}
    # and a max-pool of letters gives letters: 1, 0, 1, 1
    behind = nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4, 3))
    assert totals(behind, x, time_steps=0, inputs=TERNARY) == {
        "pool compare 2": (12, 0),
        "linear ac f32": (9, 3),
    }


# T = 2, B = 2, one token of 3 channels: 1 and 3 events at the first step, 0 and 2 at the second.
STEPS = torch.tensor([[[1, 0, 0], [1, -1, 1]], [[0, 0, 0], [0, 1, -1]]], dtype=torch.float32)


def test_each_time_step_and_sample_has_its_own_numbers() -> None:
    network = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 5))
    assert placed(count_batch(network, STEPS, inputs=TERNARY)) == {
        "0 linear ac f32": ([[2, 6], [0, 4]], [[4, 0], [6, 2]]),
        "1 neuron compare f32": ([[2, 2], [2, 2]], [[0, 0], [0, 0]]),
        "2 linear mac f32": ([[10, 10], [10, 10]], [[0, 0], [0, 0]]),
    }


def test_placement_holds_where_time_and_batch_are_one_axis() -> None:
    model = Formula(lambda x, fc: fc(x.flatten(0, 1)).unflatten(0, x.shape[:2]), fc=nn.Linear(3, 2))
    ledger = count_batch(model, STEPS, inputs=TERNARY)
    assert placed(ledger) == {"parts.fc linear ac f32": ([[2, 6], [0, 4]], [[4, 0], [6, 2]])}


def test_steps_one_after_the_other_are_put_to_the_first() -> None:
    model = Formula(lambda x, fc: torch.stack([fc(step) for step in x]), fc=nn.Linear(3, 2))
    ledger = count_batch(model, STEPS, inputs=TERNARY)
    assert placed(ledger) == {"parts.fc linear ac f32": ([[2, 10]], [[10, 2]])}


def test_time_steps_that_a_convolution_takes_for_channels() -> None:
    # [B, T, 3] behind a transposition: 1 + 0 and 3 + 2 events meet both filters, at the first step; 6 elements each
    model = Formula(lambda x, conv: conv(x.transpose(0, 1)), conv=nn.Conv1d(2, 2, 1))
    ledger = count_batch(model, STEPS, inputs=TERNARY)
    assert placed(ledger) == {"parts.conv linear ac f32": ([[2, 10]], [[10, 2]])}
    assert totals(model, STEPS) == {"linear mac f32": (24, 0)}
    assert totals(model, STEPS[:, :1]) == {"linear mac f32": (12, 0)}


@pytest.mark.parametrize("bias", [True, False])
def test_a_bias_is_free_however_it_is_added(bias: bool) -> None:
    # torch adds the bias of a map on its own where memory is not in order
    fc = nn.Linear(3, 2, bias=bias)
    models = [
        Formula(lambda x, fc: fc(x.transpose(2, 3)), fc=fc),
        Formula(lambda x, fc: x.transpose(2, 3) @ fc.weight.t() + (1 if fc.bias is None else fc.bias), fc=fc),
    ]
    x = STEPS.unsqueeze(-1).repeat(1, 1, 1, 2)
    for model in models:
        assert totals(model, x, inputs=TERNARY) == {"linear ac f32": (24, 24)}


def test_a_layer_used_twice_adds_up() -> None:
    twice = Formula(lambda x, fc: (fc(x), fc(x)), fc=nn.Linear(3, 2))
    assert totals(twice, one(1, 0, 1), inputs=BINARY) == {"linear ac f32": (8, 4)}
