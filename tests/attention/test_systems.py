"""Attention systems that are no (kernel, normaliser) pair: dense truths written out, and what is theirs alone."""

from collections.abc import Callable

import pytest
import torch
from spikingjelly.activation_based import functional
from torch import Tensor, nn
from torch.nn import functional as F

from snnpd.attention import SoftmaxAttention, observe, record_attention
from snnpd.attention.circulant import AveragedKeyCAT, CircularAttention, SpikingCircular
from snnpd.attention.datapoints import BetweenDatapoints, between_datapoints
from snnpd.attention.hyla import HypernetworkAttention
from snnpd.attention.primal import PrimalAttention
from snnpd.attention.robust import RobustAttention
from snnpd.errors import UsageError
from snnpd.expansion.dual import dual_form
from snnpd.expansion.ksvd import kernel_svd
from tests.attention.systems import (
    DIM,
    HEADS,
    MIXES_ROWS,
    SYSTEMS,
    TOKENS,
    WIDTH,
    make,
    outputs_of,
    run,
    tokens,
)


def heads_of(x: Tensor) -> Tensor:
    return x.reshape(*x.shape[:-1], HEADS, WIDTH).movedim(-2, -3)


def joined(heads: Tensor) -> Tensor:
    return heads.movedim(-3, -2).flatten(-2)


def circular(z: Tensor, v: Tensor) -> Tensor:
    """Σ_j z_((i - j) mod N) v_j of weights [..., N] and values [..., N, E]."""
    n = z.shape[-1]
    return torch.stack(
        [sum(z[..., (i - j) % n, None] * v[..., j, :] for j in range(n)) for i in range(n)], -2
    )


def lif(current: Tensor, threshold: float, is_ternary: bool) -> Tensor:
    """Decay ½, inclusive threshold, hard reset to zero."""
    state, spikes = torch.zeros_like(current[0]), []
    for x in current:
        u = 0.5 * state + x
        spikes.append((u >= threshold).to(x) - ((u <= -threshold).to(x) if is_ternary else 0))
        state = torch.where(spikes[-1] != 0, torch.zeros_like(u), u)
    return torch.stack(spikes)


def linear(layer: nn.Linear, x: Tensor) -> Tensor:
    return x @ layer.weight.T + layer.bias


def cat_truth(layer: CircularAttention, x: Tensor) -> Tensor:
    z = torch.softmax(linear(layer.score, x).movedim(-1, 2), -1)
    return linear(layer.out, joined(circular(z, heads_of(linear(layer.value, x)))))


def causal_cat_truth(layer: CircularAttention, x: Tensor) -> Tensor:
    z, v = linear(layer.score, x).movedim(-1, 2).exp(), heads_of(linear(layer.value, x))
    rows = [sum(z[..., s, None] * v[..., i - s, :] for s in range(i + 1)) for i in range(TOKENS)]
    mass = z.cumsum(-1).unsqueeze(-1)
    return linear(layer.out, joined(torch.stack(rows, -2) / mass))


def averaged_key_truth(layer: AveragedKeyCAT, x: Tensor) -> Tensor:
    q, k = (heads_of(part) for part in linear(layer.score.qk, x).split(DIM, -1))
    z = torch.softmax((q * k.mean(-2, keepdim=True)).sum(-1) / WIDTH**0.5, -1)
    return linear(layer.out, joined(circular(z, heads_of(linear(layer.value, x)))))


def projections(x: Tensor, q: Tensor, k: Tensor, w_e: Tensor, w_r: Tensor) -> Tensor:
    """[e; r] of each token and head, one head at a time."""
    rows = torch.linspace(0, TOKENS - 1, min(w_e.shape[1], TOKENS), dtype=torch.float64).long()
    parts = []
    for h in range(HEADS):
        sampled = heads_of(x)[:, :, h, rows].mT
        for points, w in ((q, w_e), (k, w_r)):
            length = points[:, :, h].square().sum(-1, keepdim=True).sqrt()
            phi = torch.where(length > 0, points[:, :, h] / length, 0.0)
            parts.append(phi @ (sampled @ w[h, : len(rows)]))
    return torch.cat(parts, -1)


def primal_truth(layer: PrimalAttention, x: Tensor) -> Tensor:
    q, k = (heads_of(part) for part in linear(layer.qk, x).split(DIM, -1))
    return linear(layer.out, projections(x, q, k, layer.w_e, layer.w_r))


def hyla_truth(layer: HypernetworkAttention, x: Tensor) -> Tensor:
    q, k, v = (heads_of(part) for part in linear(layer.qkv, x).split(DIM, -1))
    out = layer.out.weight.reshape(DIM, HEADS, WIDTH)
    scores = torch.einsum("tbhqd,tbhkd->tbhqk", q, k) / WIDTH**0.5
    a = scores / (scores.square().mean(2, keepdim=True) + 1e-6).sqrt()
    total = torch.zeros_like(x) + layer.out.bias
    for i in range(TOKENS):
        for j in range(TOKENS):
            hidden = torch.einsum("tbh,tbhe->tbe", a[..., i, j], v[..., j, :])
            hidden = hidden.clamp_min(0) if layer.value_network == "relu" else hidden
            total[:, :, i] += torch.einsum("tbh,che,tbe->tbc", a[..., i, j], out, hidden)
    return total


def rpc_truth(layer: RobustAttention, x: Tensor) -> Tensor:
    k, v = (heads_of(part) for part in linear(layer.kv, x).split(DIM, -1))
    width = DIM if layer.reference_code else WIDTH  # of the layer, and yet over one head's norm
    mu = TOKENS * width / (4 * k.abs().sum((-2, -1), keepdim=True))
    limit, sign = (0.1 * mu, -1) if layer.reference_code else (TOKENS**-0.5 / mu, 1)
    low_rank = multiplier = torch.zeros_like(k)
    for _ in range(4):
        target = k - low_rank + multiplier / mu
        sparse = torch.where(target.abs() > limit, target - limit * target.sign(), 0.0)
        cleaned = k - sparse + sign * multiplier / mu
        low_rank = torch.softmax(cleaned @ cleaned.mT / WIDTH**0.5, -1) @ v
        multiplier = multiplier + mu * (k - low_rank - sparse)
    assert (sparse != 0).any()
    return linear(layer.out, joined(low_rank))


TRUTHS = {
    "cat": cat_truth,
    "cat-dense": cat_truth,
    "cat-causal": causal_cat_truth,
    "cat_averaged_key": averaged_key_truth,
    "primal": primal_truth,
    "primal-code": primal_truth,
    "rpc": rpc_truth,
    "rpc-code": rpc_truth,
    "hyla": hyla_truth,
    "hyla-identity": hyla_truth,
}


@pytest.mark.parametrize("name", TRUTHS)
def test_outputs_equal_the_equations_written_out(name: str) -> None:
    layer, x = make(name), tokens(name)
    truth = TRUTHS[name](layer, x)
    assert torch.allclose(run(layer, x), truth, atol=1e-10)
    assert truth.std() > 0.01


@pytest.mark.parametrize("name", ["spiking_cat", "spiking_cat-causal"])
def test_spiking_cat_from_the_potentials_onward(name: str) -> None:
    layer, x = make(name), tokens(name)
    parts = {"scores": layer.score.project, "values": layer.value, "spikes": layer.out.neuron}
    with record_attention(layer) as maps:
        seen = outputs_of(layer, parts, x)
    z = heads_of(lif(seen["scores"], 1.0, is_ternary=True)).sum(-1)
    powers = 2.0**z
    if name == "spiking_cat":
        weights = powers / 2.0 ** torch.ceil(torch.log2(powers.sum(-1, keepdim=True)) - 1e-9)
        truth = circular(weights, torch.eye(TOKENS, dtype=torch.float64).expand(*z.shape[:3], -1, -1))
    else:
        rows = [[powers[..., i - j] * (j <= i) for j in range(TOKENS)] for i in range(TOKENS)]
        dense = torch.stack([torch.stack(row, -1) for row in rows], -2)
        truth = dense / 2.0 ** torch.ceil(torch.log2(dense.sum(-1, keepdim=True)) - 1e-9)
    assert torch.equal(maps[""][0], truth)
    mantissas = torch.frexp(truth[truth > 0])[0]
    assert (mantissas == 0.5).all(), "a weight is no power of two"
    assert len(z.unique()) > 3
    heads = joined(truth @ heads_of(seen["values"]))
    assert torch.equal(seen["spikes"], lif(heads, 0.5, is_ternary=False))
    assert 0.01 < seen["spikes"].mean() < 0.99


def test_spiking_primal_from_the_potentials_onward() -> None:
    layer, x = make("spiking_primal"), tokens("spiking_primal")
    seen = outputs_of(layer, {"points": layer.qk, "spikes": layer.out.neuron}, x)
    q, k = (heads_of(lif(part, 1.0, is_ternary=True)) for part in seen["points"].split(DIM, -1))
    assert {-1.0, 0.0, 1.0} == set(q.unique().tolist())
    scores = projections(x, q, k, layer.w_e, layer.w_r)
    assert torch.equal(seen["spikes"], lif(scores, 0.5, is_ternary=False))
    assert 0.01 < seen["spikes"].mean() < 0.99


@pytest.mark.parametrize(
    "name", [n for n in SYSTEMS if not n.startswith(("primal", "hyla", "spiking_primal"))]
)
def test_the_map_that_is_shown_gives_the_heads(name: str) -> None:
    """Behind a mask too, in the places of the tokens as they came."""
    layer, x = make(name), tokens(name)
    real = torch.tensor([1, 0, 1, 1, 1, 0, 1, 1]).bool()
    values: list[Tensor] = []
    for part in (getattr(layer, n, None) for n in ("value", "kv", "qkv")):
        if part is not None:
            part.register_forward_hook(lambda _m, _a, out: values.append(out.detach()))
    with observe(layer) as views:
        run(layer, x, real.expand(4, -1))
    view, v = views[""][0], heads_of(values[-1][..., -DIM:])
    is_expansion = isinstance(layer, RobustAttention | SoftmaxAttention)
    if is_expansion:
        truth = view.weights() @ v
    else:  # its values came with the real tokens in front
        truth = view.weights()[..., real] @ v[..., :6, :]
        assert (view.weights()[..., real, :][..., ~real] == 0).all()
    assert torch.allclose(view.heads[..., real, :], truth[..., real, :], atol=1e-10)
    assert view.heads.abs().max() > 0.01
    assert bool(layer.no_expansion) != is_expansion
    assert (view.expansion is not None) == is_expansion


def test_the_last_round_of_rpc_is_the_expansion_that_it_says_it_is() -> None:
    layer, x = make("rpc"), tokens("rpc")
    mask = (torch.arange(TOKENS) < 6).expand(4, -1)
    with observe(layer) as views:
        run(layer, x, mask)
    ((expansion, points),) = layer.expansions(x, mask)
    assert torch.allclose(dual_form(expansion, points), views[""][0].heads, atol=1e-12)
    assert torch.equal(points.q, points.k)
    for name in ("cat", "primal", "hyla", "per_token"):
        with pytest.raises(UsageError, match="is no support vector expansion: "):
            make(name).expansions(tokens(name))


def test_the_map_of_hyla_is_its_codes() -> None:
    layer, x = make("hyla"), tokens("hyla")
    with record_attention(layer) as maps:
        run(layer, x)
    q, k, _ = (heads_of(part) for part in linear(layer.qkv, x).split(DIM, -1))
    scores = q @ k.mT
    truth = scores / scores.square().mean(2, keepdim=True).sqrt()
    assert torch.allclose(maps[""][0], truth, atol=1e-2)
    assert torch.equal(maps[""][0].sign(), scores.sign())


class TestPrimal:
    @pytest.mark.parametrize("name", ["primal", "primal-code", "spiking_primal"])
    def test_the_loss_is_the_weighted_square_of_the_objective(self, name: str) -> None:
        layer, x = make(name), tokens(name)
        with observe(layer) as views:
            run(layer, x)
        e, r = views[""][0].heads.chunk(2, -1)
        rows = min(layer.w_e.shape[1], TOKENS)
        trace = (layer.w_e[:, :rows] * layer.w_r[:, :rows]).sum((-2, -1))
        if layer.variant == "paper":
            energy = torch.einsum("tbhns,hs->tbh", e**2 + r**2, layer.scale) / 2
            truth = 0.1 * (energy - trace).square().mean()
        else:
            energy = torch.einsum("tbhns,hs->tbhn", e**2 + r**2, layer.scale**2) / 2
            truth = 0.1 * (energy.mean() - trace.mean()).square()
        assert torch.isclose(views[""][0].loss, truth)
        assert truth > 1e-6

    @pytest.mark.parametrize("name", ["primal", "primal-code", "spiking_primal"])
    def test_the_loss_and_the_kernel_leave_padding_out(self, name: str) -> None:
        layer, x = make(name), tokens(name)
        losses, kernels = [], []
        for padding in (0, 3):
            padded = torch.cat([x, 50 + x[:, :, :padding]], 2)
            mask = (torch.arange(TOKENS + padding) < TOKENS).expand(4, -1)
            with observe(layer) as views:
                run(layer, padded, mask)
            losses.append(views[""][0].loss)
            kernels.append(views[""][0].weights()[..., :TOKENS, :TOKENS])
        assert torch.isclose(*losses, rtol=1e-10)
        assert torch.allclose(*kernels, atol=1e-10)
        assert kernels[0].abs().max() > 0.1

    def test_the_map_is_the_kernel_whose_singular_directions_solve_the_problem(self) -> None:
        """With the weights of the kernel's SVD the layer's projections are that SVD, and its loss is zero."""
        layer, x = make("primal"), tokens("primal", steps=1, batch=1)
        with record_attention(layer) as maps:
            run(layer, x)
        q, k = (F.normalize(heads_of(part), dim=-1) for part in linear(layer.qk, x).split(DIM, -1))
        for h in range(HEADS):
            features = [points[0, 0, h] @ heads_of(x)[0, 0, h].mT for points in (q, k)]
            assert torch.allclose(maps[""][0][0, 0, h], features[0] @ features[1].mT, atol=1e-12)
            solution = kernel_svd(*features, rank=1)
            layer.w_e.data[h, :TOKENS], layer.w_r.data[h, :TOKENS] = solution.w_e, solution.w_r
            layer.scale.data[h] = solution.scale
        with observe(layer) as views:
            run(layer, x)
        left, values, right = torch.linalg.svd(maps[""][0])
        assert torch.allclose(
            views[""][0].heads[..., 0].abs(), (left[..., 0] * values[..., :1]).abs(), atol=1e-10
        )
        assert torch.allclose(
            views[""][0].heads[..., 1].abs(), (right[..., 0, :] * values[..., :1]).abs(), atol=1e-10
        )
        assert views[""][0].loss < 1e-20

    def test_columns_start_orthonormal_in_each_head(self) -> None:
        layer = PrimalAttention(DIM, HEADS, rank=3)
        for w in (layer.w_e, layer.w_r):
            assert torch.allclose(w.mT @ w, torch.eye(3).expand(HEADS, 3, 3), atol=1e-5)

    def test_the_objective_falls_to_zero_when_it_is_minimised(self) -> None:
        torch.manual_seed(0)
        layer, x = PrimalAttention(DIM, HEADS, rank=2, ksvd_weight=1.0).double(), tokens("primal")
        optimizer = torch.optim.Adam(layer.parameters(), lr=0.02)
        losses = []
        for _ in range(60):
            with observe(layer) as views:
                run(layer, x)
            losses.append(views[""][0].loss)
            optimizer.zero_grad()
            losses[-1].backward()
            optimizer.step()
        assert losses[0] > 1
        assert losses[-1] < 0.02 * losses[0]

    def test_without_a_weight_there_is_no_loss_and_nothing_to_learn_for_it(self) -> None:
        layer = PrimalAttention(DIM, HEADS, ksvd_weight=0.0)
        assert layer.scale is None
        with observe(layer) as views:
            layer(torch.randn(1, 2, TOKENS, DIM))
        assert views[""][0].loss is None


class TestBetweenDatapoints:
    @pytest.mark.parametrize("name", MIXES_ROWS)
    def test_rows_look_at_each_other_whatever_their_order(self, name: str) -> None:
        layer, x = make(name), tokens(name)
        order, y = torch.tensor([2, 0, 3, 1]), run(layer, x)
        assert torch.allclose(run(layer, x[:, order]), y[:, order], atol=1e-10)
        assert (run(layer, x[:, :2]) - y[:, :2]).abs().max() > 1e-3

    @pytest.mark.parametrize("name", MIXES_ROWS)
    def test_between_the_rows_and_then_within_each(self, name: str) -> None:
        layer, x = make(name), tokens(name)
        functional.reset_net(layer)
        if name == "flattened":
            looked = layer.between(x.flatten(2)[:, None])[:, 0].reshape(x.shape)
        else:
            looked = torch.stack([layer.between(x[:, None, :, n])[:, 0] for n in range(TOKENS)], 2)
            if name == "spiking":  # one state a column, not one after another
                functional.reset_net(layer)
                looked = layer.between(x.transpose(1, 2)).transpose(1, 2)
        functional.reset_net(layer)
        truth = layer.within(layer.code(x + looked))
        assert torch.allclose(run(layer, x), truth, atol=1e-10)

    @pytest.mark.parametrize("name", MIXES_ROWS)
    def test_outputs_do_not_see_later_steps(self, name: str) -> None:
        layer, x = make(name), tokens(name)
        other = torch.cat([x[:2], tokens(name, seed=9)[2:]])
        assert torch.allclose(run(layer, x)[:2], run(layer, other)[:2], atol=1e-10)

    @pytest.mark.parametrize("name", MIXES_ROWS)
    def test_padded_tokens_change_nothing(self, name: str) -> None:
        layer, x = make(name), tokens(name)
        lengths = torch.tensor([8, 5, 1, 3])
        mask = torch.arange(TOKENS) < lengths[:, None]
        filled = torch.where(mask[..., None], x, 50.0)
        assert torch.allclose(run(layer, filled, mask)[:, mask], run(layer, x, mask)[:, mask], atol=1e-10)

    @pytest.mark.parametrize(
        ("make_wrong", "words"),
        [
            (lambda: between_datapoints(DIM, HEADS, rows="flattened"), "give num_tokens"),
            (lambda: between_datapoints(DIM, HEADS, rows="per_tokken"), "did you mean 'per_token'"),
            (lambda: between_datapoints(DIM, HEADS, inner="softmaxx"), "did you mean 'softmax'"),
            (
                lambda: BetweenDatapoints(SoftmaxAttention(2 * DIM, HEADS), SoftmaxAttention(DIM, HEADS)),
                "per_token wants the same width",
            ),
            (
                lambda: make("flattened")(tokens("flattened")[:, :, :5]),
                "flattened rows of 8 tokens got 5; use rows='per_token'",
            ),
        ],
    )
    def test_wrong_use_is_refused_in_words(self, make_wrong: Callable[[], object], words: str) -> None:
        with pytest.raises(UsageError, match=words):
            make_wrong()


@pytest.mark.parametrize(
    "name", ["cat", "cat_averaged_key", "primal", "rpc", "spiking_cat", "spiking_primal"]
)
def test_a_context_is_refused_with_the_reason(name: str) -> None:
    with pytest.raises(UsageError, match=r"has no cross-attention: .*sequence"):
        make(name)(tokens(name), context=tokens(name))


@pytest.mark.parametrize("name", ["hyla", "per_token"])
def test_cross_attention_looks_at_the_context_alone(name: str) -> None:
    layer, x, other = make(name), tokens(name), tokens(name, seed=1)[:, :, :5]
    assert torch.allclose(layer(x, context=x), layer(x), atol=1e-10) == (name == "hyla")
    padded = torch.cat([other, 50 + other], 2)
    mask = (torch.arange(10) < 5).expand(4, -1)
    y = layer(x, None, other)
    assert torch.allclose(layer(x, None, padded, mask), y, atol=1e-10)
    assert (y - layer(x)).abs().max() > 1e-3


def test_cat_has_the_weights_that_the_paper_counts() -> None:
    weights = {
        name: sum(p.numel() for p in make(name).parameters() if p.ndim == 2) - DIM * DIM  # less the output's
        for name in ("cat", "cat_averaged_key", "cat_alter-0")
    }
    assert weights == {"cat": (DIM + HEADS) * DIM, "cat_averaged_key": 3 * DIM**2, "cat_alter-0": 3 * DIM**2}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (
            lambda: CircularAttention(DIM, HEADS, causal=True),
            r"costs O\(N\^2\); ask for that with form='dense'",
        ),
        (lambda: SpikingCircular(DIM, HEADS, causal=True), r"costs O\(N\^2\)"),
        (lambda: CircularAttention(DIM, HEADS, form="ftt"), "did you mean 'fft'"),
        (lambda: CircularAttention(DIM, 3), "not divisible by 3 heads"),
        (
            lambda: SpikingCircular(DIM, HEADS, point_neuron_options={"learned": "amplitude"}),
            "no powers of two; leave 'amplitude' out of learned",
        ),
        (lambda: PrimalAttention(DIM, HEADS, rank=0), "rank >= 1"),
        (lambda: PrimalAttention(DIM, HEADS, variant="papre"), "did you mean 'paper'"),
        (lambda: HypernetworkAttention(DIM, HEADS, value_network="rellu"), "did you mean 'relu'"),
        (
            lambda: RobustAttention(DIM, HEADS, iterations=0)(torch.randn(1, 1, 2, DIM)),
            "at least one iteration",
        ),
    ],
)
def test_wrong_use_is_refused_in_words(wrong: Callable[[], object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        wrong()


def test_the_fft_and_the_dense_circulant_make_the_same_spikes_in_float32() -> None:
    """Rounding moves a potential by 1e-7, which crosses a threshold only where it lies that close."""
    torch.manual_seed(0)
    layer, x = make("spiking_cat", torch.float32), tokens("spiking_cat").float()
    fast = outputs_of(layer, {"spikes": layer.out.neuron}, x)["spikes"]
    layer.form = "dense"
    dense = outputs_of(layer, {"spikes": layer.out.neuron}, x)["spikes"]
    assert torch.equal(fast, dense)
    assert dense.any()
