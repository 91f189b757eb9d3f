"""Softmax attention and whole attention layers, worked out by hand: rules 4 to 8, 12 and 14."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from snnpd.attention import create_attention
from snnpd.energy.tally import count_batch
from snnpd.spikes import BINARY, TERNARY
from tests.energy.counting import Formula, Totals, one, placed, totals

# 2 queries, 3 keys of 4 channels, as analog words.
WORDS = torch.linspace(-1, 1, 40).reshape(1, 1, 1, 10, 4)
SOFTMAX = {"norm compare f32": (6, 0), "norm ac f32": (12, 0), "norm mac f32": (6, 0)}


def test_softmax_attention_in_one_kernel() -> None:
    # q kᵀ 2 · 3 · 4, values 2 · 3 · 4; each of 6 scores a comparison, 2 additions and a multiplication
    def forward(x: Tensor) -> Tensor:
        q, k, v = x[0, :, :, :2], x[0, :, :, 2:5], x[0, :, :, 5:8]
        return functional.scaled_dot_product_attention(q, k, v)

    ledger = count_batch(Formula(forward), WORDS)
    assert placed(ledger).keys() == {f"Formula {name}" for name in ["product mac f32", *SOFTMAX]}
    assert totals(Formula(forward), WORDS) == {"product mac f32": (48, 0), **SOFTMAX}
    assert ledger.unpriced == {("Formula", "exp"): 6}


@pytest.mark.parametrize("axes", [3, 4, 5])
@pytest.mark.parametrize("mask", ["none", "causal", "given"])
def test_softmax_attention_written_out_or_not(axes: int, mask: str) -> None:
    """The scale folds into the queries' map; written out in front of them it is behind a linear map too."""
    x = torch.randn(1, 1, 2, 3, 4)

    def fused(x: Tensor, to_q: nn.Module) -> Tensor:
        q = to_q(x).flatten(0, 5 - axes)
        seen = torch.ones(3, 3).tril().bool() if mask == "given" else None
        return functional.scaled_dot_product_attention(q, q, q, seen, is_causal=mask == "causal")

    def written(x: Tensor, to_q: nn.Module) -> Tensor:
        q = to_q(x)
        return ((q * 0.5) @ q.transpose(-1, -2)).softmax(-1) @ q

    to_q = nn.Linear(4, 4)
    expected = {
        # 2 heads of 3 tokens: 6 · 4 · 4; then 18 pairs of 4 channels, twice
        "linear mac f32": (96, 0),
        "product mac f32": (144, 0),
        "norm compare f32": (18, 0),
        "norm ac f32": (36, 0),
        "norm mac f32": (18, 0),
    }
    assert totals(Formula(written, to_q=to_q), x) == expected
    assert totals(Formula(fused, to_q=to_q), x) == expected


@pytest.mark.parametrize("needs_weights", [True, False])
def test_the_attention_module_of_torch(needs_weights: bool) -> None:
    # 3 tokens of width 4, 2 heads: projections 3 · 4 · 12 and 3 · 4 · 4; products 2 · (2 · 3 · 3 · 2); 18 scores
    layer = nn.MultiheadAttention(4, 2, batch_first=True).eval()
    model = Formula(lambda x, layer: layer(x, x, x, need_weights=needs_weights)[0], layer=layer)
    found = totals(model, torch.randn(1, 3, 4), time_steps=0)
    weights = {"pool ac f32": (18, 0)} if needs_weights else {}
    assert (
        found
        == {
            "linear mac f32": (192, 0),
            "product mac f32": (72, 0),
            "norm compare f32": (18, 0),
            "norm ac f32": (36, 0),
            "norm mac f32": (18, 0),
        }
        | weights
    )


def passing(attention: str, **options: object) -> nn.Module:
    """An attention layer of width 2, one head, whose projections pass everything on."""
    layer = create_attention(attention, 2, 1, **options)
    for module in layer.modules():
        if isinstance(module, nn.Linear):
            module.weight.data = torch.eye(2).repeat(module.out_features // 2, 1)
    return layer.eval()


# A neuron for the currents of all layers below: no leak, one comparison, one addition, hard reset.
HALF = {"neuron": "if", "neuron_options": {"threshold": 0.5}}
# Three binary tokens of two channels, 4 spikes of 6.
SPIKES = one([1, 0], [1, 1], [0, 1])


@pytest.mark.parametrize(
    ("attention", "expected"),
    [
        # q 4 · 2, kv 4 · 4: 24 of 36; k ⊙ v: an `and` for each of the 4 spikes of k; their sum over 3 tokens, 2 + 2
        # spikes, in 0..3; 2 elements of the weight both spike, so that q ⊙ w is q: 4 `and`, and 4 · 2 in `out`.
        # neurons: q, k, v of 6 elements, w of 2
        (
            "sdsa1",
            {
                "linear ac f32": (32, 16),
                "gate and 1": (8, 4),
                "pool ac 2": (4, 2),
                "neuron ac f32": (20, 0),
                "neuron compare f32": (20, 0),
            },
        ),
        # q and k 4 · 4; sums over 2 channels: 4 spikes, in 0..2; all 3 tokens pass: 4 `and` for the keys' spikes.
        # neurons: q, k of 6, gate of 3
        (
            "token_qk",
            {
                "linear ac f32": (24, 12),
                "pool ac 2": (4, 2),
                "gate and 1": (4, 2),
                "neuron ac f32": (15, 0),
                "neuron compare f32": (15, 0),
            },
        ),
        # the same, summed over tokens (0..3): 2 gates
        (
            "channel_qk",
            {
                "linear ac f32": (24, 12),
                "pool ac 2": (4, 2),
                "gate and 1": (4, 2),
                "neuron ac f32": (14, 0),
                "neuron compare f32": (14, 0),
            },
        ),
        # q, k, v: 4 · 6. Primal, as 2 channels are fewer than 3 tokens: kᵀ v, tokens 1 + 4 + 1 = 6 of 12, W = 2 1 / 1 2
        # in 0..3; q W: channels with 2 and 2 spikes, 2 and 2 elements: 8 of 12; in 0..6. The output, eighths of
        # 2 1 / 3 3 / 1 2, reaches ½ nowhere. Neurons: 4 of 6 elements; the last map has no event
        (
            "ssa",
            {
                "linear ac f32": (24, 24),
                "product ac 2": (6, 6),
                "product ac 3": (8, 4),
                "neuron ac f32": (24, 0),
                "neuron compare f32": (24, 0),
            },
        ),
    ],
)
def test_whole_layers(attention: str, expected: Totals) -> None:
    assert totals(passing(attention, **HALF), SPIKES, inputs=BINARY) == expected


def test_a_whole_bipolar_layer() -> None:
    # q, k, v of 3 ternary tokens: 4 · 6 of 36. Scores 1 −1 0 / −1 2 −1 / 0 −1 1 of tokens 1 0 / −1 1 / 0 −1:
    # channels 2·2 + 2·2 = 8 of 18, in −2..2. γ = 2 (of 2 + ½ + 1) / 3 (½ + 4 + ½) / 2: shifts 1 3 2 / 4 1 4 / 2 3 1,
    # all below 32: 9 · 2. Outputs ½ v of the token itself, and less from others:
    #   ½(1 0) + ⅛(−1 1) + ¼(0 −1), (1 0)/16 + ½(−1 1) + (0 −1)/16, ¼(1 0) + ⅛(−1 1) + ½(0 −1)
    # below ½ everywhere. Ternary neurons of 6 elements for q and k with 2 comparisons, a binary one with 1.
    layer = passing("bsa", point_neuron="ternary_if", point_neuron_options={"threshold": 0.5}, **HALF)
    assert totals(layer, one([1, 0], [-1, 1], [0, -1]), inputs=TERNARY) == {
        "linear ac f32": (24, 24),
        "product ac 3": (8, 10),
        "shiftmax ac 3": (9, 0),
        "shiftmax ac 7": (9, 0),
        "shiftmax leading_one 7": (3, 0),
        "values shift f32": (18, 0),
        "values ac f32": (18, 0),
        "neuron ac f32": (18, 0),
        "neuron compare f32": (30, 0),
    }
