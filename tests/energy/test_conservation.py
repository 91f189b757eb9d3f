"""The law `mac + ac + skipped = dense products`, and each number in it, against brute force on random layers."""

from typing import NamedTuple

import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from snnpd.energy.tally import count_batch
from snnpd.spikes import BINARY, TERNARY, Alphabet, integer
from tests.energy.counting import Code, Formula, letters

sizes = st.integers(1, 4)
alphabets = st.sampled_from([BINARY, TERNARY, integer(3), None])


class Expected(NamedTuple):
    """Unit events that meet a partner, products without a zero, and all products: `[T, B]`."""

    events: Tensor
    spiking: Tensor
    dense: Tensor


def draw(shape: tuple[int, ...], alphabet: Alphabet | None) -> Tensor:
    """Letters, many of them zero; or words, of which as many are."""
    if alphabet is None:
        return torch.randn(shape) * (torch.rand(shape) < 0.6)
    return letters(shape, alphabet.low, alphabet.high)


def check(
    model: nn.Module, x: Tensor, expected: Expected, declared: list[Alphabet | None], **options: object
) -> None:
    """One account of the right class, each of its numbers, and the law."""
    ((account, count),) = list(count_batch(model, x, **options))
    known = [alphabet for alphabet in declared if alphabet is not None]
    done, skipped = expected.events, expected.dense - expected.spiking
    if not known:
        done, skipped = expected.dense, torch.zeros_like(expected.dense)
    assert account.operation.kind == ("ac" if known else "mac")
    assert count.done.tolist() == done.tolist()
    assert count.skipped.tolist() == skipped.tolist()
    if all(alphabet.high == 1 for alphabet in known):
        assert (count.done + count.skipped == expected.dense).all()


@given(
    steps=sizes, batch=sizes, tokens=sizes, width=sizes, outputs=sizes, alphabet=alphabets, bias=st.booleans()
)
def test_linear_maps(
    steps: int, batch: int, tokens: int, width: int, outputs: int, alphabet: Alphabet | None, bias: bool
) -> None:
    x = draw((steps, batch, tokens, width), alphabet)
    pairs = x.flatten(2).unsqueeze(-1).expand(-1, -1, -1, outputs).flatten(2)
    dense = torch.full((steps, batch), pairs.shape[-1])
    expected = Expected(pairs.abs().sum(-1).long(), (pairs != 0).sum(-1), dense)
    check(nn.Linear(width, outputs, bias=bias), x, expected, [alphabet], inputs=alphabet)


@given(
    batch=st.tuples(sizes, sizes),
    channels=st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(1, 3)),
    side=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(sizes, sizes),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    dilation=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    alphabet=alphabets,
)
def test_convolutions(
    batch: tuple[int, int],
    channels: tuple[int, int, int],
    side: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    alphabet: Alphabet | None,
) -> None:
    span = [s + 2 * p - d * (k - 1) for s, p, d, k in zip(side, padding, dilation, kernel, strict=True)]
    assume(min(span) > 0)
    groups, inputs, outputs = channels
    x = draw((*batch, groups * inputs, *side), alphabet)
    geometry = {"stride": stride, "padding": padding, "dilation": dilation}
    layer = nn.Conv2d(groups * inputs, groups * outputs, kernel, groups=groups, **geometry)

    def taps(values: Tensor) -> Tensor:
        # the windows of every channel, read by each filter of its group
        windows = functional.unfold(values.flatten(0, 1).float(), kernel, **geometry)
        return (windows.sum((1, 2)) * outputs).long().unflatten(0, batch)

    expected = Expected(taps(x.abs()), taps(x != 0), taps(torch.ones_like(x)))
    model = Formula(lambda x, conv: conv(x.flatten(0, 1)), conv=layer)
    check(model, x, expected, [alphabet], inputs=alphabet)


@given(
    batch=st.tuples(sizes, sizes),
    sides=st.tuples(sizes, sizes, sizes, sizes),
    left=alphabets,
    right=alphabets,
)
def test_products(
    batch: tuple[int, int], sides: tuple[int, int, int, int], left: Alphabet | None, right: Alphabet | None
) -> None:
    heads, n, k, e = sides
    a, b = draw((*batch, heads, n, k), left), draw((*batch, heads, k, e), right)
    first, second = a.unsqueeze(-1), b.unsqueeze(-3)
    # who drives: the events beside words; the smaller letters; the left one at a tie
    is_left = left is not None and (right is None or left.high <= right.high)
    factors = (first.abs(), second != 0) if is_left else (first != 0, second.abs())
    if left is None or right is None:
        factors = (
            (first.abs(), torch.ones_like(second)) if is_left else (torch.ones_like(first), second.abs())
        )
    events = (factors[0] * factors[1]).sum((2, 3, 4, 5)).long()
    spiking = ((factors[0] * factors[1]) != 0).sum((2, 3, 4, 5))
    dense = torch.full(batch, heads * n * k * e)
    # both factors in one input, each put together again behind a declared copy
    split = a[0, 0].numel()
    x = torch.cat([a.flatten(2), b.flatten(2)], -1)

    def forward(x: Tensor, a: nn.Module, b: nn.Module) -> Tensor:
        return a(x[..., :split].unflatten(-1, (heads, n, k))) @ b(x[..., split:].unflatten(-1, (heads, k, e)))

    named = {"parts.a": left, "parts.b": right}
    model = Formula(forward, a=Code(), b=Code())
    known = {name: alphabet for name, alphabet in named.items() if alphabet is not None}
    check(model, x, Expected(events, spiking, dense), [left, right], alphabets=known)
