"""`solve_svr`: the ε-support-vector regressions of all heads and outputs at once."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from snnpd.errors import UsageError
from snnpd.expansion.svr import Beta, Bias, SVRProblem, bias_of, duality_gap, kkt_residual
from snnpd.expansion.svr_interior_point import Outcome, interior_point, rows_of, start_at

_TOLERANCES = {torch.float64: 1e-8, torch.float32: 1e-4}
# Shares of the tolerance: a row rests below the first, and is tried from another start if it ends above the second.
_AIM, _ENOUGH = 1e-6, 1e-3
# Matrix entries worked on at a time: 64 MB, several times over.
_CHUNK_ENTRIES = 2**23


@dataclass(frozen=True)
class SVRSolution:
    """β and b of every output, the iterations they took, the KKT residual and the duality gap they reached."""

    beta: Beta
    bias: Bias
    iterations: Int[Tensor, "... E"]
    kkt: Bias
    gap: Bias


@torch.no_grad()
def solve_svr(problem: SVRProblem, tolerance: float | None = None, max_iterations: int = 100) -> SVRSolution:
    """The optimal β and b of every problem in the batch, without gradients.

    A primal-dual interior-point method on all problems side by side, in float64 whatever their dtype and on their
    device: one Cholesky factorisation of an M x M matrix per output and iteration, mostly 10 to 20 of them. w is
    unique; β is only where G has full rank, b only where some 0 < |β_j| < C_j. Points that support nothing get β_j = 0.

    `tolerance` bounds the `kkt_residual`: 1e-8 in float64, 1e-4 in float32 unless given. The method goes on below it as
    far as rounding lets it, so that predictions are as good.

    Raises:
        UsageError: a Gram matrix with negative eigenvalues, or no convergence, with the figures.

    Example:
        >>> x = torch.linspace(-1, 1, 21, dtype=torch.float64).unsqueeze(-1)
        >>> line = SVRProblem(x @ x.T, 3 * x + 1, box=10.0, epsilon=0.0, bias=True)
        >>> fit = solve_svr(line)
        >>> float((x.T @ fit.beta).round(decimals=6)), float(fit.bias.round(decimals=6))
        (3.0, 1.0)
    """
    tolerance = _TOLERANCES[problem.targets.dtype] if tolerance is None else tolerance
    leading, (points, outputs) = problem.targets.shape[:-2], problem.targets.shape[-2:]
    grams = _lifted(problem).reshape(-1, points, points)
    targets, boxes = (t.double().mT.reshape(-1, points, 1) for t in (problem.targets, problem.boxes))
    owners = torch.arange(len(grams), device=grams.device).repeat_interleave(outputs)
    done = []
    for rows in torch.arange(len(owners), device=grams.device).split(max(1, _CHUNK_ENTRIES // points**2)):
        part = SVRProblem(grams[owners[rows]], targets[rows], boxes[rows], problem.epsilon, problem.bias)
        done.append(_solve_rows(part, tolerance, max_iterations))
    betas, _, iterations = (torch.cat(parts) for parts in zip(*done, strict=True))
    beta = betas.reshape(*leading, outputs, points).mT.to(problem.targets.dtype)
    bias = bias_of(problem, beta)
    solution = SVRSolution(
        beta,
        bias,
        iterations.reshape(*leading, outputs),
        kkt_residual(problem, beta, bias),
        duality_gap(problem, beta, bias),
    )
    _check_converged(solution, tolerance)
    return solution


def _solve_rows(problem: SVRProblem, tolerance: float, max_iterations: int) -> Outcome:
    """Rows solved from an α of the size of `beta_unit`, those that resist from the middle of the box as well.

    The first start finds optima deep inside a wide box, the second those that use it.
    """
    middle = problem.boxes / 2
    near = torch.minimum(problem.beta_unit, middle)
    best = interior_point(problem, start_at(problem, near), _AIM * tolerance, max_iterations)
    again = (best.residual > _ENOUGH * tolerance).nonzero()[:, 0]
    if len(again):
        part = rows_of(problem, again)
        other = interior_point(part, start_at(part, middle[again]), _AIM * tolerance, max_iterations)
        better = other.residual < best.residual[again]
        best.beta[again[better]] = other.beta[better]
        best.residual[again[better]] = other.residual[better]
        best.iterations[again] += other.iterations
    return best._replace(beta=_settled(problem, best.beta, _AIM * tolerance))


def _settled(problem: SVRProblem, beta: Tensor, share: float) -> Tensor:
    """β with the entries that are nearer to 0 or ±C than `share` of `beta_unit`, or than rounding, put there."""
    size, near = beta.abs(), share * problem.beta_unit
    rounding = 4 * torch.finfo(beta.dtype).eps * problem.boxes
    at_box = problem.boxes - size <= torch.maximum(near, rounding)
    return beta.sign() * torch.where(at_box, problem.boxes, torch.where(size <= near, 0.0, size))


def _lifted(problem: SVRProblem) -> Float[Tensor, "... M M"]:
    """G in float64, its diagonal raised by the rounding of its own dtype, so that it has no negative eigenvalue.

    The diagonal is raised in proportion, hence the eigenvalues are those of G with its diagonal scaled to 1.
    It also keeps β from growing in the directions where G is singular and the box is wide.

    Raises:
        UsageError: eigenvalues further below 0 than rounding explains.
    """
    gram, eps = problem.gram.double(), torch.finfo(problem.gram.dtype).eps
    floor = eps * gram.abs().amax((-1, -2)).clamp_min(torch.finfo(gram.dtype).tiny)
    size = torch.maximum(gram.diagonal(dim1=-2, dim2=-1), floor.unsqueeze(-1))
    scale = size.rsqrt()
    lowest = torch.linalg.eigvalsh(gram * scale.unsqueeze(-1) * scale.unsqueeze(-2))[..., :1]
    if (lowest < -gram.shape[-1] * eps**0.5).any():
        raise UsageError(
            f"SVR: the Gram matrix has the eigenvalue {lowest.min():.2g} once its diagonal is scaled to 1; "
            "none may be below 0, so check that the kernel is one (symmetric, positive semi-definite)"
        )
    return gram + ((-2 * lowest).clamp_min(eps) * size).diag_embed()


def _check_converged(solution: SVRSolution, tolerance: float) -> None:
    failed = ~(solution.kkt <= tolerance)
    if failed.any():
        raise UsageError(
            f"SVR: {int(failed.sum())} of {failed.numel()} problems did not converge: KKT residual up to "
            f"{solution.kkt[failed].max():.1e} (tolerance {tolerance:.0e}), duality gap up to "
            f"{solution.gap[failed].max():.1e} after {int(solution.iterations.max())} iterations; "
            "give float64, a smaller box C or a larger tolerance"
        )
