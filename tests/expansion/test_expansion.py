"""Kernels, normalisers and transforms, alone and together, against sums written out."""

import math

import pytest
import torch

from snnpd.errors import UsageError
from snnpd.expansion import (
    Constant,
    EluPlusOne,
    Expansion,
    Exponential,
    FeatureKernel,
    Linear,
    Points,
    PooledHeads,
    RowSum,
    Shiftmax,
    TokenBatchNorm,
    expand,
)

TABLE = [
    (Exponential(), RowSum(), lambda s, D: math.exp(s / math.sqrt(D)), "row"),
    (Exponential(base=2, scale=1.0), RowSum(), lambda s, D: 2.0**s, "row"),
    (Exponential(base=2, scale=1.0), Constant(3.0), lambda s, D: 2.0**s, 3.0),
    (Linear(), Constant(8.0), lambda s, D: s, 8.0),
    (Exponential(base=2, scale=1.0), Shiftmax("sum"), lambda s, D: 2.0**s, "row"),
    (Exponential(base=2, scale=1.0), Shiftmax("ceil"), lambda s, D: 2.0**s, "ceil"),
]


def spikes(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(-1, 2, shape, generator=torch.Generator().manual_seed(seed)).double()


@pytest.mark.parametrize(("kernel", "normaliser", "kappa", "h"), TABLE)
@pytest.mark.parametrize("masked", [False, True])
def test_dual_form_is_the_sum_written_out(kernel, normaliser, kappa, h, masked: bool) -> None:
    q, k, v = spikes(5, 6), spikes(7, 6, seed=1), torch.randn(7, 3, dtype=torch.float64)
    mask = torch.tensor([True, True, False, True, True, False, True]) if masked else None
    got = expand(Expansion(kernel, normaliser), Points(q, k, v, mask))
    real = [j for j in range(7) if mask is None or mask[j]]
    for i in range(5):
        values = {j: kappa(float(q[i] @ k[j]), 6) for j in real}
        total = sum(values.values())
        scale = {"row": total, "ceil": 2.0 ** math.ceil(math.log2(total) - 1e-12) if total > 0 else 1}.get(
            h, h
        )
        want = sum(value / scale * v[j] for j, value in values.items())
        assert torch.allclose(got[i], want, atol=1e-12)
    assert got.abs().max() > 0.05


def test_positive_features_row_sums_are_one() -> None:
    points = Points(torch.randn(4, 6), torch.randn(5, 6), torch.ones(5, 2))
    assert torch.allclose(expand(Expansion(FeatureKernel(EluPlusOne()), RowSum()), points), torch.ones(4, 2))


@pytest.mark.parametrize(
    ("kernel", "normaliser", "words"),
    [
        (Linear(), RowSum(), "can vanish"),
        (Linear(), Shiftmax(), "base-2 kernel"),
        (Exponential(), Shiftmax(), "base-2 kernel"),
    ],
)
def test_meaningless_pairs_are_refused(kernel, normaliser, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Expansion(kernel, normaliser)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Exponential(base=1.0), "greater than 1"),
        (lambda: Exponential(score_shift=1), "base 2"),
        (lambda: Constant(0.0), "positive"),
        (lambda: Shiftmax("ciel"), "'ceil'"),
        (lambda: PooledHeads(3), "power of two"),
    ],
)
def test_wrong_declarations_are_refused(make, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        make()


def test_score_shift_is_an_arithmetic_shift_with_the_gradient_of_the_quotient() -> None:
    q, k = spikes(5, 16).requires_grad_(), spikes(7, 16, seed=1)
    shifted = Exponential(base=2, scale=1.0, score_shift=2).scores(q, k)
    assert torch.equal(shifted, ((q @ k.T).long() >> 2).double())
    assert (shifted < 0).any()
    (gradient,) = torch.autograd.grad(shifted.sum(), q)
    assert torch.equal(gradient, (k.sum(0) / 4).expand_as(q))


class TestTokenBatchNorm:
    def setup_method(self) -> None:
        self.points = Points(*(torch.randn(2, 3, 9, 4, dtype=torch.float64) for _ in range(3)))

    def test_keys_are_standardised_over_tokens(self) -> None:
        keys = TokenBatchNorm(epsilon=0.0)(self.points).k
        assert torch.allclose(keys.mean(-2), torch.zeros(2, 3, 4, dtype=torch.float64), atol=1e-12)
        assert torch.allclose(keys.std(-2, correction=0), torch.ones(2, 3, 4, dtype=torch.float64))

    def test_padding_enters_no_statistic(self) -> None:
        mask = torch.ones(2, 1, 9, dtype=torch.bool)
        mask[1, :, 6:] = False
        k = torch.where(mask.unsqueeze(-1), self.points.k, torch.tensor(1e6, dtype=torch.float64))
        moved = TokenBatchNorm()(self.points._replace(k=k, mask=mask))
        short = TokenBatchNorm()(
            Points(self.points.q[1:], self.points.k[1:, :, :6], self.points.v[1:, :, :6])
        )
        assert torch.allclose(moved.k[1:, :, :6], short.k)
        assert torch.allclose(moved.q[1:], short.q)

    def test_beta_zero_and_unit_scale_is_softmax(self) -> None:
        plain = expand(Expansion(Exponential(), RowSum()), self.points)
        undone = Expansion(Exponential(), RowSum(), (TokenBatchNorm(beta=0.0, scale=False),))
        assert torch.equal(expand(undone, self.points), plain)

    def test_centring_the_keys_alone_is_a_no_op_and_the_queries_matter(self) -> None:
        plain = Expansion(Exponential(), RowSum())
        centred = self.points._replace(k=self.points.k - self.points.k.mean(-2, keepdim=True))
        assert torch.allclose(expand(plain, centred), expand(plain, self.points), atol=1e-12)
        both = Expansion(Exponential(), RowSum(), (TokenBatchNorm(scale=False),))
        assert (expand(both, self.points) - expand(plain, self.points)).abs().max() > 0.05


class TestPooledHeads:
    @pytest.mark.parametrize(
        ("tokens", "factor", "grid", "windows"),
        [
            (6, 2, None, [[0, 1], [2, 3], [4, 5]]),
            (7, 4, None, [[0, 1, 2, 3], [4, 5, 6]]),
            (6, 2, (2, 3), [[0, 1], [2], [3, 4], [5]]),
            (6, 4, (2, 3), [[0, 1, 3, 4], [2, 5]]),
            (9, 4, (3, 3), [[0, 1, 3, 4], [2, 5], [6, 7], [8]]),
            (16, 8, (4, 4), [[0, 1, 2, 3, 4, 5, 6, 7], [8, 9, 10, 11, 12, 13, 14, 15]]),
        ],
    )
    @pytest.mark.parametrize("masked", [False, True])
    def test_means_over_the_real_tokens_of_each_window(self, tokens, factor, grid, windows, masked) -> None:
        q, k, v = (torch.randn(2, tokens, 3) for _ in range(3))
        mask = torch.arange(tokens) < tokens - 2 if masked else None
        moved = PooledHeads(factor, grid)(Points(q, k, v, mask))
        for row, window in enumerate(windows):
            real = [j for j in window if mask is None or mask[j]]
            if mask is not None:
                assert bool(moved.mask[row]) == bool(real)
            if real:
                assert torch.allclose(moved.k[:, row], k[:, real].mean(1), atol=1e-6)
                assert torch.allclose(moved.v[:, row], v[:, real].mean(1), atol=1e-6)
        assert moved.k.shape[-2] == len(windows)
        assert torch.equal(moved.q, q)

    def test_a_wrong_grid_is_refused(self) -> None:
        with pytest.raises(UsageError, match="2 x 4 does not hold 10 tokens"):
            PooledHeads(2, (2, 4))(Points(*(torch.randn(10, 3) for _ in range(3))))
