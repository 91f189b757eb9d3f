"""`from_attention`: the support vector regression that an attention layer at work is the solution of."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from snnpd.errors import UsageError
from snnpd.expansion.dual import Expansion
from snnpd.expansion.kernels import Exponential
from snnpd.expansion.normalisers import RowSum, Shiftmax
from snnpd.expansion.reach import Everywhere
from snnpd.expansion.svr import SVRProblem, predict
from snnpd.expansion.transforms import Points

# ε of the regression, as a share of the largest target: wide enough that a solver must find the tube.
TUBE = 0.01
# The box, as a multiple of the largest |β|: no dual variable touches it.
ROOM = 2.0


@runtime_checkable
class ExpansionLayer(Protocol):
    """A layer that can say which expansions it evaluates; every layer in `snnpd.attention` does, or says why not."""

    def expansions(
        self, x: Tensor, mask: Tensor | None, context: Tensor | None, context_mask: Tensor | None
    ) -> Sequence[tuple[Expansion, Points]]:
        """One expansion a group of heads, with its transformed and coded points."""


@dataclass(frozen=True)
class AttentionSVR:
    """Some heads of an attention layer as a regression on their support points, and its known solution.

    Equation: β_j = h(k_j) (v_j - b), y = G β + b + ε sign(β), with the Gram matrix of `SVRProblem`; then the KKT
    conditions hold and the layer is the regression's prediction, f(x) = Σ_j κ(x, k_j)/(h(x) h(k_j)) β_j + b.
    Where rows sum to one, values may be shifted by a common b, and b = Σ_j h(k_j) v_j / Σ_j h(k_j) fulfils
    Σ_j β_j = 0: a regression with bias. Elsewhere the regression has none. Dyadic Shiftmax completes a row
    outside the kernel; there each support point has one more unit feature of its own, κ(k_i, k_j) + δ_ij, and a
    query has the completion in the feature of the point that receives it.

    Source: Nguyen et al., ICLR 2023 (arXiv 2406.13781), for v_j = β_j/h(k_j); the solved problem:
    docs/math/regression.md#r8-the-regression-that-a-layer-solves, its bias:
    docs/math/regression.md#r9-the-bias-where-rows-sum-to-one, dyadic rows:
    docs/math/regression.md#r11-dyadic-rows-coordinates-of-ones-own.

    Shapes: problem.gram `[..., M, M]`, targets and beta `[..., M, E]`, bias `[..., E]`, h `[..., M]`; all float64.
    A padded support point stands at the origin with the target b: its β is zero.
    """

    expansion: Expansion
    points: Points
    problem: SVRProblem
    beta: Float[Tensor, "... M E"]
    bias: Float[Tensor, "... E"]
    h: Float[Tensor, "... M"]

    def cross(self, q: Float[Tensor, "... N D"]) -> Float[Tensor, "... N M"]:
        """What a solver needs to know of unseen queries: κ(q_i, k_j)/(h(q_i) h(k_j))."""
        return self.expansion.weights(self.points._replace(q=q.double())) / self.h.unsqueeze(-2)

    def predict(self, q: Float[Tensor, "... N D"]) -> Float[Tensor, "... N E"]:
        """The regression at unseen queries, which is the attention layer's head output."""
        return predict(self.cross(q), self.beta, self.bias)


def from_attention(
    layer: ExpansionLayer,
    x: Float[Tensor, "T B N C"],
    mask: Tensor | None = None,
    context: Tensor | None = None,
    context_mask: Tensor | None = None,
    *,
    epsilon: float | None = None,
    box: float | None = None,
) -> tuple[AttentionSVR, ...]:
    """The regressions that the layer's heads solve at x: one a group of heads that share their support points.

    The layer runs once: neurons keep their state, and a layer in training mode gathers statistics. Call eval(), and
    reset the layer before and after, as around `forward`.

    Args:
        epsilon: half width of the tube; a hundredth of the largest target by default.
        box: C; twice the largest dual variable by default.

    Example:
        >>> from snnpd.attention import SoftmaxAttention
        >>> from snnpd.expansion import kkt_residual
        >>> (svr,) = from_attention(SoftmaxAttention(8, 2).double(), torch.randn(1, 1, 5, 8).double())
        >>> svr.problem.gram.shape, bool(kkt_residual(svr.problem, svr.beta, svr.bias).max() < 1e-12)
        (torch.Size([1, 1, 2, 5, 5]), True)

    Raises:
        UsageError: the layer is no expansion, or one whose kernel or reach makes no regression, with the reason; a
            box that a dual variable leaves; keys so long that their kernel values leave the range of float64.
    """
    with torch.no_grad():
        found = layer.expansions(x, mask, context, context_mask)
        return tuple(to_regression(expansion, points, epsilon, box) for expansion, points in found)


def to_regression(
    expansion: Expansion, points: Points, epsilon: float | None = None, box: float | None = None
) -> AttentionSVR:
    """The regression of one expansion of transformed points; see `from_attention`."""
    _refuse_no_regression(expansion)
    points = Points(points.q.double(), points.k.double(), points.v.double(), points.mask)
    lead = torch.broadcast_shapes(points.k.shape[:-2], points.v.shape[:-2])
    real = torch.ones((), dtype=torch.bool) if points.mask is None else points.mask
    real = real.to(points.k.device).expand(*lead, points.k.shape[-2])
    h = normaliser_at_keys(expansion, points)
    if not h.isfinite().all():
        raise UsageError(
            f"from_attention: {expansion.kernel} of keys of length {float(points.k.norm(dim=-1).max()):.3g} leaves "
            "the range of float64; scale the keys down (Attention-BN divides by almost nothing where one key is real)"
        )
    kappa = key_kernel(expansion, points)
    if isinstance(expansion.normaliser, Shiftmax) and expansion.normaliser.rounding == "dyadic":
        kappa = kappa + torch.diag_embed(real.double())
    gram = kappa / (h.unsqueeze(-1) * h.unsqueeze(-2))
    values = points.v.masked_fill(~real.unsqueeze(-1), 0)
    bias, has_bias = _bias(expansion, h, values, real)
    beta = _dual_variables(h, values, bias).masked_fill(~real.unsqueeze(-1), 0)
    fitted = predict(gram, beta, bias)
    epsilon = TUBE * float(fitted.abs().max()) if epsilon is None else epsilon
    largest = float(beta.abs().max())
    box = ROOM * max(largest, 1e-12) if box is None else box
    if box < largest:
        raise UsageError(
            f"from_attention: box {box:.4g} is left by a dual variable of {largest:.4g}; widen it"
        )
    problem = SVRProblem(gram, fitted + epsilon * beta.sign(), box, epsilon, has_bias)
    return AttentionSVR(expansion, points, problem, beta, bias, h)


def key_kernel(expansion: Expansion, points: Points) -> Float[Tensor, "... M M"]:
    """κ(k_i, k_j) among the support points; padded ones stand at the origin, with zero rows and columns."""
    kappa = expansion.kernel.values(expansion.kernel.scores(points.k, points.k))
    if points.mask is None:
        return kappa
    return kappa.masked_fill(~(points.mask.unsqueeze(-1) & points.mask.unsqueeze(-2)), 0)


def normaliser_at_keys(expansion: Expansion, points: Points) -> Float[Tensor, "... M"]:
    """h(k_j): the normaliser at the support points themselves; one at padded ones."""
    h = expansion.normaliser.h(key_kernel(expansion, points).sum(-1))
    return h if points.mask is None else h.masked_fill(~points.mask, 1)


def with_origin(svr: AttentionSVR) -> SVRProblem:
    """The same regression for a solver that cannot leave the bias out, such as libsvm.

    One more support point stands at the origin, Φ = 0, with the target ε sign(β_0), β_0 = -Σ_j β_j: a last row and
    column of zeros in the Gram matrix, and in `cross`. It takes up the constraint Σ β = 0, and its own condition
    forces the bias to zero. A regression with bias is left as it is.

    Source: docs/math/regression.md#r10-a-point-at-the-origin.
    """
    if svr.problem.bias:
        return svr.problem
    beta_0 = -svr.beta.sum(-2, keepdim=True)
    return replace(
        svr.problem,
        gram=F.pad(svr.problem.gram, (0, 1, 0, 1)),
        targets=torch.cat([svr.problem.targets, svr.problem.epsilon * beta_0.sign()], -2),
        box=max(float(torch.as_tensor(svr.problem.box).max()), ROOM * float(beta_0.abs().max())),
        bias=True,
    )


def _bias(
    expansion: Expansion, h: Tensor, values: Tensor, real: Tensor
) -> tuple[Float[Tensor, "... E"], bool]:
    """The b that makes Σ β = 0 where rows sum to one, else zero; and whether there is one."""
    if not rows_sum_to_one(expansion):
        return torch.zeros_like(values[..., 0, :]), False
    share = (h * real).unsqueeze(-1)
    total = share.sum(-2)
    return (share * values).sum(-2) / total.masked_fill(total == 0, 1), True


def _dual_variables(h: Tensor, values: Tensor, bias: Tensor) -> Float[Tensor, "... M E"]:
    """h (v - b); what rounding leaves of a zero is zero, or its sign would move a target."""
    beta = h.unsqueeze(-1) * (values - bias.unsqueeze(-2))
    noise = 64 * torch.finfo(beta.dtype).eps * h.unsqueeze(-1) * (values.abs() + bias.abs().unsqueeze(-2))
    return beta.masked_fill(beta.abs() <= noise, 0)


def rows_sum_to_one(expansion: Expansion) -> bool:
    """Whether the weights of each query that sees anything sum to one.

    Not where the mass can be zero or less, as behind a truncated map: h is one there.
    """
    if not expansion.kernel.positive:
        return False
    normaliser = expansion.normaliser
    if isinstance(normaliser, Shiftmax):
        return normaliser.rounding in ("sum", "dyadic")
    return isinstance(normaliser, RowSum)


def _refuse_no_regression(expansion: Expansion) -> None:
    if not isinstance(expansion.reach, Everywhere):
        raise UsageError(
            f"from_attention: {expansion.reach} gives each query support points of its own, so there are as many "
            "regressions as queries; take a layer with full attention"
        )
    if isinstance(expansion.kernel, Exponential) and expansion.kernel.score_shift:
        raise UsageError(
            f"from_attention: score_shift = {expansion.kernel.score_shift} rounds the scores down, and the kernel is "
            "no inner product any more; leave score_shift at 0"
        )
