"""Products of activations and Shiftmax, worked out by hand: rules 4 to 7."""

import pytest
import torch
from torch import Tensor, nn

from snnpd.attention.layer import HeadGroup
from snnpd.energy.scene import Word
from snnpd.energy.tally import count_batch
from snnpd.expansion import Causal, Constant, Expansion, Exponential, Linear, Points, Shiftmax, evaluate
from snnpd.spikes import BINARY, TERNARY, Alphabet, integer
from tests.energy.counting import Code, Formula, Totals, one, placed, totals

TWO = integer(2)

# Three channels (columns): queries spike in 1, 2, 1 of them, keys in 2, 1, 2.
Q, K = one([1, -1, 0], [0, 1, 1]), one([1, 0, 0], [0, 0, -1], [1, 1, 1])
TWICE_Q, TWICE_K = one([1, 2, 0], [0, 1, 1]), one([2, 0, 0], [0, 0, 1], [1, 1, 2])


def declared(*alphabets: Alphabet | None) -> dict[str, Alphabet]:
    """What `alphabets` says of the parts q, k and v."""
    named = zip("qkv", alphabets, strict=False)
    return {f"parts.{name}": alphabet for name, alphabet in named if alphabet is not None}


@pytest.mark.parametrize(
    ("q", "k", "alphabets", "expected"),
    [
        # 1·2 + 2·1 + 1·2 = 6 pairs meet, of 2 · 3 · 3; scores in −3..3: 2 bits and a sign; in 0..3: 2 bits
        (Q, K, (TERNARY, TERNARY), {"product ac 3": (6, 12)}),
        (Q.abs(), K.abs(), (BINARY, BINARY), {"product ac 2": (6, 12)}),
        # keys have the smaller letters and drive: 2·1 + 1·2 + 2·1, whatever the queries' size; scores in −6..6
        (TWICE_Q, K, (TWO, TERNARY), {"product ac 4": (6, 12)}),
        (Q, TWICE_K, (TERNARY, TWO), {"product ac 4": (6, 12)}),
        # a tie: queries drive with 1, 3, 1 unit events: 1·2 + 3·1 + 1·2; scores in 0..12
        (TWICE_Q, TWICE_K, (TWO, TWO), {"product ac 4": (7, 12)}),
        # events and words: 4 events of the queries to 3 keys; 5 of the keys to 2 queries; 5 unit events to 3
        (Q, K, (TERNARY, None), {"product ac f32": (12, 6)}),
        (Q, K, (None, TERNARY), {"product ac f32": (10, 8)}),
        (TWICE_Q, K, (TWO, None), {"product ac f32": (15, 6)}),
        (Q, K, (None, None), {"product mac f32": (18, 0)}),
    ],
)
@pytest.mark.parametrize("num_heads", [1, 2])
def test_queries_meet_keys(
    q: Tensor, k: Tensor, alphabets: tuple[Alphabet | None, ...], expected: Totals, num_heads: int
) -> None:
    def scores(x: Tensor, q: nn.Module, k: nn.Module) -> Tensor:
        # [T, B, N, D]; further heads have the same queries and keys
        left, right = q(x[:, :, :2]), k(x[:, :, 2:])
        left, right = (part.unsqueeze(2).repeat(1, 1, num_heads, 1, 1) for part in (left, right))
        return left @ right.transpose(-1, -2)

    model = Formula(scores, q=Code(), k=Code())
    found = totals(model, torch.cat([q, k], 2), alphabets=declared(*alphabets))
    assert found == {name: (num_heads * done, num_heads * left) for name, (done, left) in expected.items()}


# Binary q, k and v of two tokens and two channels.
TOKENS = torch.stack([one([1, 0], [1, 1]), one([1, 1], [0, 1]), one([0, 1], [1, 0])], -3)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        # q kᵀ: channels 2·1 + 1·2 = 4 of 8; scores 1 0 / 2 1, in 0..2: 2 bits. Scores · v: v drives, each key has
        # one event, and 2 and 1 scores that are not zero: 3 of 8; sums in 0..4: 3 bits
        ("dual", {"product ac 2": (4, 4), "product ac 3": (3, 5)}),
        # kᵀ v: tokens 2·1 + 1·1 = 3 of 8; W = 0 1 / 1 1. q W: q drives, its channels have 2 and 1 events, W's rows
        # 1 and 2 that are not zero: 4 of 8
        ("primal", {"product ac 2": (3, 5), "product ac 3": (4, 4)}),
    ],
)
def test_spiking_self_attention_in_either_order(form: str, expected: Totals) -> None:
    expansion = Expansion(Linear(), Constant(8.0))
    model = Formula(lambda x: evaluate(expansion, Points(*x.unbind(2)), form))
    assert totals(model, TOKENS, inputs=BINARY) == expected
    # written out, with the scale before the second product: it is a constant
    written = {
        "dual": lambda q, k, v: (q @ k.transpose(-1, -2) * 0.125) @ v,
        "primal": lambda q, k, v: q @ (k.transpose(-1, -2) @ v * 0.125),
    }
    model = Formula(lambda x: written[form](*x.unbind(2)))
    assert totals(model, TOKENS, inputs=BINARY) == expected


def test_scores_of_ternary_points_have_a_sign() -> None:
    # the first key's second channel turned round: scores 1 0 / 0 1, whose product with v is 1 + 1 of 8
    x = TOKENS.clone()
    x[0, 0, 1, 0, 1] = -1
    model = Formula(lambda x: evaluate(Expansion(Linear(), Constant(8.0)), Points(*x.unbind(2)), "dual"))
    assert totals(model, x, inputs=TERNARY) == {"product ac 3": (4, 4), "product ac 4": (2, 6)}


# Scores 2 −2 1 and 0 0 −1; Shiftmax's shifts 1 5 2 (of 4 + ¼ + 2 < 2³) and 2 2 3 (of 1 + 1 + ½ < 2²).
POINTS = one([1, 1], [1, -1], [1, 1], [-1, -1], [0, 1])


def bipolar(rounding: str = "ceil", bits: int = 22, is_causal: bool = False) -> nn.Module:
    """Shiftmax attention of the two queries and three points above, values analog; one head."""
    reach = {"reach": Causal()} if is_causal else {}
    expansion = Expansion(Exponential(base=2, scale=1.0), Shiftmax(rounding, bits), **reach)
    heads = HeadGroup(1, expansion, (nn.Identity, nn.Identity, nn.Identity))

    def forward(x: Tensor, heads: nn.Module, q: nn.Module, k: nn.Module) -> Tensor:
        x = x.unsqueeze(2)
        queries = x[..., 2:, :] if is_causal else x[..., :2, :]
        return heads(Points(q(queries), k(x[..., 2:, :]), x[..., 2:, :] + 0.5))

    return Formula(forward, heads=heads, q=Code(), k=Code())


# q kᵀ: channels 2·2 + 2·3 = 10 of 2 · 3 · 2; scores in −2..2: 3 bits. The values of three points get their
# half: 6 additions. 6 exponents; Σ 2^x on 2 · 2 + 1 + ⌈log2 3⌉ = 7 bits.
BEFORE_VALUES = {
    "residual ac {word}": (6, 0),
    "product ac 3": (10, 2),
    "shiftmax ac 3": (6, 0),
    "shiftmax ac 7": (6, 0),
    "shiftmax leading_one 7": (2, 0),
}


@pytest.mark.parametrize(
    ("rounding", "word", "done"),
    [
        # 2 queries, 3 points, 2 channels
        ("ceil", Word(), 12),
        ("ceil", Word(6, False), 12),
        # the shift by 5 leaves nothing of 5 bits, nor of 4; 2 of 12
        ("ceil", Word(5, False), 10),
        ("ceil", Word(4, False), 10),
        # of 3 bits the shift by 3 neither; of 2, the shift by 1 alone
        ("ceil", Word(3, False), 8),
        ("ceil", Word(2, False), 2),
        # the second row to the nearest power, 2¹ for 2½: shifts 1 1 2
        ("round", Word(2, False), 6),
    ],
)
def test_shiftmax_attention(rounding: str, word: Word, done: int) -> None:
    name = f"{'f' if word.is_float else ''}{word.bits}"
    values = {f"values {kind} {name}": (done, 12 - done) for kind in ("shift", "ac")}
    before = {key.format(word=name): count for key, count in BEFORE_VALUES.items()}
    found = totals(bipolar(rounding), POINTS, word=word, alphabets=declared(TERNARY, TERNARY))
    assert found == before | values


def test_dyadic_shiftmax_applies_every_set_bit() -> None:
    # of 16ths: 8 0 4, and 4 missing to the first: 12 = 1100₂, 0, 4; then 4 4 2 and 6 missing: 10 = 1010₂, 4, 2.
    # 2 + 1 and 2 + 1 + 1 set bits, in two channels; one pair without any
    found = totals(bipolar("dyadic", bits=4), POINTS, alphabets=declared(TERNARY, TERNARY))
    before = {key.format(word="f32"): count for key, count in BEFORE_VALUES.items()}
    assert found == before | {
        "shiftmax ac f32": (6, 0),
        "values shift f32": (14, 2),
        "values ac f32": (14, 2),
    }


def test_shiftmax_where_later_points_are_hidden() -> None:
    # The points serve as queries too: 1 + 2 + 3 = 6 of 9 pairs are seen; the longest row's sum is on 7 bits again.
    # Points 1 1 / −1 −1 / 0 1: scores 2 / −2 2 / 1 −1 1, shifts 0 / 5 1 / 2 4 2.
    # channels 2·2 + 3·3 = 13 of 18
    found = totals(bipolar(is_causal=True), POINTS, word=Word(4, False), alphabets=declared(TERNARY, TERNARY))
    assert found == {
        "residual ac 4": (6, 0),
        "product ac 3": (13, 5),
        "shiftmax ac 3": (6, 0),
        "shiftmax ac 7": (6, 0),
        "shiftmax leading_one 7": (3, 0),
        # 6 pairs less the shifts by 5 and 4
        "values shift 4": (8, 10),
        "values ac 4": (8, 10),
    }


def test_products_of_each_time_step_and_sample() -> None:
    # [T, B, N, D] of 2 · 2 · 2 · 2: pairs by channel 1·1 + 0, 2·2 + 1·1 / 0, 1·1 + 1·1 of 8
    x = torch.tensor([[[[1, 0], [0, 0]], [[1, 1], [1, 0]]], [[[0, 0], [0, 0]], [[0, 1], [1, 0]]]]).float()
    ledger = count_batch(Formula(lambda x: x @ x.transpose(-1, -2)), x, inputs=BINARY)
    assert placed(ledger) == {"Formula product ac 2": ([[1, 5], [0, 2]], [[7, 3], [8, 6]])}
    # heads between the batch and the tokens, steps and samples merged
    ledger = count_batch(
        Formula(lambda x: (h := x.flatten(0, 1).unsqueeze(1)) @ h.transpose(-1, -2)), x, inputs=BINARY
    )
    assert placed(ledger) == {"Formula product ac 2": ([[1, 5], [0, 2]], [[7, 3], [8, 6]])}
    # [T·B·h, N, D], as torch's own attention lays it out
    ledger = count_batch(
        Formula(lambda x: torch.bmm(h := x.flatten(0, 1), h.transpose(1, 2))), x, inputs=BINARY
    )
    assert placed(ledger) == {"Formula product ac 2": ([[1, 5], [0, 2]], [[7, 3], [8, 6]])}


def test_shifts_of_each_time_step_and_sample() -> None:
    # the points of above and silent ones, whose scores are zero: three shifts by 2 of 1 + 1 + 1, below 4 bits
    x = torch.stack([torch.cat([POINTS[0], 0 * POINTS[0]]), torch.cat([0 * POINTS[0], POINTS[0]])])
    found = placed(count_batch(bipolar(), x, word=Word(4, False), alphabets=declared(TERNARY, TERNARY)))
    assert found["parts.heads values shift 4"] == ([[10, 12], [12, 10]], [[2, 0], [0, 2]])
    assert found["parts.heads product ac 3"] == ([[10, 0], [0, 10]], [[2, 12], [12, 2]])
    assert found["parts.heads shiftmax leading_one 7"] == ([[2, 2], [2, 2]], [[0, 0], [0, 0]])
