"""Sums, gates, norms and comparisons, worked out by hand: rules 10 to 15."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from snnpd.energy.tally import count_batch
from snnpd.spikes import BINARY, TERNARY, Alphabet, integer
from tests.energy.counting import Code, Formula, Totals, one, placed, totals

TWO = integer(2)

PAIR = (one([1, 0, -1, 1]), one([-1, 1, 0, 0]))
COUNTS = (one([1, 0, 2, 1]), one([2, 1, 0, 1]))


@pytest.mark.parametrize(
    ("values", "alphabets", "expected"),
    [
        # both not zero in 1 of 4, or 2; −2..2: 2 bits and a sign; 0..2: 2 bits; 0..4: 3 bits; −1..3: 3 with the sign
        (PAIR, (TERNARY, TERNARY), {"residual ac 3": (1, 3)}),
        (tuple(x.abs() for x in PAIR), (BINARY, BINARY), {"residual ac 2": (1, 3)}),
        (COUNTS, (TWO, TWO), {"residual ac 3": (2, 2)}),
        ((PAIR[0], COUNTS[1]), (TERNARY, TWO), {"residual ac 3": (2, 2)}),
        # the three events of one, the two of the other, on a word
        (PAIR, (TERNARY, None), {"residual ac f32": (3, 1)}),
        (PAIR, (None, TERNARY), {"residual ac f32": (2, 2)}),
        (COUNTS, (TWO, None), {"residual ac f32": (3, 1)}),
        (PAIR, (None, None), {"residual ac f32": (4, 0)}),
    ],
)
@pytest.mark.parametrize("operation", [torch.add, lambda a, b: a.clone().add_(b)], ids=["new", "in place"])
def test_a_sum(
    values: tuple[Tensor, Tensor],
    alphabets: tuple[Alphabet | None, ...],
    expected: Totals,
    operation: Callable[[Tensor, Tensor], Tensor],
) -> None:
    assert pairwise(operation, values, alphabets) == expected


def pairwise(
    operation: Callable[[Tensor, Tensor], Tensor],
    values: tuple[Tensor, ...],
    alphabets: tuple[Alphabet | None, ...],
) -> Totals:
    """An operation on two declared parts of the input."""
    model = Formula(lambda x, a, b: operation(a(x[:, :, :1]), b(x[:, :, 1:])), a=Code(), b=Code())
    named = zip(("parts.a", "parts.b"), alphabets, strict=True)
    return totals(model, torch.cat(values, 2), alphabets={name: a for name, a in named if a is not None})


def test_a_difference_of_spikes() -> None:
    # 0..1 less 0..1 lies in −1..1, which a map then meets as ternary: values 0 −1 1 0
    spikes = one([1, 0, 1, 1]), one([1, 1, 0, 1])
    assert pairwise(torch.sub, spikes, (BINARY, BINARY)) == {"residual ac 2": (2, 2)}
    fc = nn.Linear(4, 3)
    assert pairwise(lambda a, b: fc(a - b), spikes, (BINARY, BINARY)) == {
        "residual ac 2": (2, 2),
        "linear ac f32": (6, 6),
    }


def test_a_map_behind_a_residual_sum_of_spikes_meets_unit_events() -> None:
    # 2 1 1 2: six unit events, none silent
    spikes = one([1, 0, 1, 1]), one([1, 1, 0, 1])
    fc = nn.Linear(4, 3)
    found = pairwise(lambda a, b: fc(a + b), spikes, (BINARY, BINARY))
    assert found == {"residual ac 2": (2, 2), "linear ac f32": (18, 0)}


@pytest.mark.parametrize(
    ("values", "alphabets", "expected"),
    [
        # the left one's events, 3 of 4, whatever the right one is
        (PAIR, (TERNARY, TERNARY), {"gate and 2": (3, 1)}),
        (tuple(x.abs() for x in PAIR), (BINARY, BINARY), {"gate and 1": (3, 1)}),
        # letters in 0..4, and in −2..2
        (COUNTS, (TWO, TWO), {"gate and 3": (3, 1)}),
        ((PAIR[0], COUNTS[1]), (TERNARY, TWO), {"gate and 3": (3, 1)}),
        (PAIR, (TERNARY, None), {"gate and f32": (3, 1)}),
        (PAIR, (None, TERNARY), {"gate and f32": (2, 2)}),
        (PAIR, (None, None), {"gate mac f32": (4, 0)}),
    ],
)
def test_a_gate(
    values: tuple[Tensor, Tensor], alphabets: tuple[Alphabet | None, ...], expected: Totals
) -> None:
    assert pairwise(torch.mul, values, alphabets) == expected


@pytest.mark.parametrize("order", [lambda a, b: a * b, lambda a, b: b * a], ids=["gate first", "gate last"])
def test_a_gate_for_a_whole_row_counts_the_larger_operand(order: Callable[[Tensor, Tensor], Tensor]) -> None:
    # one gate for the four elements, of which three are not zero
    model = Formula(lambda x, a, b: order(a(x[..., :1, :1]), b(x[..., 1:, :])), a=Code(), b=Code())
    x = torch.cat([one([1, 0, 0, 0]), one([1, 1, 0, 1])], 2)
    found = totals(model, x, alphabets={"parts.a": BINARY, "parts.b": BINARY})
    assert found == {"gate and 1": (3, 1)}


# Three tokens of two channels, 4 of 6 not zero.
TOKENS = one([1, 0], [-1, 1], [0, 1])


@pytest.mark.parametrize(
    ("reduce", "events", "analog"),
    [
        # sums of 3 letters in −3..3: 3 bits with the sign; of 2 letters: 3 bits; of all 6: 4 bits
        (lambda x: x.mean(2), {"pool ac 3": (4, 2)}, {"pool ac f32": (6, 0)}),
        (lambda x: x.sum(2, keepdim=True), {"pool ac 3": (4, 2)}, {"pool ac f32": (6, 0)}),
        (lambda x: x.sum(-1), {"pool ac 3": (4, 2)}, {"pool ac f32": (6, 0)}),
        (lambda x: x.mean((2, 3)), {"pool ac 4": (4, 2)}, {"pool ac f32": (6, 0)}),
        # one addend is no sum
        (lambda x: x.unsqueeze(3).sum(3), {}, {}),
    ],
)
def test_a_mean_over_tokens(reduce: Callable[[Tensor], Tensor], events: Totals, analog: Totals) -> None:
    assert totals(Formula(reduce), TOKENS, inputs=TERNARY) == events
    assert totals(Formula(reduce), TOKENS) == analog


@pytest.mark.parametrize("reset", [False, True])
def test_a_head_behind_a_mean_meets_its_unit_events(reset: bool) -> None:
    # sums 0 and 2, thirds of them for the mean: 2 unit events, one silent, to 5 classes; negated they are as many
    def forward(x: Tensor, head: nn.Module) -> Tensor:
        pooled = x.mean(2)
        return head(-pooled if reset else pooled)

    found = totals(Formula(forward, head=nn.Linear(2, 5)), TOKENS, inputs=TERNARY)
    assert found == {"pool ac 3": (4, 2), "linear ac f32": (10, 5)}


def test_negated_spikes_have_a_sign() -> None:
    # sums of three letters −1..0: 2 bits and a sign
    assert totals(Formula(lambda x: (-x).sum(2)), TOKENS.abs(), inputs=BINARY) == {"pool ac 3": (4, 2)}


def test_a_mean_over_time() -> None:
    # logits of 2 steps x 2 samples x 3 classes; spikes (5 of 8) in 0..2, once more to 3 classes: units 1 1, 2 1
    x = torch.tensor([[[1, 0], [1, 0]], [[0, 1], [1, 1]]]).float()
    late = Formula(lambda x, head: head(x).mean(0), head=nn.Linear(2, 3))
    early = Formula(lambda x, head: head(x.mean(0)), head=nn.Linear(2, 3))
    assert placed(count_batch(late, x, inputs=BINARY)) == {
        "parts.head linear ac f32": ([[3, 3], [3, 6]], [[3, 3], [3, 0]]),
        "Formula pool ac f32": ([[3, 3], [3, 3]], [[0, 0], [0, 0]]),
    }
    assert placed(count_batch(early, x, inputs=BINARY)) == {
        "Formula pool ac 2": ([[1, 1], [1, 2]], [[1, 1], [1, 0]]),
        "parts.head linear ac f32": ([[6, 9]], [[0, 0]]),
    }


@pytest.mark.parametrize(
    ("layer", "expected", "roots"),
    [
        # 6 elements: twice an addition, twice a multiplication; a root for each of 3 tokens
        (nn.LayerNorm(2), {"norm ac f32": (12, 0), "norm mac f32": (12, 0)}, {("LayerNorm", "1/sqrt"): 3}),
        # tokens are the channels: 3 of them in one group
        (
            Formula(lambda x, norm: norm(x[0]), norm=nn.GroupNorm(1, 3)),
            {"norm ac f32": (12, 0), "norm mac f32": (12, 0)},
            {("parts.norm", "1/sqrt"): 1},
        ),
        (nn.ReLU(), {"neuron compare f32": (6, 0)}, {}),
        (
            nn.Softmax(-1),
            {"norm compare f32": (6, 0), "norm ac f32": (12, 0), "norm mac f32": (6, 0)},
            {("Softmax", "exp"): 6},
        ),
    ],
)
def test_norms_and_activations(layer: nn.Module, expected: Totals, roots: dict[tuple[str, str], int]) -> None:
    x = torch.randn(1, 1, 3, 2)
    assert totals(layer, x) == expected
    assert count_batch(layer, x).unpriced == roots


def test_a_comparison_makes_spikes() -> None:
    # 6 comparisons; 2 of the 6 are above ½, to 5 outputs
    model = Formula(lambda x, fc: fc((x > 0.5).float()), fc=nn.Linear(2, 5))
    x = one([0.7, 0], [0.1, 0.2], [0.9, 0.5])
    assert totals(model, x) == {"neuron compare f32": (6, 0), "linear ac f32": (10, 20)}


def test_relu_of_letters_drops_the_negative_ones() -> None:
    # the letters 1 0 / 0 1 / 0 1 are left; what a comparison with zero leaves of −1..1 is 0..1, one bit to pool
    model = Formula(lambda x: x.relu().sum(2))
    assert totals(model, TOKENS, inputs=TERNARY) == {"neuron compare f32": (6, 0), "pool ac 2": (3, 3)}


@pytest.mark.parametrize(
    "largest",
    [lambda x: x.amax(-1), lambda x: x.max(-1).values, lambda x: x.min(-1).values, lambda x: x.amin(-1)],
)
def test_the_largest_takes_a_comparison_for_each_element_but_the_first(
    largest: Callable[[Tensor], Tensor],
) -> None:
    # two rows of 4 elements: 2 x 3 comparisons
    assert totals(Formula(largest), torch.rand(1, 1, 2, 4)) == {"pool compare f32": (6, 0)}


@pytest.mark.parametrize("name", ["sort", "topk"])
def test_what_has_no_rule_is_listed(name: str) -> None:
    ledger = count_batch(
        Formula(lambda x: x.sort(-1).values if name == "sort" else x.topk(2).values), torch.rand(1, 1, 4)
    )
    assert [function for _, function in ledger.unpriced] == [name]
