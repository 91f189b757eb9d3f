"""Four ways to evaluate one expansion, each with the reason why it may not apply, chosen by cost."""

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from snnpd.errors import UsageError, unknown
from snnpd.expansion.banded import band_of, banded_form, why_not_banded
from snnpd.expansion.dual import Expansion, dual_form
from snnpd.expansion.fused import fused_form, why_not_fused
from snnpd.expansion.primal import primal_form, why_no_primal
from snnpd.expansion.transforms import Points


@dataclass(frozen=True)
class Sizes:
    """What the cost of an expansion depends on: N queries, M support points, widths D of points and E of values."""

    num_queries: int
    num_points: int
    head_dim: int
    value_dim: int


@dataclass(frozen=True)
class Form:
    """One way to evaluate an expansion of transformed points.

    `why_not` says why it does not apply (empty where it does); `num_macs` counts multiply-accumulates per head.
    """

    run: Callable[[Expansion, Points], Tensor]
    why_not: Callable[[Expansion, int], str]
    num_macs: Callable[[Expansion, Sizes], int]


def _dual_macs(expansion: Expansion, sizes: Sizes) -> int:
    return (
        sizes.num_queries * sizes.num_points * (expansion.kernel.score_dim(sizes.head_dim) + sizes.value_dim)
    )


def _primal_macs(expansion: Expansion, sizes: Sizes) -> int:
    num_features = expansion.kernel.feature_dim(sizes.head_dim) or 0
    return (sizes.num_queries + sizes.num_points) * num_features * (sizes.value_dim + 1)


def _banded_macs(expansion: Expansion, sizes: Sizes) -> int:
    width = sum(band_of(expansion.reach))
    return sizes.num_queries * width * (expansion.kernel.score_dim(sizes.head_dim) + sizes.value_dim)


# Of two forms of the same cost the earlier one runs: the fused kernel keeps the attention map out of memory.
FORMS: dict[str, Form] = {
    "primal": Form(primal_form, why_no_primal, _primal_macs),
    "banded": Form(banded_form, lambda expansion, _: why_not_banded(expansion.reach), _banded_macs),
    "fused": Form(fused_form, lambda expansion, _: why_not_fused(expansion), _dual_macs),
    "dual": Form(dual_form, lambda *_: "", _dual_macs),
}


def choose_form(expansion: Expansion, sizes: Sizes) -> str:
    """The cheapest form that applies, by multiply-accumulates.

    Source: docs/math/feature_maps.md#f6-the-cheaper-form.
    """
    fitting = [name for name, form in FORMS.items() if not form.why_not(expansion, sizes.head_dim)]
    return min(fitting, key=lambda name: FORMS[name].num_macs(expansion, sizes))


def sizes_of(points: Points) -> Sizes:
    """The sizes of given points."""
    return Sizes(points.q.shape[-2], points.k.shape[-2], points.q.shape[-1], points.v.shape[-1])


def check_form(expansion: Expansion, form: str, head_dim: int) -> None:
    """Raises UsageError unless the expansion has this form at points of width `head_dim`, with the reason."""
    if form not in ("auto", *FORMS):
        raise unknown("form", form, ["auto", *FORMS])
    # a feature map that is too large refuses here
    reasons = {name: known.why_not(expansion, head_dim) for name, known in FORMS.items()}
    if form != "auto" and reasons[form]:
        raise UsageError(f"no {form} form: {reasons[form]}; use form='auto'")


def evaluate(expansion: Expansion, points: Points, form: str = "auto") -> Float[Tensor, "... N E"]:
    """The expansion at the queries of points that are already transformed.

    Args:
        form: "dual" writes the attention map out, "fused" runs PyTorch's attention kernel, "primal" goes through
            the feature map, "banded" works a window off block by block; "auto" takes the cheapest.

    Raises:
        UsageError: no such form, or one that does not apply, with the reason.
    """
    # here and not in `Reach.allowed` alone, which only forms that write a map out ask for
    expansion.reach.check(points.q.shape[-2], points.k.shape[-2])
    check_form(expansion, form, points.q.shape[-1])
    if form == "auto":
        form = choose_form(expansion, sizes_of(points))
    return FORMS[form].run(expansion, points)


def expand(expansion: Expansion, points: Points, form: str = "auto") -> Float[Tensor, "... N E"]:
    """The expansion at the queries, transforms included.

    Equation: f(q_i) = Σ_j κ(q_i, k_j)/h(q_i) v_j.
    Source: docs/math/regression.md#r5-the-dual-form-is-attention.

    Args:
        form: as in `evaluate`.

    Example:
        >>> import torch
        >>> from snnpd.expansion import Exponential, RowSum
        >>> softmax = Expansion(Exponential(), RowSum())
        >>> expand(softmax, Points(torch.randn(5, 8), torch.randn(7, 8), torch.randn(7, 3))).shape
        torch.Size([5, 3])
    """
    return evaluate(expansion, expansion.transform(points), form)
