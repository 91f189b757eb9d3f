"""Published energies from published operations and rates, priced by the model `community`; what they leave open."""

from math import prod

import pytest

from snnpd.energy.costs import COST_MODELS, Operation
from snnpd.energy.taps import reached_taps
from tests.energy.published_rates import (
    CIFAR_ALL_MACS,
    CIFAR_PRICED_MACS,
    GIGA,
    RATES_512,
    RATES_768,
    RECOUNT,
    RESNETS,
    SPIKFORMER,
    SPIKINGFORMER,
    STEPS,
    TOKENS,
    MeasuredRates,
    Row,
    head_macs,
    residual_fed_macs,
    stem_macs,
)

PRICE = COST_MODELS["community"].energy_pj
MAC, AC = PRICE(Operation("mac", 32, True)), PRICE(Operation("ac", 32, True))


def energy_mj(macs: float, acs: float) -> float:
    """Units: 10⁹ pJ are a mJ."""
    return (MAC * macs + AC * acs) / GIGA


@pytest.mark.parametrize("row", SPIKFORMER + RESNETS, ids=lambda row: row.name)
def test_rows_of_spikformers_table_to_the_digit(row: Row) -> None:
    assert energy_mj(row.macs, row.giga_ops * GIGA) == pytest.approx(row.energy_mj, abs=1e-3)


@pytest.mark.parametrize(("row", "error_mj"), [(SPIKFORMER[0], -0.40), (SPIKFORMER[-1], 0.80)])
def test_the_stem_is_that_of_width_512_at_every_width(row: Row, error_mj: float) -> None:
    width = int(row.name.rsplit("-", 1)[1])
    own = energy_mj(stem_macs(width), row.giga_ops * GIGA)
    assert own - row.energy_mj == pytest.approx(error_mj, abs=0.005)


@pytest.mark.parametrize("row", SPIKINGFORMER, ids=lambda row: row.name)
def test_rows_of_spikingformers_table(row: Row) -> None:
    # Its operations are rounded to 0.01 · 10⁹: half of that is 0.0045 mJ, and the energies are rounded as well.
    assert energy_mj(row.macs, row.giga_ops * GIGA) == pytest.approx(row.energy_mj, abs=0.005)


def accumulations(rates: MeasuredRates) -> float:
    """Dense products times rates, layer by layer; a bias is one product an output, what padding adds is counted."""
    width, positions = rates.width, TOKENS * STEPS
    # The stem halves the side and doubles the channels: three layers of the same size, the last one keeps its channels.
    stem = [9 * width**2 * positions * 2] * 3 + [9 * width**2 * positions]
    layer = width**2 * positions
    bias = width * positions
    blocks = (3 * layer, layer + bias, 4 * (layer + bias), 4 * layer + bias)
    heads = rates.heads * (width // rates.heads) ** 2 * positions
    return (
        sum(products * rate / 100 for products, rate in zip(stem, rates.stem, strict=True))
        + sum(
            products * rate / 100
            for block in rates.blocks
            for products, rate in zip(blocks, block, strict=True)
        )
        + sum(heads * (min(key, value) + query) for query, key, value in rates.attention)
    )


@pytest.mark.parametrize(
    ("rates", "tolerance"),
    # Rates are means over batches, operations over samples: 12 a batch do not divide the 50,000 images, 16 do.
    [(RATES_512, 1e-8), (RATES_768, 1e-5)],
)
def test_energy_from_the_rates_of_every_layer(rates: MeasuredRates, tolerance: float) -> None:
    acs, macs = accumulations(rates), stem_macs(rates.width) + head_macs(rates.width)
    assert macs == round(rates.giga_macs * GIGA)
    assert acs == pytest.approx(rates.giga_acs * GIGA, rel=tolerance)
    assert energy_mj(macs, acs) == pytest.approx(rates.energy_mj, rel=tolerance)


def test_what_a_convolution_does_not_read() -> None:
    # 3 x 3 with a border of 1: three taps for each place but the two at the ends, along each axis.
    shares = [
        prod(reached_taps(size, 3, 1, 1, 1).sum().item() / (3 * size) for _ in "hw") for size in (224, 14)
    ]
    assert shares == pytest.approx([(670 / 672) ** 2, (40 / 42) ** 2])


def test_the_recounts_tool_takes_integers_for_analog() -> None:
    # Its default, on CIFAR-10: every layer behind a residual sum is dense MACs, to the operation.
    width, depth, tokens = 384, 4, 8 * 8
    stem = 9 * 3 * (width // 8) * 32**2 * STEPS
    head = head_macs(width, classes=10)
    assert stem + head == CIFAR_PRICED_MACS
    # A batch norm is two operations an element: after each convolution, five linear layers and one of four widths.
    norms = 2 * STEPS * (32**2 * (48 + 96 + 192) + 16**2 * 384 + 8**2 * 384)
    norms += 2 * STEPS * depth * tokens * width * (5 + 4)
    # Linear layers count their biases once a step: query, key, value and four widths.
    biases = STEPS * depth * width * (3 + 4)
    fed = residual_fed_macs(width, depth, tokens)
    assert stem + head + norms + biases + fed == CIFAR_ALL_MACS


@pytest.mark.parametrize(
    ("width", "recount_mj", "additions_more"),
    # Additions for each dense product behind a residual sum that the recount has and the original has not.
    [(384, RECOUNT[384], 0.874), (512, RECOUNT[512], 0.699), (768, RECOUNT[768], 0.420)],
)
def test_what_separates_the_recount(width: int, recount_mj: float, additions_more: float) -> None:
    original = next(row for row in SPIKFORMER if row.name == f"Spikformer-8-{width}")
    fed = residual_fed_macs(width)
    macs = stem_macs(width) + head_macs(width)
    # Multiplications of integers, dense as in the tool's default, would cost more than all that was published.
    assert energy_mj(fed, 0) > 2 * recount_mj
    acs = (recount_mj * GIGA - MAC * macs) / AC
    assert (acs - original.giga_ops * GIGA) / fed == pytest.approx(additions_more, abs=2e-3)
