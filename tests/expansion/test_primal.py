"""The forms of an expansion against its dual form: primal, streamed, banded, fused; and which of them is chosen."""

import math
from fractions import Fraction

import pytest
import torch
from torch import Tensor

from snnpd.errors import UsageError
from snnpd.expansion import (
    Causal,
    CausalWindow,
    Constant,
    EluPlusOne,
    Everywhere,
    Expansion,
    Exponential,
    FeatureKernel,
    Linear,
    Points,
    PrimalState,
    RowSum,
    Shiftmax,
    Strided,
    Uniform,
    Window,
    expand,
    stream,
)
from snnpd.expansion.features import ExactTernary, TruncatedTernary
from snnpd.expansion.forms import Sizes, choose_form
from snnpd.expansion.primal import BLOCK

BIPOLAR = Exponential(base=2, scale=1.0)
EXACT = FeatureKernel(ExactTernary())
# What has a finite map, beside what it equals: itself, or the kernel that the map stands for.
FINITE = [
    (Linear(), Linear(), Constant(8.0)),
    (Linear(scale=None), Linear(scale=None), Constant(1.0)),
    (FeatureKernel(EluPlusOne()), FeatureKernel(EluPlusOne()), RowSum()),
    (Uniform(), Uniform(), RowSum()),
    (FeatureKernel(TruncatedTernary(1)), FeatureKernel(TruncatedTernary(1)), Constant(2.0)),
    *((EXACT, BIPOLAR, Shiftmax(rounding)) for rounding in ("ceil", "round", "sum")),
]
every_finite = pytest.mark.parametrize(("mapped", "direct", "normaliser"), FINITE, ids=str)
every_mask = pytest.mark.parametrize("masked", ["none", "some", "empty"])


def draw(
    num_queries: int, num_points: int, head_dim: int = 3, width: int = 2, masked: str = "none", seed: int = 0
) -> Points:
    """Ternary queries and keys, real values, in float64; masks with holes, and a sample without real points."""
    generator = torch.Generator().manual_seed(seed)
    q, k = (
        torch.randint(-1, 2, (2, 3, n, head_dim), generator=generator).double()
        for n in (num_queries, num_points)
    )
    v = torch.randn(2, 3, num_points, width, generator=generator, dtype=torch.float64)
    mask = torch.rand(2, 1, num_points, generator=generator) > 0.4
    mask[0, 0, 0] = True
    if masked == "empty":
        mask[1] = False
    return Points(q, k, v, None if masked == "none" else mask)


def to(points: Points, dtype: torch.dtype) -> Points:
    return Points(*(part.to(dtype) for part in points[:3]), points.mask)


def agree(
    ours: tuple[Expansion, str], truth: tuple[Expansion, str], points: Points, tolerance: float
) -> None:
    """Outputs and gradients of two ways to evaluate, and that there is something to see."""
    values, gradients = [], []
    for expansion, form in (ours, truth):
        leaves = [part.clone().requires_grad_() for part in points[:3]]
        values.append(expand(expansion, Points(*leaves, points.mask), form))
        upstream = torch.linspace(-1, 2, values[-1].numel(), dtype=values[-1].dtype).view_as(values[-1])
        gradients.append(torch.autograd.grad((values[-1] * upstream).sum(), leaves, materialize_grads=True))
    assert torch.allclose(values[0], values[1], rtol=tolerance, atol=tolerance)
    assert values[1].abs().max() > 1e-3
    for a, b in zip(*gradients, strict=True):
        assert torch.allclose(a, b, rtol=10 * tolerance, atol=10 * tolerance)
    assert max(float(b.abs().max()) for b in gradients[1]) > 1e-2


class TestPrimal:
    @every_finite
    @every_mask
    @pytest.mark.parametrize(("n", "m", "d"), [(1, 1, 3), (5, 7, 3), (64, 64, 2), (7, 2, 4), (3, 70, 4)])
    def test_primal_is_dual(self, mapped, direct, normaliser, masked: str, n: int, m: int, d: int) -> None:
        points = draw(n, m, d, masked=masked)
        primal = expand(Expansion(mapped, normaliser), points, "primal")
        dual = expand(Expansion(direct, normaliser), points, "dual")
        assert torch.allclose(primal, dual, atol=1e-10)
        assert dual.abs().max() > 1e-2

    @every_finite
    @every_mask
    @pytest.mark.parametrize("n", [1, 7, BLOCK, BLOCK + 1, 2 * BLOCK + 3])
    def test_causal_primal_is_dual(self, mapped, direct, normaliser, masked: str, n: int) -> None:
        points = draw(n, n, masked=masked)
        primal = expand(Expansion(mapped, normaliser, reach=Causal()), points, "primal")
        dual = expand(Expansion(direct, normaliser, reach=Causal()), points, "dual")
        assert torch.allclose(primal, dual, atol=1e-10)

    @every_finite
    @every_mask
    @pytest.mark.parametrize("reach", [Everywhere(), Causal()], ids=str)
    def test_gradients_are_the_same(self, mapped, direct, normaliser, masked: str, reach) -> None:
        """Of the same map: an exact map of ternary points is no exact map of the points beside them."""
        expansion = Expansion(mapped, normaliser, reach=reach)
        agree((expansion, "primal"), (expansion, "dual"), draw(6, 6, masked=masked), 1e-11)

    @pytest.mark.parametrize("n", [1, 2, 4, 8, 16])
    @pytest.mark.parametrize("d", [2, 4, 6, 8])
    def test_a_mass_that_is_a_power_of_two_stays_one_behind_the_rounding_of_a_map(
        self, n: int, d: int
    ) -> None:
        """Opposed spikes are where most of a map's terms cancel: the mass is n 2^-d, and its error 4^d roundings."""
        q = torch.ones(1, d, dtype=torch.float64)
        for k in (-q, q, 0 * q):
            points = Points(q, k.expand(n, -1), torch.ones(n, 1, dtype=torch.float64))
            weights = expand(Expansion(EXACT, Shiftmax("ceil")), points, "primal")
            assert weights.item() == pytest.approx(1.0, abs=1e-9)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    def test_other_types(self, dtype: torch.dtype) -> None:
        points = draw(9, 11, 4, 4)
        for kernel, normaliser in ((Linear(), Constant(8.0)), (FeatureKernel(EluPlusOne()), RowSum())):
            truth = expand(Expansion(kernel, normaliser), points, "dual")
            primal = expand(Expansion(kernel, normaliser), to(points, dtype), "primal")
            assert primal.dtype == dtype
            assert torch.allclose(primal.double(), truth, atol=4 * torch.finfo(dtype).eps)


class TestStream:
    @every_finite
    @every_mask
    @pytest.mark.parametrize("chunks", [[1] * 9, [9], [4, 1, 3, 1], [2, 7]], ids=str)
    def test_tokens_in_any_pieces_give_the_causal_form(
        self, mapped, direct, normaliser, masked: str, chunks: list[int]
    ) -> None:
        points, expansion = draw(9, 9, masked=masked), Expansion(mapped, normaliser, reach=Causal())
        state: PrimalState | None = None
        parts, sizes = [], set()
        pieces = [part.split(chunks, -2) for part in points[:3]]
        masks = [None] * len(chunks) if points.mask is None else points.mask.split(chunks, -1)
        for q, k, v, mask in zip(*pieces, masks, strict=True):
            out, state = stream(expansion, Points(q, k, v, mask), state)
            parts.append(out)
            sizes.add((state.weight.shape, state.mass.shape))
        dual = expand(Expansion(direct, normaliser, reach=Causal()), points, "dual")
        assert torch.allclose(torch.cat(parts, -2), dual, atol=1e-10)
        assert len(sizes) == 1
        assert state.weight.shape[-2:] == (mapped.feature_dim(3), 2)


# N, M, D, E: what q(kᵀv) costs, (N + M) D (E + 1), against (qkᵀ)v, N M (D + E).
SHAPES = [(n, m, d, e) for n in (1, 4, 8, 16, 64) for m in (1, 7, 64) for d in (2, 16, 64) for e in (2, 64)]


class TestChoice:
    @pytest.mark.parametrize(("n", "m", "d", "e"), SHAPES)
    def test_spiking_attention_takes_the_product_that_is_cheaper(
        self, n: int, m: int, d: int, e: int
    ) -> None:
        cheaper = (n + m) * d * (e + 1) <= n * m * (d + e)
        form = choose_form(Expansion(Linear(), Constant(8.0)), Sizes(n, m, d, e))
        assert form == ("primal" if cheaper else "dual")

    def test_both_happen(self) -> None:
        ssa = Expansion(Linear(), Constant(8.0))
        assert {choose_form(ssa, Sizes(*shape)) for shape in SHAPES} == {"primal", "dual"}

    @pytest.mark.parametrize(
        ("expansion", "sizes", "form"),
        [
            (Expansion(Exponential(), RowSum()), (196, 196, 64, 64), "fused"),
            (Expansion(BIPOLAR, Shiftmax()), (196, 196, 64, 64), "fused"),
            (Expansion(BIPOLAR, Shiftmax("dyadic")), (196, 196, 64, 64), "dual"),
            (Expansion(Exponential(2, 1.0, score_shift=1), Shiftmax()), (196, 196, 64, 64), "dual"),
            (Expansion(Exponential(), RowSum(), reach=Window(2)), (1000, 1000, 64, 64), "banded"),
            (Expansion(Exponential(), RowSum(), reach=Window(500)), (600, 600, 64, 64), "fused"),
            (Expansion(Exponential(), RowSum(), reach=Window(1, (10, 10))), (100, 100, 64, 64), "fused"),
            (Expansion(FeatureKernel(EluPlusOne()), RowSum()), (1000, 1000, 64, 64), "primal"),
            (
                Expansion(FeatureKernel(EluPlusOne()), RowSum(), reach=Causal()),
                (1000, 1000, 64, 64),
                "primal",
            ),
            (Expansion(EXACT, Shiftmax()), (10, 10, 6, 6), "dual"),
            (Expansion(EXACT, Shiftmax()), (100, 100, 6, 6), "primal"),
            (Expansion(Uniform(), RowSum()), (100, 100, 64, 64), "primal"),
        ],
        ids=str,
    )
    def test_the_cheapest_form_that_applies(self, expansion, sizes: tuple[int, ...], form: str) -> None:
        assert choose_form(expansion, Sizes(*sizes)) == form

    @pytest.mark.parametrize("num_tokens", [3, 40])
    def test_whatever_is_chosen_gives_the_same(self, num_tokens: int) -> None:
        points = draw(num_tokens, num_tokens, 4, 4)
        for mapped, _, normaliser in FINITE:
            expansion = Expansion(mapped, normaliser)
            assert torch.allclose(expand(expansion, points), expand(expansion, points, "dual"), atol=1e-10)


class TestBanded:
    @pytest.mark.parametrize("num_tokens", [1, 7, 33, 130])
    @pytest.mark.parametrize(
        "reach", [Window(0), Window(3), Window(40), CausalWindow(0), CausalWindow(5)], ids=str
    )
    @every_mask
    def test_banded_is_dual(self, num_tokens: int, reach, masked: str) -> None:
        expansion = Expansion(Exponential(), RowSum(), reach=reach)
        points = draw(num_tokens, num_tokens, masked=masked, seed=1)
        agree((expansion, "banded"), (expansion, "dual"), points, 1e-12)

    @pytest.mark.parametrize(
        ("kernel", "normaliser"),
        [
            (Linear(), Constant(8.0)),
            (Uniform(), RowSum()),
            (FeatureKernel(EluPlusOne()), RowSum()),
            *((BIPOLAR, Shiftmax(rounding)) for rounding in ("ceil", "round", "sum", "dyadic")),
        ],
        ids=str,
    )
    def test_every_kernel_and_normaliser(self, kernel, normaliser) -> None:
        for reach in (Window(2), CausalWindow(3)):
            expansion = Expansion(kernel, normaliser, reach=reach)
            agree((expansion, "banded"), (expansion, "dual"), draw(50, 50, masked="some"), 1e-12)


FUSED = [
    (Exponential(), RowSum()),
    (Exponential(base=10.0, scale=0.3), RowSum()),
    *((BIPOLAR, Shiftmax(rounding)) for rounding in ("ceil", "round", "sum")),
    *((Exponential(2, scale), Shiftmax(rounding)) for scale in (0.5, None) for rounding in ("ceil", "round")),
]
every_fused = pytest.mark.parametrize(("kernel", "normaliser"), FUSED, ids=str)
every_reach = pytest.mark.parametrize("reach", [Everywhere(), Causal(), Window(2)], ids=str)


def row_gain(scores: list[float], rounding: str) -> float:
    """Σ_j 2^(x_j) / 2^γ in rational arithmetic, of integer scores."""
    total = sum((Fraction(2) ** int(score) for score in scores), Fraction(0))
    gamma = math.floor(math.log2(total)) - 1
    if rounding == "ceil":
        while Fraction(2) ** gamma < total:
            gamma += 1
    else:  # the nearest: 2^(γ - ½) < Σ, squared to stay rational
        while Fraction(2) ** (2 * gamma + 1) < total**2:
            gamma += 1
    return float(total / Fraction(2) ** gamma)


ROWS = [
    [0, -14],
    [0, -30],
    [0, -50],
    [10, -10],
    [6] * 64 + [-6],
    [5, -15],
    [5, -15, -16, -16],
    [0, -1, -1],
    [0, -20, -20],
    [1, 1, 0, 0, 0, 0],
    [100, 100, 100],
    [0, *range(-1, -13, -1)],
    [0, *range(-1, -13, -1), -12],
    [0, *range(-1, -40, -1), -39],
    [-3] * 5 + [-5] * 4,
    [60] + [0] * 50,
    [0] + [-22] * 64,
    [0] * 64,
    [0] * 65,
]


def rows_as_points(rows: list[list[int]], width: int, dtype: torch.dtype, whole: bool = True) -> Points:
    """One query per row, whose scores are the row; values of one, so that the output is the row's sum."""
    query = 1.0 if whole else 0.5
    longest = max(map(len, rows))
    keys = torch.tensor([row + [0] * (longest - len(row)) for row in rows], dtype=dtype) / query
    mask = torch.arange(longest) < torch.tensor([len(row) for row in rows])[:, None]
    values = torch.ones(len(rows), longest, width, dtype=dtype)
    return Points(torch.full((len(rows), 1, 1), query, dtype=dtype), keys.unsqueeze(-1), values, mask)


class TestFused:
    @every_fused
    @every_reach
    @every_mask
    @pytest.mark.parametrize("width", [4, 3])
    def test_fused_is_dual(self, kernel, normaliser, reach, masked: str, width: int) -> None:
        expansion = Expansion(kernel, normaliser, reach=reach)
        points = draw(9, 9, 4, width, masked=masked)
        agree((expansion, "fused"), (expansion, "dual"), points, 1e-12)

    @every_fused
    @every_mask
    def test_across_two_sequences_and_in_float32(self, kernel, normaliser, masked: str) -> None:
        expansion = Expansion(kernel, normaliser)
        agree((expansion, "fused"), (expansion, "dual"), draw(5, 11, 4, 4, masked), 1e-12)
        points = to(draw(5, 11, 4, 4, masked), torch.float32)
        agree((expansion, "fused"), (expansion, "dual"), points, 2e-6)

    @every_fused
    def test_features_that_are_no_integers(self, kernel, normaliser) -> None:
        points = draw(9, 9, 4, 4)
        points = points._replace(q=points.q * 0.7 + 0.1, k=points.k * 1.3 - 0.2)
        expansion = Expansion(kernel, normaliser)
        agree((expansion, "fused"), (expansion, "dual"), points, 1e-12)

    @pytest.mark.parametrize(
        ("lead", "mask"),
        [
            ((), (7,)),
            ((6,), (6, 7)),
            ((3, 2), (3, 1, 7)),
            ((2, 3, 2), (3, 1, 7)),
            ((2, 3, 2), (7,)),
            ((2, 3, 2), (2, 3, 2, 7)),
            ((2, 2, 3, 2), (2, 1, 1, 1, 7)),
        ],
    )
    def test_any_axes_in_front(self, lead: tuple[int, ...], mask: tuple[int, ...]) -> None:
        generator = torch.Generator().manual_seed(0)
        q, k = (torch.randint(-1, 2, (*lead, n, 4), generator=generator).double() for n in (5, 7))
        v = torch.randn(*lead, 7, 4, generator=generator, dtype=torch.float64)
        points = Points(q, k, v, torch.rand(mask, generator=generator) > 0.3)
        expansion = Expansion(BIPOLAR, Shiftmax())
        agree((expansion, "fused"), (expansion, "dual"), points, 1e-12)

    @pytest.mark.parametrize("rounding", ["ceil", "round"])
    @pytest.mark.parametrize("width", [1, 2])
    @pytest.mark.parametrize("whole", [True, False])
    @pytest.mark.parametrize(
        ("dtype", "tolerance"),
        [(torch.float64, 1e-12), (torch.float32, 1e-6), (torch.bfloat16, 8e-3), (torch.float16, 1e-3)],
    )
    def test_row_sums_at_powers_of_two_and_next_to_them(
        self, rounding: str, width: int, whole: bool, dtype: torch.dtype, tolerance: float
    ) -> None:
        expansion = Expansion(BIPOLAR, Shiftmax(rounding))
        truth = torch.tensor([row_gain(row, rounding) for row in ROWS], dtype=torch.float64)
        together = expand(expansion, rows_as_points(ROWS, width, dtype, whole), "fused")
        alone = [expand(expansion, rows_as_points([row], width, dtype, whole), "fused") for row in ROWS]
        assert together.dtype == dtype
        for sums in (together, torch.cat(alone)):
            assert torch.allclose(sums.double(), truth.view(-1, 1, 1).expand_as(sums), atol=tolerance)
        assert truth.min() < 0.8 < 0.99 < truth.max()

    def test_the_scale_counts_in_the_spread_of_whole_scores(self) -> None:
        """Four times -10 bits: the mass 1 + 2^-40 is no power of two."""
        points = rows_as_points([[0, -10]], 1, torch.float64)
        out = expand(Expansion(Exponential(2, 4.0), Shiftmax()), points, "fused")
        assert out.item() == pytest.approx(0.5, abs=1e-9)

    @pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
    def test_equal_scores_behind_a_causal_reach(self, dtype: torch.dtype) -> None:
        """Row i has mass i + 1: the row sum is one at powers of two, and just above a half behind them."""
        points = Points(torch.zeros(130, 4), torch.zeros(130, 4), torch.ones(130, 4))
        out = expand(Expansion(BIPOLAR, Shiftmax(), reach=Causal()), to(points, dtype), "fused")
        truth = [(i + 1) / 2 ** math.ceil(math.log2(i + 1)) for i in range(130)]
        assert torch.allclose(
            out[:, 0].double(), torch.tensor(truth).double(), atol=4 * torch.finfo(dtype).eps
        )
        assert truth[63:65] == [1.0, 65 / 128]

    @every_fused
    def test_queries_that_see_nothing_are_zero_and_pass_no_gradient(self, kernel, normaliser) -> None:
        points = draw(5, 5, 4, 4)._replace(mask=torch.zeros(2, 1, 5, dtype=torch.bool))
        q, k, v = (part.requires_grad_() for part in points[:3])
        out = expand(Expansion(kernel, normaliser), Points(q, k, v, points.mask), "fused")
        assert (out == 0).all()
        for gradient in torch.autograd.grad(out.sum() + 0 * (q.sum() + k.sum() + v.sum()), (q, k, v)):
            assert (gradient == 0).all()

    @pytest.mark.parametrize("rounding", ["ceil", "round"])
    @pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 2e-2), (torch.float16, 3e-3)])
    def test_half_types(self, rounding: str, dtype: torch.dtype, tolerance: float) -> None:
        points = to(draw(65, 65, 16, 16, "some"), dtype)
        for reach in (Everywhere(), Causal()):
            expansion = Expansion(BIPOLAR, Shiftmax(rounding), reach=reach)
            truth = expand(expansion, to(points, torch.float64), "dual")
            assert torch.allclose(
                expand(expansion, points, "fused").double(), truth, rtol=tolerance, atol=tolerance
            )


@pytest.mark.parametrize(
    ("expansion", "form", "words"),
    [
        (
            Expansion(Exponential(), RowSum()),
            "primal",
            "no primal form: Exponential.* has no finite feature map",
        ),
        (Expansion(Linear(), Constant(), reach=Window(1)), "primal", "support points of its own"),
        (Expansion(EXACT, Shiftmax(), reach=Strided(2)), "primal", "support points of its own"),
        (Expansion(Exponential(), RowSum()), "banded", "no banded form: Everywhere.* is no window"),
        (
            Expansion(Exponential(), RowSum(), reach=Window(1, (2, 3))),
            "banded",
            "is no window along a sequence",
        ),
        (Expansion(Linear(), Constant()), "fused", "no fused form: Linear.* is no exponential kernel"),
        (Expansion(BIPOLAR, Shiftmax("dyadic")), "fused", "completes the largest score"),
        (Expansion(BIPOLAR, Constant()), "fused", "does not divide by the row's mass"),
        (Expansion(Exponential(2, 1.0, score_shift=1), Shiftmax()), "fused", "shifted scores are rounded"),
        (Expansion(Linear(), Constant()), "primall", "unknown form 'primall'; did you mean 'primal'"),
    ],
    ids=str,
)
def test_forms_are_refused_in_words(expansion, form: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        expand(expansion, draw(6, 6), form)


@pytest.mark.parametrize("form", ["dual", "primal", "auto"])
def test_a_causal_reach_across_two_sequences_is_refused(form: str) -> None:
    with pytest.raises(UsageError, match="5 queries meet 7 support points"):
        expand(Expansion(Linear(), Constant(), reach=Causal()), draw(5, 7), form)


@pytest.mark.parametrize(
    ("expansion", "words"),
    [
        (Expansion(Linear(), Constant()), "no streaming: a query of full attention waits for later tokens"),
        (Expansion(Exponential(), RowSum(), reach=Causal()), "no streaming: .* has no finite feature map"),
        (
            Expansion(Linear(), Constant(), reach=CausalWindow(2)),
            "no streaming: .* support points of its own",
        ),
    ],
    ids=str,
)
def test_streaming_is_refused_in_words(expansion, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        stream(expansion, draw(4, 4))


def test_a_feature_map_too_large_is_refused() -> None:
    with pytest.raises(UsageError, match="wants 19683 features"):
        expand(Expansion(EXACT, Shiftmax()), draw(4, 4, head_dim=9), "primal")


def test_the_comparison_tells_a_planted_error() -> None:
    """A row gain left out, a diagonal left out: what `agree` is there to see."""
    points = draw(9, 9, 4, 4)
    wrong: list[tuple[Tensor, Tensor]] = [
        (expand(Expansion(BIPOLAR, Shiftmax("sum")), points), expand(Expansion(BIPOLAR, Shiftmax()), points)),
        (
            expand(Expansion(Linear(), Constant(), reach=Causal()), points),
            expand(Expansion(Linear(), Constant(), reach=CausalWindow(7)), points),
        ),
    ]
    for a, b in wrong:
        assert (a - b).abs().max() > 1e-2


@pytest.mark.parametrize("shape", [(2, 0, 7), (2, 5, 0), (0, 5, 7)], ids=["queries", "points", "samples"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    ("kernel", "normaliser"), [(Exponential(), RowSum()), (BIPOLAR, Shiftmax())], ids=["softmax", "bipolar"]
)
def test_nothing_in_nothing_out(
    shape: tuple[int, int, int], masked: bool, kernel: Exponential, normaliser: RowSum | Shiftmax
) -> None:
    """PyTorch's kernel for the CPU would end the process."""
    b, n, m = shape
    mask = torch.ones(b, m, dtype=torch.bool) if masked else None
    points = Points(torch.ones(b, n, 4), torch.ones(b, m, 4), torch.ones(b, m, 4), mask)
    assert torch.equal(expand(Expansion(kernel, normaliser), points, "fused"), torch.zeros(b, n, 4))
