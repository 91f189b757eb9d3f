"""ε-support-vector regression as plain functions: the problem, its objectives, its optimality, its prediction.

Leading axes (time, batch, heads) are problems of their own, and so is each of the E outputs, which share the Gram
matrix. Functions work in the dtype of the problem, float32 or float64, and on its device.

Source: the primal and dual of Nguyen et al., ICLR 2023 (arXiv 2406.13781), from memory of the paper, the algebra
checked: see docs/math/regression.md. An attention layer is the prediction, its values the dual variables.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from snnpd.errors import UsageError

Beta = Float[Tensor, "... M E"]
Bias = Float[Tensor, "... E"]


@dataclass(frozen=True)
class SVRProblem:
    """E regressions on M support points that are known by their Gram matrix alone.

    Equation:
        primal  min_(w,b)  1/2 ‖w‖² + Σ_j C_j max(0, |y_j − w·Φ_j − b| − ε)
        dual    max_β  −1/2 βᵀGβ − ε ‖β‖_1 + yᵀβ   s.t. |β_j| ≤ C_j, and Σ_j β_j = 0 if there is a bias b

        with Φ_j = Φ(k_j)/h(k_j), G_ij = Φ_i·Φ_j = κ(k_i, k_j)/(h(k_i) h(k_j)); at the optimum w = Σ_j β_j Φ_j.
    Source: docs/math/regression.md#r1-the-primal-problem, docs/math/regression.md#r2-the-dual-problem.

    `box` is C: a number, or a tensor that broadcasts to the targets (a C for each head, output or point).

    Shapes: gram `[..., M, M]`, targets `[..., M, E]`, with the same leading axes.

    Raises:
        UsageError: axes or dtypes that do not fit, an asymmetric Gram matrix, numbers outside their range.
    """

    gram: Tensor
    targets: Tensor
    box: float | Tensor
    epsilon: float
    bias: bool

    def __post_init__(self) -> None:
        _check_tensors(self.gram, self.targets)
        box = torch.as_tensor(self.box)
        if not (box.isfinite() & (box > 0)).all():
            raise UsageError(
                f"SVR: box C must be positive and finite, got {box.min():.3g} to {box.max():.3g}"
            )
        if not 0 <= self.epsilon < float("inf"):
            raise UsageError(f"SVR: epsilon = {self.epsilon} must be finite and at least 0")

    @property
    def boxes(self) -> Float[Tensor, "... M E"]:
        """C, one for every target."""
        box = torch.as_tensor(self.box, dtype=self.targets.dtype, device=self.targets.device)
        return box.expand_as(self.targets)

    @property
    def target_unit(self) -> Float[Tensor, "... 1 E"]:
        """The size of a target: max(max_j |y_j|, ε), or 1 where that is zero."""
        size = self.targets.abs().amax(-2, keepdim=True).clamp_min(self.epsilon)
        return torch.where(size > 0, size, torch.ones_like(size))

    @property
    def beta_unit(self) -> Float[Tensor, "... 1 E"]:
        """The size of a β_j that can move a prediction by target_unit: target_unit / max_j G_jj, at most C."""
        largest = self.gram.diagonal(dim1=-2, dim2=-1).amax(-1).clamp_min(0)
        return torch.minimum(self.target_unit / largest[..., None, None], self.boxes.amax(-2, keepdim=True))


def _check_tensors(gram: Tensor, targets: Tensor) -> None:
    found = f"gram {list(gram.shape)}, targets {list(targets.shape)}"
    if gram.shape[-1] != gram.shape[-2] or gram.shape[:-1] != targets.shape[:-1] or not gram.shape[-1]:
        raise UsageError(f"SVR: {found} do not fit; give [..., M, M] and [..., M, E] with M >= 1")
    if gram.dtype != targets.dtype or gram.dtype not in (torch.float32, torch.float64):
        raise UsageError(f"SVR: gram is {gram.dtype}, targets {targets.dtype}; make both float32 or float64")
    if not (gram.isfinite().all() and targets.isfinite().all()):
        raise UsageError(f"SVR: {found} hold nan or infinite entries; mend them first")
    rounding = 1e3 * torch.finfo(gram.dtype).eps * gram.abs().amax((-1, -2), keepdim=True)
    if ((gram - gram.mT).abs() > rounding).any():
        raise UsageError(
            f"SVR: {found}: the Gram matrix is not symmetric; "
            "give κ(k_i, k_j)/(h(k_i) h(k_j)), not the attention weights κ(k_i, k_j)/h(k_i)"
        )


def predict(cross: Float[Tensor, "... N M"], beta: Beta, bias: Bias) -> Float[Tensor, "... N E"]:
    """The fitted function at N points, from their kernel with the support points.

    Equation: f(x) = Σ_j κ(x, k_j)/(h(x) h(k_j)) β_j + b; `cross` holds the factors of the β_j.
    Source: docs/math/regression.md#r5-the-dual-form-is-attention.
    """
    return cross @ beta + bias.unsqueeze(-2)


def residuals(problem: SVRProblem, beta: Beta, bias: Bias) -> Beta:
    """What the fit leaves of each target: e = y − Gβ − b."""
    return problem.targets - predict(problem.gram, beta, bias)


def dual_objective(problem: SVRProblem, beta: Beta) -> Bias:
    """The dual at β, feasible or not.

    Equation: D(β) = −1/2 βᵀGβ − ε ‖β‖_1 + yᵀβ.
    Source: docs/math/regression.md#r2-the-dual-problem.
    """
    fit = problem.gram @ beta
    return ((problem.targets - fit / 2) * beta - problem.epsilon * beta.abs()).sum(-2)


def primal_objective(problem: SVRProblem, beta: Beta, bias: Bias) -> Bias:
    """The primal at w = Σ_j β_j Φ_j and b, the slacks at their optimum.

    Equation: P(β, b) = 1/2 βᵀGβ + Σ_j C_j max(0, |e_j| − ε), since ‖w‖² = βᵀGβ.
    Source: docs/math/regression.md#r1-the-primal-problem.
    """
    slack = (residuals(problem, beta, bias).abs() - problem.epsilon).clamp_min(0)
    return (beta * (problem.gram @ beta) / 2 + problem.boxes * slack).sum(-2)


def duality_gap(problem: SVRProblem, beta: Beta, bias: Bias) -> Bias:
    """P − D, relative: at least 0 for a feasible β, and 0 exactly where β and b solve the problem.

    Equation: P − D = Σ_j (C_j max(0, |e_j| − ε) + ε |β_j| − e_j β_j) − b Σ_j β_j: each term of the first sum is the
        slackness of one point, none below 0 in the box, so that nothing cancels.
    Source: docs/math/regression.md#r4-the-duality-gap.

    Units: P + target_unit · max(‖β‖_1, beta_unit). A slack of the size of rounding counts C_j times.
    """
    error = residuals(problem, beta, bias)
    slack = (error.abs() - problem.epsilon).clamp_min(0)
    terms = problem.boxes * slack + problem.epsilon * beta.abs() - error * beta
    norm = torch.maximum(beta.abs().sum(-2, keepdim=True), problem.beta_unit)
    unit = primal_objective(problem, beta, bias) + (problem.target_unit * norm).squeeze(-2)
    return (terms.sum(-2) - bias * beta.sum(-2)) / unit


def kkt_residual(problem: SVRProblem, beta: Beta, bias: Bias) -> Bias:
    """The largest violation of the optimality conditions, relative: 0 exactly where β and b solve the problem.

    Equation: the largest of
        |r_j|, r_j = clip(soft(β_j/u + e_j/Y, ε/Y), ±C_j/u) − β_j/u      (stationarity and slackness)
        max(0, |β_j| − C_j)/C_j                                          (box)
        |Σ_j β_j| / max(‖β‖_1, u) with a bias, |b|/Y without             (constraint)

        with Y = target_unit, u = beta_unit, soft(a, t) = sign(a) max(0, |a| − t).
    Source: docs/math/regression.md#r3-optimality.

    So |r_j| is how far e_j is, in units of Y, from what β_j allows: e_j ≥ ε at β_j = C_j, e_j = ε where
    0 < β_j < C_j, |e_j| ≤ ε at β_j = 0, mirrored for β_j < 0. A β_j no further than δu from a bound may count as on
    it, at the price δ: moving it there changes no prediction at a support point by more than δY.
    """
    target_unit, beta_unit, boxes = problem.target_unit, problem.beta_unit, problem.boxes
    inside = torch.minimum(torch.maximum(beta, -boxes), boxes)
    error = residuals(problem, inside, bias) / target_unit
    place, limit, epsilon = inside / beta_unit, boxes / beta_unit, problem.epsilon / target_unit
    # r_j in two parts, so that no large β_j/u swallows a small e_j/Y
    rise = torch.minimum(torch.maximum(error - epsilon, -place), limit - place)
    fall = torch.minimum(torch.maximum(error + epsilon, -limit - place), -place)
    slackness = torch.where(place > 0, (place + fall) + rise, (place + rise) + fall).abs()
    outside = (beta - inside).abs() / boxes
    if problem.bias:
        norm = torch.maximum(beta.abs().sum(-2, keepdim=True), beta_unit)
        constraint = (beta.sum(-2, keepdim=True) / norm).abs()
    else:
        constraint = (bias.unsqueeze(-2) / target_unit).abs()
    return torch.cat([slackness, outside, constraint], -2).amax(-2)


def bias_of(problem: SVRProblem, beta: Beta) -> Bias:
    """The bias that goes with an optimal β, 0 in a problem without: where an interval of them does, its middle.

    Equation: b = argmin P(β, b), the median of all r_j ± ε weighted by C_j, with r = y − Gβ.
    Source: docs/math/regression.md#r7-the-bias-of-a-solution.
    """
    if not problem.bias:
        return torch.zeros_like(beta[..., 0, :])
    remainder = problem.targets - problem.gram @ beta
    kinks, order = torch.cat([remainder - problem.epsilon, remainder + problem.epsilon], -2).sort(-2)
    weight = torch.cat([problem.boxes, problem.boxes], -2).gather(-2, order).cumsum(-2)
    share = weight / weight[..., -1:, :]
    # rounding must not decide on which side of a flat stretch the half lies
    margin = 4 * share.shape[-2] * torch.finfo(share.dtype).eps
    low = (share < 0.5 - margin).sum(-2, keepdim=True)
    high = (share <= 0.5 + margin).sum(-2, keepdim=True)
    return ((kinks.gather(-2, low) + kinks.gather(-2, high)) / 2).squeeze(-2)
