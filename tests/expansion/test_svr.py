"""The ε-SVR: its objectives by sums written out, its optimality by planted errors, its solver against libsvm."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.svm import SVR
from torch import Tensor

from snnpd.errors import UsageError
from snnpd.expansion.svr import (
    SVRProblem,
    bias_of,
    dual_objective,
    duality_gap,
    kkt_residual,
    predict,
    primal_objective,
)
from snnpd.expansion.svr_solver import solve_svr


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).unsqueeze(-1)


def ternary(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-1, 2, shape, generator=generator).double()


# name -> (points, kernel, normaliser of the rows); linear kernels are singular as soon as M > D, and so are
# ternary points that repeat
KERNELS = {
    "linear": (normal, lambda a, b: a @ b.mT, lambda rows: torch.full_like(rows[..., 0], 8.0)),
    "softmax": (normal, lambda a, b: (a @ b.mT / a.shape[-1] ** 0.5).exp(), lambda rows: rows.sum(-1)),
    "bipolar": (ternary, lambda a, b: (a @ b.mT).exp2(), lambda rows: rows.sum(-1).log2().ceil().exp2()),
}


def grams(kernel: str, *shape: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """The Gram matrix of random support points, and their cross matrix with 20 unseen points."""
    points, kappa, h = KERNELS[kernel]
    support = points(*shape, seed=seed)
    unseen = points(*shape[:-2], 20, shape[-1], seed=seed + 1)
    of_support = h(kappa(support, support)).unsqueeze(-2)
    of_unseen = h(kappa(unseen, support)).unsqueeze(-1)
    return (
        kappa(support, support) / (of_support * of_support.mT),
        kappa(unseen, support) / (of_unseen * of_support),
    )


def with_truth(gram: Tensor, outputs: int, bias: bool, room: float = 2.0, seed: int = 0) -> tuple:
    """A problem made from its solution, and the solution: y_j = f(k_j) + ε sign(β_j) with every β_j in the box."""
    beta = normal(*gram.shape[:-1], outputs, seed=seed + 2) / gram.diagonal(dim1=-2, dim2=-1).amax()
    beta = beta - beta.mean(-2, keepdim=True) if bias else beta
    shift = normal(*beta.shape[:-2], outputs, seed=seed + 3) * bias
    targets = predict(gram, beta, shift) + 0.1 * beta.sign()
    return SVRProblem(gram, targets, room * float(beta.abs().max()) + 1e-6, 0.1, bias), beta, shift


def assert_solved(problem: SVRProblem, solution, tolerance: float = 1e-8) -> None:
    assert torch.equal(kkt_residual(problem, solution.beta, solution.bias), solution.kkt)
    assert torch.equal(duality_gap(problem, solution.beta, solution.bias), solution.gap)
    assert solution.kkt.max() <= tolerance
    assert solution.gap.abs().max() <= tolerance


def libsvm(gram: Tensor, targets: Tensor, box: float, epsilon: float, weights=None) -> SVR:
    machine = SVR(kernel="precomputed", C=box, epsilon=epsilon, tol=1e-12, cache_size=50)
    return machine.fit(gram.numpy(), targets.numpy(), sample_weight=weights)


LIBSVM = [
    # kernel, M, D, C, ε, whether some β_j reach the box
    ("linear", 30, 4, 1.0, 0.1, True),
    ("linear", 30, 4, 0.05, 0.5, True),
    ("linear", 12, 30, 1e3, 0.0, False),
    ("softmax", 30, 8, 1e4, 0.1, False),
    ("softmax", 30, 8, 20.0, 0.1, True),
    ("bipolar", 30, 2, 50.0, 0.2, True),
    ("bipolar", 40, 16, 1e5, 0.1, True),
]


@pytest.mark.parametrize(("kernel", "points", "dim", "box", "epsilon", "bounded"), LIBSVM)
class TestAgainstLibsvm:
    def test_biased(self, kernel, points, dim, box, epsilon, bounded) -> None:
        gram, cross = grams(kernel, points, dim)
        problem = SVRProblem(gram, normal(points, 1, seed=7), box, epsilon, bias=True)
        solution = solve_svr(problem)
        assert_solved(problem, solution)
        machine = libsvm(gram, problem.targets[:, 0], box, epsilon)
        ours = predict(cross, solution.beta, solution.bias)[:, 0].numpy()
        assert ours == pytest.approx(machine.predict(cross.numpy()), rel=1e-6, abs=1e-6)
        assert np.abs(ours).max() > 0.1
        theirs = torch.zeros(points, 1, dtype=torch.float64)
        theirs[machine.support_, 0] = torch.from_numpy(machine.dual_coef_[0])
        best, reached = dual_objective(problem, solution.beta).item(), dual_objective(problem, theirs).item()
        assert best == pytest.approx(reached, rel=1e-6)
        assert best >= reached * (1 - 1e-9)
        assert bool((solution.beta.abs() == box).any()) == bounded
        if epsilon > 0 and kernel != "bipolar":
            assert set(machine.support_) == set(solution.beta[:, 0].nonzero()[:, 0].tolist())

    def test_bias_free_with_a_support_point_at_the_origin(
        self, kernel, points, dim, box, epsilon, bounded
    ) -> None:
        gram, cross = grams(kernel, points, dim)
        problem = SVRProblem(gram, normal(points, 1, seed=7) + 1, box, epsilon, bias=False)
        solution = solve_svr(problem)
        assert_solved(problem, solution)
        origin = -epsilon * solution.beta.sum().sign()
        targets = torch.cat([problem.targets[:, 0], origin.reshape(1)])
        # the origin takes up the sum of all β_j, so its box must hold them all
        weights = np.append(np.ones(points), 2.0 * points)
        machine = libsvm(torch.nn.functional.pad(gram, (0, 1, 0, 1)), targets, box, epsilon, weights)
        assert machine.intercept_[0] == pytest.approx(0, abs=1e-6)
        theirs = machine.predict(torch.nn.functional.pad(cross, (0, 1)).numpy())
        ours = predict(cross, solution.beta, solution.bias)[:, 0].numpy()
        assert ours == pytest.approx(theirs, rel=1e-6, abs=1e-7)
        assert np.abs(ours).max() > 0.01


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(sorted(KERNELS)),
    st.integers(1, 40),
    st.integers(1, 4),
    st.booleans(),
    st.sampled_from([1.0, 1.05, 2.0, 1e3]),
    st.data(),
)
def test_a_constructed_truth_is_found(kernel, points, outputs, bias, room, data) -> None:
    # in fewer dimensions the softmax kernel is so close to singular that an ulp of a target moves predictions by 1e-8
    least = 5 if kernel == "softmax" else 1
    dim, seed = data.draw(st.integers(least, max(least, points))), data.draw(st.integers(0, 999))
    gram, cross = grams(kernel, points, dim, seed=seed)
    problem, beta, shift = with_truth(gram, outputs, bias, room, seed)
    solution = solve_svr(problem)
    assert kkt_residual(problem, beta, shift).max() < 1e-12
    assert_solved(problem, solution)
    if points > bias:
        truth = predict(cross, beta, shift)
        error = predict(cross, solution.beta, solution.bias) - truth
        assert error.abs().max() <= 1e-8 * problem.target_unit.max()
        assert truth.abs().max() > 0


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kernel", sorted(KERNELS))
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-8), (torch.float32, 1e-4)])
def test_a_batch_is_its_problems_one_by_one(kernel, bias, dtype, tolerance) -> None:
    gram, cross = grams(kernel, 2, 3, 17, 5)
    problem, beta, shift = with_truth(gram, 4, bias)
    # boxes of their own, the first of them active
    boxes = problem.box * torch.tensor([0.1, 1.0, 3.0], dtype=dtype)[:, None, None]
    problem = replace(problem, gram=gram.to(dtype), targets=problem.targets.to(dtype), box=boxes)
    whole, cross = solve_svr(problem), cross.to(dtype)
    assert_solved(problem, whole, tolerance)
    assert whole.beta.shape == (2, 3, 17, 4)
    assert whole.iterations.shape == whole.bias.shape == (2, 3, 4)
    assert whole.beta.dtype == whole.bias.dtype == dtype
    got = predict(cross, whole.beta, whole.bias)
    for t, head, e in [(0, 0, 0), (1, 0, 2), (1, 2, 3), (0, 1, 1)]:
        single = SVRProblem(
            problem.gram[t, head], problem.targets[t, head, :, e : e + 1], boxes[head].item(), 0.1, bias
        )
        alone = solve_svr(single)
        want = predict(cross[t, head], alone.beta, alone.bias)[:, 0]
        assert torch.allclose(got[t, head, :, e], want, atol=tolerance, rtol=tolerance)
    assert (whole.beta[:, 0].abs() == problem.boxes[:, 0]).any()
    truth = predict(cross, beta.to(dtype), shift.to(dtype))
    assert torch.allclose(got[:, 1:], truth[:, 1:], atol=tolerance * float(truth.abs().max()))
    assert (got[:, 0] - truth[:, 0]).abs().max() > 0.01 * truth.abs().max()


LINE = torch.linspace(-1, 1, 21, dtype=torch.float64).unsqueeze(-1)
EYE = torch.eye(4, dtype=torch.float64)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    ("gram", "targets", "box", "epsilon"),
    [
        (EYE[:1, :1], column(2.0), 1e3, 0.1),
        (0 * EYE, column(2.0, 1.0, -3.0, 0.05), 1.5, 0.1),
        (EYE, column(0, 0, 0, 0), 1.0, 0.0),
        (EYE, column(0, 0, 0, 0), 1.0, 0.1),
        (EYE, column(3, 3, 3, 3), 100.0, 0.5),
        (EYE, column(0.1, -0.1, 0.1, -0.1), 1.0, 0.1),
        (torch.ones_like(EYE), column(1, -1, 1, 2), 1.0, 0.1),
        (EYE * column(1e-8, 1e-4, 1.0, 1e2), column(1, 1, 1, 1), 1e9, 0.1),
        (LINE @ LINE.T, column(*range(21)) % 3, 1e3, 0.2),
        (LINE @ LINE.T, column(*range(21)) % 3, 1e-6, 0.2),
    ],
)
def test_degenerate_problems(gram, targets, box, epsilon, bias) -> None:
    problem = SVRProblem(gram, targets, box, epsilon, bias)
    solution = solve_svr(problem)
    assert_solved(problem, solution)
    if not bias and torch.equal(gram, EYE):
        # apart from each other, points are fitted up to ε
        shrunk = (problem.targets.abs() - epsilon).clamp_min(0) * problem.targets.sign()
        assert torch.allclose(solution.beta, shrunk, atol=1e-12)


def test_objectives_are_the_sums_written_out() -> None:
    problem, beta, _ = with_truth(grams("softmax", 5, 3)[0], 2, bias=True)
    problem = replace(problem, box=torch.arange(1.0, 6, dtype=torch.float64).unsqueeze(-1))
    bias, gram, y = normal(2, seed=5), problem.gram, problem.targets
    for d in range(2):
        b = beta[:, d]
        square = sum(b[i] * b[j] * gram[i, j] for i in range(5) for j in range(5))
        fit = [sum(gram[j, i] * b[i] for i in range(5)) + bias[d] for j in range(5)]
        slack = sum((j + 1) * max(0.0, float((y[j, d] - fit[j]).abs() - 0.1)) for j in range(5))
        dual = -square / 2 + sum(y[j, d] * b[j] - 0.1 * b[j].abs() for j in range(5))
        assert primal_objective(problem, beta, bias)[d].item() == pytest.approx(float(square / 2 + slack))
        assert dual_objective(problem, beta)[d].item() == pytest.approx(float(dual))
        assert slack > 0.1


@pytest.mark.parametrize("bias", [False, True])
def test_the_gap_is_primal_minus_dual_and_feasible_points_never_close_it(bias: bool) -> None:
    gram, _ = grams("softmax", 50, 9, 4)
    problem = SVRProblem(gram, normal(50, 9, 3, seed=7), 5.0, 0.1, bias)
    beta = 5 * torch.tanh(normal(50, 9, 3, seed=8))
    beta = (beta - beta.mean(-2, keepdim=True)) / 2 if bias else beta
    shift = normal(50, 3, seed=9) * bias
    gap = duality_gap(problem, beta, shift)
    primal, dual = primal_objective(problem, beta, shift), dual_objective(problem, beta)
    norm = torch.maximum(beta.abs().sum(-2), problem.beta_unit.squeeze(-2))
    assert torch.allclose(gap * (primal + problem.target_unit.squeeze(-2) * norm), primal - dual)
    assert gap.min() > 1e-3
    solution = solve_svr(problem)
    assert (dual_objective(problem, solution.beta) > dual).all()
    assert (primal_objective(problem, solution.beta, solution.bias) < primal).all()


PLANTED = {
    "a β_j moved": lambda beta, bias: (beta + 0.05 * torch.eye(len(beta), 1), bias),
    "all β_j scaled": lambda beta, bias: (1.01 * beta, bias),
    "a β_j dropped": lambda beta, bias: (beta * (beta != beta.max()), bias),
    "out of the box": lambda beta, bias: (torch.where(beta == beta.max(), 2.002, beta), bias),
    "bias": lambda beta, bias: (beta, bias + 0.01),
    "nothing": lambda beta, bias: (torch.zeros_like(beta), bias),
}


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("error", PLANTED.values(), ids=PLANTED)
def test_the_kkt_residual_sees_planted_errors(error, bias: bool) -> None:
    gram = grams("linear", 20, 4)[0]
    problem = SVRProblem(gram, normal(20, 1, seed=7), 2.0, 0.1, bias)
    solution = solve_svr(problem)
    assert solution.kkt.item() < 1e-12
    assert kkt_residual(problem, *error(solution.beta, solution.bias)).item() > 5e-4


@pytest.mark.parametrize(
    ("beta", "error", "want"),
    [
        (0.0, 0.3, 0.0),
        (0.0, 0.7, 0.2),
        (0.0, -0.7, 0.2),
        (1.0, 0.5, 0.0),
        (1.0, 0.75, 0.25),
        (1.0, 0.25, 0.25),
        (-1.0, -0.5, 0.0),
        (-1.0, 0.5, 1.0),
        (2.0, 0.9, 0.0),
        (2.0, 0.25, 0.25),
        (-2.0, -0.25, 0.25),
        (1e-9, 0.0, 1e-9),
        (2.5, 0.5, 0.25),
    ],
)
def test_the_kkt_residual_of_one_point_is_its_distance_from_what_is_allowed(beta, error, want) -> None:
    """C = 2, ε = 1/2; a second point with G = 0, at its bound as it should be, makes both units 2."""
    gram = torch.tensor([[0.5, 0.0], [0.0, 0.0]], dtype=torch.float64)
    inside = max(-2.0, min(2.0, beta))
    problem = SVRProblem(gram, column(inside / 2 + error, 2.0), 2.0, 0.5, False)
    assert problem.target_unit == problem.beta_unit == 2
    got = kkt_residual(problem, column(beta, 2.0), 0 * problem.targets[0])
    assert got.item() * (1 if abs(beta) > 2 else 2) == pytest.approx(want, rel=1e-6, abs=1e-15)


@pytest.mark.parametrize(
    ("targets", "boxes", "want"),
    [
        ([2.0, -1.0, 0.5], [1.0, 1.0, 1.0], 0.5),  # anywhere in the tube of the middle point: its middle
        ([2.0, -1.0], [1.0, 1.0], 0.5),  # anywhere between the tubes
        ([2.0, -1.0, 0.5], [3.0, 1.0, 1.0], 1.75),  # at the edge of the dearest
    ],
)
def test_bias_of_minimises_the_primal(targets: list[float], boxes: list[float], want: float) -> None:
    y, box = column(*targets), column(*boxes)
    problem = SVRProblem(0 * EYE[: len(y), : len(y)], y, box, 0.25, True)
    assert bias_of(problem, 0 * y).item() == want
    values = [primal_objective(problem, 0 * y, y[0] - 4 + b / 100).item() for b in range(500)]
    assert primal_objective(problem, 0 * y, column(want)[0]).item() <= min(values) + 1e-12
    assert bias_of(replace(problem, bias=False), 0 * y).item() == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"gram": EYE[:3]}, "do not fit"),
        ({"targets": column(1, 1, 1)}, "do not fit"),
        ({"gram": EYE.float()}, "make both"),
        ({"gram": EYE.half(), "targets": torch.ones(4, 1).half()}, "make both"),
        ({"gram": EYE + EYE.roll(1, 0)}, "not symmetric"),
        ({"targets": column(1, 1, 1, float("nan"))}, "nan or infinite"),
        ({"box": 0.0}, "positive and finite, got 0"),
        ({"box": torch.tensor([1.0, -2.0, 1.0, 1.0])}, "got -2 to 1"),
        ({"epsilon": -0.1}, "at least 0"),
    ],
)
def test_meaningless_problems_are_refused(change: dict, words: str) -> None:
    problem = SVRProblem(EYE, column(1, 1, 1, 1), 1.0, 0.1, False)
    with pytest.raises(UsageError, match=words):
        replace(problem, **change)


def test_what_cannot_be_solved_is_refused_with_figures() -> None:
    problem, _, _ = with_truth(grams("softmax", 20, 4)[0], 2, bias=True)
    with pytest.raises(UsageError, match=r"2 of 2 problems did not converge: KKT residual up to \d"):
        solve_svr(problem, max_iterations=2)
    with pytest.raises(UsageError, match="eigenvalue -1 "):
        solve_svr(SVRProblem(2 - EYE[:2, :2], column(1, 1), 1.0, 0.1, False))


def test_gradients_stay_outside_and_empty_batches_pass() -> None:
    gram, _ = grams("softmax", 6, 3)
    problem, _, _ = with_truth(gram, 2, bias=True)
    solution = solve_svr(replace(problem, targets=problem.targets.requires_grad_()))
    assert not solution.beta.requires_grad
    assert solution.beta.abs().max() > 0
    empty = solve_svr(SVRProblem(gram.expand(0, 6, 6), torch.zeros(0, 6, 2).double(), 1.0, 0.1, True))
    assert empty.beta.shape == (0, 6, 2)
