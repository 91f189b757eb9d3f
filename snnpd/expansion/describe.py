"""What an expansion is and costs, in words and figures."""

from dataclasses import dataclass

from snnpd.expansion.dual import Expansion
from snnpd.expansion.forms import FORMS, Sizes, choose_form
from snnpd.expansion.from_attention import rows_sum_to_one
from snnpd.expansion.normalisers import Shiftmax
from snnpd.expansion.reach import Everywhere


@dataclass(frozen=True)
class Description:
    """An expansion at given sizes. Costs are multiply-accumulates per head, sample and step; None: no such form.

    `no_primal` says why there is no primal form.
    """

    kernel: str
    normaliser: str
    transforms: tuple[str, ...]
    reach: str
    rows: str
    feature_dim: int | None
    dual_macs: int
    primal_macs: int | None
    no_primal: str
    form: str

    def __str__(self) -> str:
        primal = f"{self.primal_macs:,} MACs" if self.primal_macs is not None else f"none: {self.no_primal}"
        lines = {
            "kernel": self.kernel,
            "normaliser": self.normaliser,
            "transform": ", ".join(self.transforms) or "none",
            "reach": self.reach,
            "rows": self.rows,
            "feature dimension": "infinite, or not used"
            if self.feature_dim is None
            else f"{self.feature_dim:,}",
            "dual form": f"{self.dual_macs:,} MACs",
            "primal form": primal,
            "runs as": self.form,
        }
        return "\n".join(f"{name:<18} {value}" for name, value in lines.items())


def describe(expansion: Expansion, sizes: Sizes) -> Description:
    """Kernel, normaliser, transforms, reach, row sums, feature dimension, and what each form costs.

    Example:
        >>> from snnpd.expansion import Constant, Linear
        >>> ssa = Expansion(Linear(), Constant(8.0))
        >>> describe(ssa, Sizes(num_queries=1024, num_points=1024, head_dim=32, value_dim=32)).form
        'primal'
    """
    primal, dual = FORMS["primal"], FORMS["dual"]
    no_primal = primal.why_not(expansion, sizes.head_dim)
    return Description(
        kernel=str(expansion.kernel),
        normaliser=str(expansion.normaliser),
        transforms=tuple(str(step) for step in expansion.transforms),
        reach="all support points" if isinstance(expansion.reach, Everywhere) else str(expansion.reach),
        rows=rows_in_words(expansion),
        feature_dim=expansion.kernel.feature_dim(sizes.head_dim),
        dual_macs=dual.num_macs(expansion, sizes),
        primal_macs=None if no_primal else primal.num_macs(expansion, sizes),
        no_primal=no_primal,
        form=choose_form(expansion, sizes),
    )


def rows_in_words(expansion: Expansion) -> str:
    """Whether rows are stochastic: exactly, within bounds, or not."""
    if not expansion.kernel.positive:
        return "not stochastic: they sum to anything"
    kind = "not stochastic"
    if rows_sum_to_one(expansion):
        kind = "stochastic, exactly"
    elif isinstance(expansion.normaliser, Shiftmax):
        kind = "stochastic within bounds"
    return f"{kind}: they {expansion.normaliser.rows}"
