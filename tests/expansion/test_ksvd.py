"""Kernel SVD: primal = dual = torch.linalg.svd, a zero objective at the solution, evenly spaced rows."""

import math

import pytest
import torch
from torch import Tensor

from snnpd.errors import UsageError
from snnpd.expansion.ksvd import (
    KernelSVD,
    evenly_spaced,
    kernel_svd,
    ksvd_dual,
    ksvd_objective,
    ksvd_objective_of_code,
    ksvd_primal,
    unit_length,
)

SHAPES = [(9, 7, 5, 3), (6, 6, 4, 4), (20, 11, 3, 1)]  # queries, keys, features, rank


def features(n: int, m: int, f: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(n)
    a, b = (torch.randn(2, 3, size, f, generator=generator, dtype=torch.float64) for size in (n, m))
    return unit_length(a), unit_length(b)


def objective(a: Tensor, b: Tensor, solution: KernelSVD, w_e: Tensor, w_r: Tensor) -> Tensor:
    return ksvd_objective(*ksvd_primal(a, b, w_e, w_r), solution.scale, w_e, w_r)


@pytest.mark.parametrize(("n", "m", "f", "rank"), SHAPES)
def test_primal_is_dual_is_the_singular_value_decomposition(n: int, m: int, f: int, rank: int) -> None:
    a, b = features(n, m, f)
    solution = kernel_svd(a, b, rank)
    kernel = torch.einsum("...nf,...mf->...nm", a, b)
    primal = ksvd_primal(a, b, solution.w_e, solution.w_r)
    dual = ksvd_dual(kernel, solution.h_e, solution.h_r)
    left, values, right = torch.linalg.svd(kernel, full_matrices=False)
    truth = left[..., :rank] * values[..., None, :rank], right[..., :rank, :].mT * values[..., None, :rank]
    for one, two, three in zip(primal, dual, truth, strict=True):
        assert (one - two).abs().max() < 1e-10
        assert (one - three).abs().max() < 1e-10
        assert one.abs().max() > 0.1
    # h = Λ e and h = Λ r: what the Lagrangian says of the dual variables
    assert torch.allclose(solution.scale.unsqueeze(-2) * primal[0], solution.h_e, atol=1e-10)
    assert torch.allclose(solution.scale.unsqueeze(-2) * primal[1], solution.h_r, atol=1e-10)


@pytest.mark.parametrize(("n", "m", "f", "rank"), SHAPES)
def test_the_objective_is_zero_and_flat_at_the_solution_only(n: int, m: int, f: int, rank: int) -> None:
    a, b = features(n, m, f)
    solution = kernel_svd(a, b, rank)
    w_e, w_r = solution.w_e.requires_grad_(), solution.w_r.requires_grad_()
    j = objective(a, b, solution, w_e, w_r)
    assert j.shape == (2, 3)
    assert j.abs().max() < 1e-12
    for gradient in torch.autograd.grad(j.sum(), (w_e, w_r)):
        assert gradient.abs().max() < 1e-10
    generator = torch.Generator().manual_seed(1)
    for _ in range(5):
        away = w_e.detach() + 0.3 * torch.randn(w_e.shape, generator=generator, dtype=torch.float64)
        assert (objective(a, b, solution, away, w_r.detach()).abs() > 1e-3).all()


def test_the_objective_is_the_sum_written_out_and_leaves_padding_out() -> None:
    generator = torch.Generator().manual_seed(0)
    e, r, w_e, w_r = (torch.randn(2, 3, n, 2, generator=generator, dtype=torch.float64) for n in (6, 6, 4, 4))
    scale = torch.rand(3, 2, generator=generator, dtype=torch.float64)
    mask = torch.tensor([[True] * 6, [True] * 4 + [False] * 2]).unsqueeze(1)
    got = ksvd_objective(e, r, scale, w_e, w_r, mask)
    of_code = ksvd_objective_of_code(e, r, scale, w_e, w_r, mask)
    squares = []
    for b, real in ((0, 6), (1, 4)):
        for h in range(3):
            own = torch.diag(scale[h])
            energy = sum(x[b, h, i] @ own @ x[b, h, i] / 2 for x in (e, r) for i in range(real))
            trace = torch.trace(w_e[b, h].T @ w_r[b, h])
            assert torch.isclose(got[b, h], energy - trace)
            squares += [sum((own @ x[b, h, i]).square().sum() / 2 for x in (e, r)) for i in range(real)]
    trace = torch.einsum("bhfs,bhfs->bh", w_e, w_r).mean()
    assert torch.isclose(of_code, torch.stack(squares).mean() - trace)
    assert got.abs().min() > 0.01


def test_a_rank_that_the_kernel_cannot_have_is_refused() -> None:
    with pytest.raises(UsageError, match="rank 6 of a kernel of rank 5 at most; choose 1 to 5"):
        kernel_svd(*features(9, 7, 5), rank=6)


class TestUnitLength:
    def test_lengths_are_one_and_zero_stays_zero(self) -> None:
        x = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
        assert torch.equal(unit_length(x), torch.tensor([[0.6, 0.8], [0.0, 0.0]]))

    def test_silent_spikes_get_a_bounded_gradient(self) -> None:
        spikes = torch.tensor([[0.0, 0.0, 0.0], [1.0, -1.0, 0.0]], requires_grad=True)
        mapped = unit_length(spikes, floor=1.0)
        assert torch.allclose(mapped[1], torch.tensor([1.0, -1.0, 0.0]) / math.sqrt(2))
        mapped.sum().backward()
        assert torch.equal(spikes.grad[0], torch.ones(3))


class TestEvenlySpaced:
    @pytest.mark.parametrize(
        ("num_tokens", "most", "rows"),
        [(5, 10, [0, 1, 2, 3, 4]), (10, 4, [0, 3, 6, 9]), (9, 4, [0, 2, 5, 8]), (7, 1, [0]), (1, 4, [0])],
    )
    def test_all_tokens_or_evenly_spaced_ones(self, num_tokens: int, most: int, rows: list[int]) -> None:
        token, exists = evenly_spaced(num_tokens, most, torch.ones(2, num_tokens, dtype=torch.bool))
        assert token.tolist() == [rows, rows]
        assert exists.all()
        assert rows == torch.linspace(0, num_tokens - 1, len(rows), dtype=torch.float64).long().tolist()

    def test_real_tokens_only_wherever_they_stand(self) -> None:
        mask = torch.tensor(
            [[True, False, True, True, False, True, True], [False, True] + [False] * 5, [False] * 7]
        )
        token, exists = evenly_spaced(7, 3, mask)
        assert token[0].tolist() == [0, 3, 6]
        assert token[1, 0] == 1
        assert exists.tolist() == [[True] * 3, [True, False, False], [False] * 3]
