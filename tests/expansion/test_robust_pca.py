"""Robust components against the iterations written out, and what they are for: finding planted corruptions."""

import pytest
import torch
from torch import Tensor

from snnpd.errors import UsageError
from snnpd.expansion.robust_pca import robust_components, soft_threshold


def draw(n: int = 8, d: int = 4, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    keys, values = (torch.randn(2, 3, n, d, generator=generator, dtype=torch.float64) for _ in range(2))
    return keys, values


def written_out(k: Tensor, v: Tensor, rounds: int, weight: float, of_code: bool, heads: int) -> list[Tensor]:
    """One head, plain matrices; `of_code` has the authors' signs and threshold."""
    n, d = k.shape
    mu = n * d * (heads if of_code else 1) / (4 * k.abs().sum())
    low_rank, multiplier = torch.zeros_like(k), torch.zeros_like(k)
    for _ in range(rounds):
        target, limit = k - low_rank + multiplier / mu, weight * mu if of_code else weight / mu
        sparse = torch.where(target.abs() > limit, target - limit * target.sign(), 0.0)
        cleaned = k - sparse + (-multiplier / mu if of_code else multiplier / mu)
        scores = torch.exp(cleaned @ cleaned.T / d**0.5)
        low_rank = scores / scores.sum(-1, keepdim=True) @ v
        multiplier = multiplier + mu * (k - low_rank - sparse)
    return [low_rank, sparse]


@pytest.mark.parametrize("rounds", [1, 2, 4])
@pytest.mark.parametrize(("of_code", "weight"), [(False, 0.3), (True, 0.8)])
def test_the_iterations_written_out(rounds: int, of_code: bool, weight: float) -> None:
    keys, values = draw()
    got = robust_components(
        keys, values, iterations=rounds, sparsity=weight, reference_code=of_code, num_heads=2
    )
    for b in range(2):
        for h in range(3):
            truth = written_out(keys[b, h], values[b, h], rounds, weight, of_code, heads=2)
            assert torch.allclose(got.low_rank[b, h], truth[0], atol=1e-10)
            assert torch.allclose(got.sparse[b, h], truth[1], atol=1e-10)
    assert 0.05 < (got.sparse != 0).double().mean() < 0.95


def test_the_two_forms_differ_in_the_threshold_and_then_in_the_sign() -> None:
    keys, values = draw()
    one = [
        robust_components(keys, values, iterations=1, sparsity=0.3, reference_code=c) for c in (False, True)
    ]
    assert (one[0].sparse - one[1].sparse).abs().max() > 0.05
    silent = [  # no corruption found: what is left differs by the sign of Y alone, which the first round has not
        [robust_components(keys, values, iterations=n, sparsity=1e3, reference_code=c) for c in (False, True)]
        for n in (1, 2)
    ]
    assert torch.equal(silent[0][0].low_rank, silent[0][1].low_rank)
    assert (silent[1][0].low_rank - silent[1][1].low_rank).abs().max() > 0.05


def test_one_round_without_corruptions_is_symmetric_self_attention() -> None:
    keys, values = draw()
    got = robust_components(keys, values, iterations=1, sparsity=1e3)
    truth = torch.softmax(keys @ keys.mT / 2, -1) @ values
    assert torch.allclose(got.low_rank, truth, atol=1e-12)
    assert (got.sparse == 0).all()


def test_the_default_weight_is_that_of_principal_component_pursuit() -> None:
    keys, values = draw(n=9)
    default = robust_components(keys, values)
    assert torch.equal(default.sparse, robust_components(keys, values, sparsity=1 / 3).sparse)
    of_code = robust_components(keys, values, reference_code=True)
    assert torch.equal(
        of_code.low_rank, robust_components(keys, values, sparsity=4, reference_code=True).low_rank
    )


def test_planted_corruptions_are_found() -> None:
    """A few far-off entries of a matrix of equal rows end up in S, and little else does."""
    row = torch.tensor([1.0, -1.0, 0.5, -0.5], dtype=torch.float64)
    keys = row.repeat(8, 1)
    planted = torch.zeros_like(keys)
    planted[2, 1], planted[5, 3] = 9.0, -9.0
    found = robust_components(keys + planted, row.repeat(8, 1), sparsity=0.5, iterations=6).sparse
    assert torch.equal(found.abs().flatten().topk(2).indices.sort().values, torch.tensor([9, 23]))
    assert torch.allclose(found[planted != 0], planted[planted != 0], atol=0.5)


def test_padding_changes_nothing() -> None:
    keys, values = draw()
    mask = (torch.arange(8) < 5).expand(2, 1, 8)
    keys[..., 5:, :] = 1e3
    got = robust_components(keys, values, mask)
    short = robust_components(keys[..., :5, :], values[..., :5, :])
    assert torch.allclose(got.low_rank[..., :5, :], short.low_rank, atol=1e-10)
    assert torch.allclose(got.sparse[..., :5, :], short.sparse, atol=1e-10)
    assert short.sparse.abs().max() > 0.05
    assert robust_components(keys, values, torch.zeros(2, 1, 8, dtype=torch.bool)).low_rank.isfinite().all()


def test_gradients_are_finite_differences() -> None:
    keys, values = (x[0, 0].requires_grad_() for x in draw(5))
    assert torch.autograd.gradcheck(
        lambda k, v: robust_components(k, v).low_rank, (keys, values), fast_mode=True
    )


def test_soft_threshold_shrinks_towards_zero() -> None:
    x = torch.tensor([-2.0, -0.5, 0.0, 0.5, 2.0])
    assert torch.equal(soft_threshold(x, 1.0), torch.tensor([-1.0, 0.0, 0.0, 0.0, 1.0]))


@pytest.mark.parametrize("options", [{"iterations": 0}, {"sparsity": -1.0}])
def test_meaningless_options_are_refused(options: dict) -> None:
    with pytest.raises(UsageError, match="at least one iteration and a sparsity >= 0"):
        robust_components(*draw(), **options)
