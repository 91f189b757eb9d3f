"""Forms where they could go wrong without a word: two sequences, half types, long sequences, negative maps."""

import math

import pytest
import torch

from snnpd.attention import create_attention, explain
from snnpd.errors import UsageError
from snnpd.expansion import (
    Causal,
    CausalWindow,
    Constant,
    EluPlusOne,
    Expansion,
    Exponential,
    FeatureKernel,
    Linear,
    Points,
    RowSum,
    Shiftmax,
    Strided,
    TruncatedTernary,
    Window,
    describe,
    expand,
    from_attention,
    stream,
    to_regression,
)
from snnpd.expansion.forms import Sizes

LINEAR_ATTENTION = Expansion(FeatureKernel(EluPlusOne()), RowSum(), reach=Causal())


@pytest.mark.parametrize("form", ["auto", "dual", "fused", "banded"])
@pytest.mark.parametrize("reach", [Causal(), CausalWindow(2), Window(2), Strided(2)], ids=str)
@pytest.mark.parametrize(("n", "m"), [(5, 7), (70, 40)])
def test_positions_of_two_sequences_are_compared_by_no_form(form: str, reach, n: int, m: int) -> None:
    points = Points(torch.randn(n, 4), torch.randn(m, 4), torch.randn(m, 4))
    with pytest.raises(UsageError, match=f"{n} queries meet {m} support points|is no window"):
        expand(Expansion(Exponential(), RowSum(), reach=reach), points, form)


def test_a_causal_layer_refuses_a_context_of_another_length() -> None:
    with pytest.raises(UsageError, match="5 queries meet 7 support points"):
        create_attention("softmax", 8, 2, causal=True)(
            torch.randn(1, 2, 5, 8), None, torch.randn(1, 2, 7, 8), None
        )


def test_streaming_compares_no_two_sequences() -> None:
    with pytest.raises(UsageError, match="3 queries meet 5 support points"):
        stream(LINEAR_ATTENTION, Points(torch.randn(3, 4), torch.randn(5, 4), torch.randn(5, 2)))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize(
    "expansion",
    [LINEAR_ATTENTION, Expansion(Linear(), Constant(64.0), reach=Causal())],
    ids=["linear", "ssa"],
)
def test_sums_over_a_long_stream_of_half_types_go_on_growing(
    dtype: torch.dtype, expansion: Expansion
) -> None:
    generator = torch.Generator().manual_seed(0)
    q, k = ((torch.rand(1500, 4, generator=generator) > 0.5).to(dtype) for _ in range(2))
    v = (1 + torch.randn(1500, 2, generator=generator)).to(dtype)
    truth = expand(expansion, Points(q.double(), k.double(), v.double()), "dual")
    state, parts = None, []
    for token in zip(*(part.split(1) for part in (q, k, v)), strict=True):
        out, state = stream(expansion, Points(*token), state)
        parts.append(out)
    for ours in (torch.cat(parts), expand(expansion, Points(q, k, v), "primal")):
        assert ours.dtype == dtype
        assert torch.allclose(ours.double(), truth, rtol=4 * torch.finfo(dtype).eps, atol=0.02)
    assert truth[-1].abs().max() > 0.5


def test_a_causal_primal_form_writes_no_table_of_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cost is linear: not even the index set of all pairs may be made."""

    def refuse(*_: object) -> None:
        raise AssertionError("N x N pairs")

    monkeypatch.setattr(Causal, "allowed", refuse)
    x = torch.randn(300, 4)
    assert expand(LINEAR_ATTENTION, Points(x, x, x), "primal").shape == (300, 4)
    assert expand(LINEAR_ATTENTION, Points(x, x, x)).shape == (300, 4)


@pytest.mark.parametrize("rounding", ["sum", "ceil"])
def test_the_regression_of_a_map_that_may_be_negative(rounding: str) -> None:
    """Behind a mass of zero or less h is one: rows sum to anything, and there is no bias."""
    q, k = torch.ones(1, 6, dtype=torch.float64), -torch.ones(2, 6, dtype=torch.float64)
    points = Points(q, k, torch.tensor([[1.0, 2.0], [4.0, -1.0]], dtype=torch.float64))
    expansion = Expansion(FeatureKernel(TruncatedTernary(1)), Shiftmax(rounding))
    truth = expand(expansion, points)
    assert expansion.weights(points).sum() < -1
    svr = to_regression(expansion, points)
    assert not svr.problem.bias
    assert torch.allclose(svr.predict(q), truth)
    assert "not stochastic: they sum to anything" in str(describe(expansion, Sizes(8, 8, 6, 6)))


def test_costs_in_words_are_those_of_the_equations() -> None:
    """SSA of width 32: (N + M) D (E + 1) against N M (D + E); heads pooled by 2 see half the support points."""
    text = explain(create_attention("ssa", 64, 2), num_tokens=1024)
    assert f"primal form        {2 * 1024 * 32 * 33:,} MACs" in text
    assert f"dual form          {1024 * 1024 * 64:,} MACs" in text
    assert "runs as            primal" in text
    pooled = explain(create_attention("attention_sh", 64, 4), num_tokens=1001)
    assert "heads 3 to 4 of 4" in pooled
    assert [f"dual form          {1001 * m * 32:,} MACs" in pooled for m in (1001, 501)] == [True, True]


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("softmax", {"form": "fusd"}, "did you mean 'fused'"),
        ("softmax", {"form": "primal"}, "no primal form"),
        ("bsa", {"rounding": "dyadic", "form": "fused"}, "no fused form"),
        ("bsa", {"features": "exact"}, "features, the most is"),
        ("bsa", {"features": "exact", "form": "dual"}, "without a map"),
        ("bsa", {"bits": 30}, "bits = 30 does not fit"),
        ("local", {"causal": True, "grid": (2, 4)}, "a grid of 2 x 4 has no order"),
    ],
)
def test_what_cannot_run_is_refused_when_it_is_built(name: str, options: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        create_attention(name, 64, 2, **options)


def test_the_words_for_causal_pooled_batch_norm_name_layers_that_can() -> None:
    with pytest.raises(UsageError, match="of attention_bn or bipolar_bn"):
        create_attention("attention_bn_sh", 8, 2, causal=True)


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        (((3, 5, 8), None, None, None), "time first"),
        (((2, 3, 5, 8), ((3, 6), torch.bool), None, None), "mask .3, 6. .* True where a token is real"),
        (((2, 3, 5, 8), ((3, 5), torch.float32), None, None), "mask .* of torch.float32"),
        (((2, 3, 5, 8), None, (2, 4, 7, 8), None), "the same T and B"),
        (((2, 3, 5, 8), None, (1, 3, 7, 8), None), "the same T and B"),
        (((2, 3, 5, 8), None, (2, 3, 7, 8), ((3, 5), torch.bool)), "context_mask .3, 5."),
    ],
)
def test_shapes_that_do_not_fit_are_refused_in_one_line(shapes: tuple, words: str) -> None:
    x, mask, context, context_mask = shapes
    masks = [None if m is None else torch.ones(m[0], dtype=m[1]) for m in (mask, context_mask)]
    layer = create_attention("softmax", 8, 2)
    with pytest.raises(UsageError, match=words) as refusal:
        # not `forward`, whose signature pytest checks before
        layer._check(torch.zeros(x), masks[0], None if context is None else torch.zeros(context), masks[1])
    assert "\n" not in str(refusal.value)


def test_keys_too_long_for_a_regression_are_told() -> None:
    k = 100 * torch.ones(3, 4, dtype=torch.float64)
    with pytest.raises(UsageError, match="leaves the range of float64"):
        to_regression(Expansion(Exponential(), RowSum()), Points(k, k, torch.randn(3, 2)))


def test_the_mask_of_a_context_reaches_the_regression() -> None:
    layer = create_attention("softmax", 8, 2).double()
    x, context = torch.randn(1, 2, 3, 8).double(), torch.randn(1, 2, 6, 8).double()
    seen = torch.arange(6).expand(2, -1) < 4
    (svr,) = from_attention(layer, x, None, context, seen)
    (short,) = from_attention(layer, x, None, context[:, :, :4])
    assert (svr.beta[..., 4:, :] == 0).all()
    assert torch.allclose(svr.beta[..., :4, :], short.beta)
    assert short.beta.abs().max() > 1e-3


@pytest.mark.parametrize("name", ["random", "truncated"])
def test_named_maps_approximate_the_base_two_kernel(name: str) -> None:
    """On sparse spikes, where at most two coordinates meet; a random map of 256 features to some percent."""
    kernel = create_attention("bsa", 16, 2, features=name).head_groups[0].expansion.kernel
    generator = torch.Generator().manual_seed(0)
    q, k = torch.zeros(64, 8), torch.zeros(64, 8)
    q[:, :2] = torch.randint(-1, 2, (64, 2), generator=generator).float()
    k[:, :2] = torch.randint(-1, 2, (64, 2), generator=generator).float()
    truth = torch.exp2(q @ k.T)
    error = (kernel.features(q) @ kernel.features(k).T / truth - 1).square().mean().sqrt()
    assert error < {"random": 0.3, "truncated": 1e-6}[name]
    assert truth.std() > 0.5
    assert math.log2(float(truth.max())) == 2


@pytest.mark.parametrize(("radius", "form"), [(150, "banded"), (250, "fused")])
def test_a_band_is_worth_it_below_the_whole_sequence(radius: int, form: str) -> None:
    """A block of `radius` queries meets three blocks of keys: 450 of 600, or 750."""
    expansion = Expansion(Exponential(), RowSum(), reach=Window(radius))
    assert describe(expansion, Sizes(600, 600, 64, 64)).form == form


def test_a_stream_passes_gradients_through_its_state() -> None:
    points = Points(*(torch.randn(6, 4, dtype=torch.float64, requires_grad=True) for _ in range(3)))
    state, parts = None, []
    for token in zip(*(part.split(2) for part in points[:3]), strict=True):
        out, state = stream(LINEAR_ATTENTION, Points(*token), state)
        parts.append(out)
    ours = torch.autograd.grad(torch.cat(parts).square().sum(), points[:3])
    truth = torch.autograd.grad(expand(LINEAR_ATTENTION, points, "dual").square().sum(), points[:3])
    for a, b in zip(ours, truth, strict=True):
        assert torch.allclose(a, b)
        assert b.abs().max() > 1e-2


def test_a_query_that_sees_nothing_divides_by_one() -> None:
    assert RowSum().h(torch.tensor([0.0, 3.0], dtype=torch.float16)).tolist() == [1.0, 3.0]
