"""Prices: the published ones to the digit, between them in order, and nothing unknown for nothing."""

from itertools import pairwise

import pytest

from snnpd.energy.costs import COST_MODELS, CostModel, Operation
from snnpd.errors import UsageError

HOROWITZ, COMMUNITY = COST_MODELS["horowitz45"], COST_MODELS["community"]


@pytest.mark.parametrize(
    ("operation", "energy_pj"),
    [
        # 3.7 + 0.9, 1.1 + 0.4, 3.1 + 0.1, 0.2 + 0.03
        (Operation("mac", 32, True), 4.6),
        (Operation("mac", 16, True), 1.5),
        (Operation("mac", 32), 3.2),
        (Operation("mac", 8), 0.3),
        (Operation("ac", 32, True), 0.9),
        (Operation("ac", 8), 0.03),
        (Operation("ac", 64), 0.2),
        (Operation("ac", 4), 0.015),
        (Operation("mac", 4), 0.2 / 4 + 0.1),
        (Operation("shift", 32), 0.1 / 20),
        (Operation("compare", 16), 0.05),
        (Operation("leading_one", 8), 0.03),
    ],
)
def test_prices_of_horowitz(operation: Operation, energy_pj: float) -> None:
    assert HOROWITZ.energy_pj(operation) == pytest.approx(energy_pj, rel=1e-12)


@pytest.mark.parametrize("kind", ["mac", "ac", "shift", "compare", "leading_one"])
def test_wider_words_cost_more(kind: str) -> None:
    prices = [HOROWITZ.energy_pj(Operation(kind, bits)) for bits in range(1, 65)]
    assert all(0 < narrow < wide for narrow, wide in pairwise(prices))


def test_the_formula_of_the_community() -> None:
    prices = {kind: COMMUNITY.energy_pj(Operation(kind, 32)) for kind in ("mac", "ac", "shift", "compare")}
    assert prices == {"mac": 4.6, "ac": 0.9, "shift": 0.0, "compare": 0.0}
    assert COMMUNITY.energy_pj(Operation("mac", 8)) == 4.6


@pytest.mark.parametrize("model", COST_MODELS.values(), ids=lambda model: model.name)
def test_every_model_says_what_it_assumes(model: CostModel) -> None:
    assert model.source
    assert model.assumptions
    assert all(model.assumptions)


@pytest.mark.parametrize("model", COST_MODELS.values(), ids=lambda model: model.name)
@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (Operation("divide", 8), "unknown operation 'divide'"),  # type: ignore[arg-type]
        (Operation("ac", 0), "an operation on 0 bits; give at least 1"),
    ],
)
def test_what_has_no_price(model: CostModel, operation: Operation, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        model.energy_pj(operation)


def test_floats_of_a_width_that_nobody_measured() -> None:
    with pytest.raises(UsageError, match="no price of floats of 8 bits; there are 16, 32"):
        HOROWITZ.energy_pj(Operation("ac", 8, True))
