"""What a quantised network costs: narrow words where both factors are, by hand."""

import pytest
import torch

from snnpd import create_model
from snnpd.comparison.quantised import quantisation_off, quantise
from snnpd.comparison.quantised_energy import narrowed
from snnpd.energy import report
from snnpd.energy.costs import COST_MODELS, Operation


@pytest.fixture(scope="module")
def counted() -> dict:
    """Floats, then as quantised to five levels, three bits; 16 tokens of width 16, four heads of four."""
    torch.manual_seed(0)
    model = create_model("vit_tiny_twin", dim=16, depth=1, input_shape=(1, 8, 8))
    quantise(model, 5, is_signed=False).train()(torch.rand(1, 8, 1, 8, 8))
    model.eval()
    with quantisation_off(model):
        found = report(model, [torch.rand(1, 4, 1, 8, 8)])
    return {"floats": found.to_dict(), "quantised": narrowed(found, model).to_dict()}


def products(report: dict, layer: str) -> dict[tuple[str, int, bool], float]:
    (found,) = (row for row in report["layers"] if row["name"] == layer)
    return {
        (op["role"], op["bits"], op["is_float"]): op["done"]
        for op in found["operations"]
        if op["kind"] == "mac"
    }


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        # its input is the sample
        ("stem.convs.0.conv", {("linear", 32, True)}),
        ("stem.convs.1.conv", {("linear", 3, False)}),
        ("blocks.0.attention.qkv", {("linear", 3, False)}),
        ("head", {("linear", 3, False)}),
        ("blocks.0.before", {("norm", 32, True)}),
        # q k in narrow words, softmax times values and the division by row sums in floats
        ("blocks.0.attention.groups.0", {("product", 3, False), ("product", 32, True), ("norm", 32, True)}),
    ],
)
def test_which_products_are_narrow(counted: dict, layer: str, expected: set) -> None:
    assert set(products(counted["quantised"], layer)) == expected


def test_half_of_the_products_of_attention_are_narrow(counted: dict) -> None:
    found = products(counted["quantised"], "blocks.0.attention.groups.0")
    # 16 queries meet 16 keys in four heads of width four
    assert found["product", 3, False] == found["product", 32, True] == 16 * 16 * 4 * 4


def test_no_operation_is_lost_and_the_price_lies_between(counted: dict) -> None:
    floats, quantised = counted["floats"], counted["quantised"]
    for kind in ("mac", "ac", "compare"):
        totals = [one["totals"]["operations"] for one in (floats, quantised)]
        done = [sum(op["done"] for op in rows if op["kind"] == kind) for rows in totals]
        assert done[0] == done[1] > 0
    wide, narrow = (
        COST_MODELS["horowitz45"].energy_pj(Operation("mac", *w)) for w in ((32, True), (3, False))
    )
    moved = sum(
        done
        for layer in quantised["layers"]
        for (_, bits, _), done in products(quantised, layer["name"]).items()
        if bits == 3
    )
    energies = [one["totals"]["energy_pj"]["horowitz45"]["mean"] for one in (floats, quantised)]
    assert energies[0] - energies[1] == pytest.approx(moved * (wide - narrow), rel=1e-9)


def test_words_are_narrow_where_maps_read_them_and_wide_where_sums_are_written(counted: dict) -> None:
    layers = {layer["name"]: layer for layer in counted["quantised"]["layers"]}
    bits = {(a["what"], a["mode"]): a["bits"] for a in layers["blocks.0.feed_forward.widen"]["accesses"]}
    assert bits == {("input", "read"): 3, ("weight", "read"): 3, ("output", "write"): 32}
    assert {a["bits"] for a in layers["stem.convs.0.conv"]["accesses"]} == {32}
