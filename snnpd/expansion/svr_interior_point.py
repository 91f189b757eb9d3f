"""The interior-point method behind `solve_svr`: many regressions side by side, one in a row, each of one output.

Source: Mehrotra, "On the implementation of a primal-dual interior point method", SIAM J. Optimization 2 (1992), on the
dual in α and α~ (β = α − α~, both between 0 and C); from memory of the paper, checked against libsvm.
"""

from dataclasses import replace
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from snnpd.expansion.svr import SVRProblem, kkt_residual, residuals

# A row rests once its residual has not halved for so many iterations: rounding lets it come no further.
_PATIENCE = 20
# The share of the longest step that is taken.
_INSIDE = 0.995

Columns = Float[Tensor, "P M 1"]


class Iterate(NamedTuple):
    """Four positive values for each side (α, α~) of each point, and the bias.

    Shapes: `positive` stacks α, what it leaves of the box, and the multipliers of its bounds at 0 and at C.
    """

    positive: Float[Tensor, "P 4 2 M"]
    bias: Float[Tensor, "P 1"]

    @property
    def beta(self) -> Columns:
        """α − α~."""
        return (self.positive[:, 0, 0] - self.positive[:, 0, 1]).unsqueeze(-1)


class Outcome(NamedTuple):
    """The best β of each row, its KKT residual, and the iterations made."""

    beta: Columns
    residual: Float[Tensor, " P"]
    iterations: Int[Tensor, " P"]


def rows_of(problem: SVRProblem, rows: Tensor) -> SVRProblem:
    """The problem on some of its rows."""
    return replace(problem, gram=problem.gram[rows], targets=problem.targets[rows], box=problem.boxes[rows])


def start_at(problem: SVRProblem, alpha: Columns) -> Iterate:
    """α = α~ = `alpha`, multipliers of the size of the targets, both bounds equally near in their products."""
    sides = torch.cat([problem.targets, -problem.targets], -1).mT
    both = torch.cat([alpha, alpha], -1).mT
    room = problem.boxes.mT - both
    lower = problem.target_unit + (problem.epsilon - sides).clamp_min(0)
    return Iterate(
        torch.stack([both, room, lower, lower * both / room], 1), problem.targets.new_zeros(len(both), 1)
    )


def interior_point(problem: SVRProblem, iterate: Iterate, goal: float, max_iterations: int) -> Outcome:
    """Newton steps until the KKT residual of every row is below `goal` or comes no further.

    Shapes: gram `[P, M, M]`, targets `[P, M, 1]`.
    """
    residual = kkt_residual(problem, iterate.beta, iterate.bias)[:, 0]
    best = Outcome(iterate.beta, residual, torch.zeros_like(residual, dtype=torch.long))
    mark, marked_at = residual.clone(), best.iterations.clone()
    rows = torch.arange(len(residual), device=residual.device)
    for count in range(1, max_iterations + 1):
        moving = (best.residual[rows] > goal) & (count - marked_at[rows] <= _PATIENCE)
        if not moving.any():
            break
        if 2 * moving.sum() <= len(rows):
            problem, iterate = rows_of(problem, moving), Iterate(*(values[moving] for values in iterate))
            rows, moving = rows[moving], moving[moving]
        iterate = newton_step(problem, iterate)
        residual = kkt_residual(problem, iterate.beta, iterate.bias)[:, 0]
        better = moving & (residual < best.residual[rows])
        best.beta[rows[better]], best.residual[rows[better]] = iterate.beta[better], residual[better]
        best.iterations[rows[moving]] = count
        halved = rows[better & (residual < mark[rows] / 2)]
        mark[halved], marked_at[halved] = best.residual[halved], count
    return best


class _System(NamedTuple):
    """The Newton equations at an iterate, reduced to β and b, the matrix factored."""

    factor: Float[Tensor, "P M M"]
    constraint: Columns | None
    curvature: Float[Tensor, "P 2 M"]
    stationarity: Float[Tensor, "P 2 M"]
    imbalance: Float[Tensor, "P 1"]


def newton_step(problem: SVRProblem, iterate: Iterate) -> Iterate:
    """One predictor-corrector step: how far the way to the optimum goes decides how much the step is centred."""
    system, value = _reduce(problem, iterate), iterate.positive
    mean = _mean_product(value)
    change, _ = _direction(system, value, torch.zeros_like(value[:, :2]))
    reached = _mean_product(value + _length(value, change) * change)
    products = (reached / mean) ** 3 * mean - change[:, :2] * change[:, 2:]
    change, shift = _direction(system, value, products)
    length = _INSIDE * _length(value, change)
    return Iterate(value + length * change, iterate.bias + length[:, 0, 0] * shift)


def _mean_product(value: Tensor) -> Float[Tensor, "P 1 1 1"]:
    return (value[:, :2] * value[:, 2:]).mean((1, 2, 3), keepdim=True)


def _length(value: Tensor, change: Tensor) -> Float[Tensor, "P 1 1 1"]:
    """The longest step, at most 1, that leaves no value below 0."""
    return torch.where(change < 0, -value / change, 1.0).amin((1, 2, 3), keepdim=True).clamp_max(1)


def _reduce(problem: SVRProblem, iterate: Iterate) -> _System:
    alpha, room, lower, upper = iterate.positive.unbind(1)
    error = residuals(problem, iterate.beta, iterate.bias)
    stationarity = lower - upper - problem.epsilon + torch.cat([error, -error], -1).mT
    curvature = lower / alpha + upper / room
    matrix = problem.gram.clone()
    diagonal = matrix.diagonal(dim1=-2, dim2=-1)
    # the first factor keeps the pivots of a singular G above rounding
    diagonal.mul_(1 + 4 * len(diagonal[0]) * torch.finfo(diagonal.dtype).eps)
    diagonal.add_(curvature.prod(1) / curvature.sum(1))
    # a factorisation that fails leaves nan, and the row rests with its best iterate
    factor = torch.linalg.cholesky_ex(matrix)[0]
    constraint = torch.cholesky_solve(torch.ones_like(error), factor) if problem.bias else None
    return _System(factor, constraint, curvature, stationarity, -iterate.beta.sum(1))


def _direction(system: _System, value: Tensor, products: Tensor) -> tuple[Tensor, Tensor]:
    """The Newton direction to where the products of values and multipliers are `products`, and that of the bias.

    Equation: with Θ = lower/α + upper/room, each side has Θ Δα ± (GΔβ + Δb) = ρ; taken together,
        (G + Θ Θ~/(Θ + Θ~)) Δβ + Δb = (Θ~ρ − Θρ~)/(Θ + Θ~), Σ_j Δβ_j = −Σ_j β_j gives Δb, and
        Δα = (ρ + ρ~ + Θ~Δβ)/(Θ + Θ~), Δα~ = (ρ + ρ~ − ΘΔβ)/(Θ + Θ~).
    Source: docs/math/regression.md#r13-our-solver.
    """
    theta, total = system.curvature, system.curvature.sum(1, keepdim=True)
    wanted = products / value[:, :2] - value[:, 2:]
    rho = system.stationarity + wanted[:, 0] - wanted[:, 1]
    right = (theta[:, 1] * rho[:, 0] - theta[:, 0] * rho[:, 1]) / total[:, 0]
    beta = torch.cholesky_solve(right.unsqueeze(-1), system.factor)
    shift = torch.zeros_like(system.imbalance)
    if system.constraint is not None:
        shift = (beta.sum(1) - system.imbalance) / system.constraint.sum(1)
        beta = beta - shift.unsqueeze(-1) * system.constraint
    alpha = (rho.sum(1, keepdim=True) + theta.flip(1) * torch.cat([beta, -beta], -1).mT) / total
    change = torch.stack([alpha, -alpha], 1)
    return torch.cat([change, wanted - value[:, 2:] * change / value[:, :2]], 1), shift
