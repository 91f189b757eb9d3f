"""Spiking attentions of the literature: each written out from its equations, and the laws of all attentions."""

from collections.abc import Callable

import pytest
import torch
from spikingjelly.activation_based import functional
from torch import Tensor, nn

from snnpd.attention import Attention, observe
from snnpd.attention.a2os2a import AdditionOnlyAttention
from snnpd.attention.dual_spike import DualSpikeAttention, RunningRate
from snnpd.attention.qk_gates import ChannelQK, TokenQK
from snnpd.attention.rep_projection import RepProjection
from snnpd.attention.spike_driven import SpikeDriven1, SpikeDriven3
from snnpd.errors import UsageError
from snnpd.expansion import Causal, Constant, Everywhere, Expansion, Linear, Points
from snnpd.expansion.dual import dual_form
from tests.attention.literature import TRUTHS, heads_of, tokens_of
from tests.attention.subjects import DIM, LIVELY, NUM_HEADS, TOKENS, Subject

LAYERS: dict[str, Callable[..., Attention]] = {
    "sdsa1": SpikeDriven1,
    "sdsa3": SpikeDriven3,
    "token_qk": TokenQK,
    "channel_qk": ChannelQK,
    "dssa": DualSpikeAttention,
    "a2os2a": AdditionOnlyAttention,
}


def run(layer: nn.Module, x: Tensor, *others: Tensor | None) -> Tensor:
    functional.reset_net(layer)
    return layer(x, *others)


VARIANTS = [
    *(Subject(name, LIVELY[name]) for name in LAYERS),
    *(Subject(name, {"causal": True}) for name in ("sdsa1", "a2os2a")),
    Subject("sdsa3", {"causal": True, "scale": 0.75, "neuron_options": {"threshold": 0.75}}),
    *(Subject("sdsa3", {"grid": grid, "scale": 0.375}) for grid in ((2, 4), (4, 2))),
    Subject("dssa", {"grid": (2, 4)}),
    Subject("dssa", {"patch": 3}),
    Subject("dssa", {"patch": 3, "grid": (4, 2)}),
    Subject("dssa", {"patch": 1}),
]
SEQUENCES = [variant for variant in VARIANTS if "grid" not in variant.options]
every_variant = pytest.mark.parametrize("variant", VARIANTS, ids=str)


@every_variant
def test_the_layer_is_its_equations(variant: Subject) -> None:
    layer, x = variant.make(), variant.tokens()
    truth = TRUTHS[variant.attention](layer, x)
    assert torch.allclose(run(layer, x), truth, atol=1e-10)
    assert (truth.std(dim=(1, 2)).amax(-1) > 1e-3).all()


@every_variant
def test_what_padded_tokens_hold_does_not_matter(variant: Subject) -> None:
    layer, x = variant.make(), variant.tokens()
    mask = torch.tensor([[1, 0, 1, 1, 1, 0, 1, 1], [1, 1, 1, 0, 0, 0, 0, 0], [0] * 8, [1] * 8]).bool()
    other = torch.where(mask[..., None], x, 50.0)
    first, second = run(layer, x, mask), run(layer, other, mask)
    assert torch.equal(first[:, mask], second[:, mask])
    assert (first[:, mask] - run(layer, x)[:, mask]).abs().max() > 1e-3 or variant.attention == "token_qk"


@pytest.mark.parametrize("variant", SEQUENCES, ids=str)
def test_samples_of_different_lengths_share_a_batch(variant: Subject) -> None:
    """A padded token acts like the border: each sample gives what it gives alone."""
    layer, x = variant.make(), variant.tokens()
    lengths = [8, 5, 1, 3]
    together = run(layer, x, torch.arange(TOKENS) < torch.tensor(lengths)[:, None])
    for b, length in enumerate(lengths):
        alone = run(layer, x[:, b : b + 1, :length])
        assert torch.allclose(together[:, b : b + 1, :length], alone, atol=1e-10)


@pytest.mark.parametrize("variant", SEQUENCES, ids=str)
def test_padding_enters_no_statistic(variant: Subject) -> None:
    x, padded, plain = variant.tokens(), variant.make().train(), variant.make().train()
    mask = torch.arange(TOKENS + 3) < TOKENS
    y = run(padded, torch.cat([x, 50 + x[:, :, :3]], 2), mask.expand(4, -1))
    assert torch.allclose(y[:, :, :TOKENS], run(plain, x), atol=1e-10)
    before, after = variant.make().state_dict(), padded.state_dict()
    for name, value in plain.state_dict().items():
        assert torch.allclose(after[name].double(), value.double(), atol=1e-12), name
        if name.endswith(("running_mean", "running_var")):
            assert not torch.equal(value, before[name]), name


class Restless(nn.Module):
    """A neuron of the user's own that fires whatever comes in."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.ones_like(x)


@pytest.mark.parametrize("name", ["sdsa1", "channel_qk"])
def test_padded_tokens_that_spike_are_not_summed(name: str) -> None:
    layer, x = LAYERS[name](DIM, NUM_HEADS, neuron=Restless), Subject(name).tokens(dtype=torch.float32)
    neuron, sums = layer.get_submodule("weight_neuron" if name == "sdsa1" else "gate"), []
    neuron.register_forward_pre_hook(lambda _m, args: sums.append(args[0]))
    mask = torch.arange(TOKENS) < torch.tensor([8, 5, 1, 3])[:, None]
    layer(x, mask)
    if name == "sdsa1":
        layer(x, None, x, mask)
    for current in sums:
        assert torch.equal(current[0, :, 0, 0, 0], torch.tensor([8.0, 5.0, 1.0, 3.0]))


@pytest.mark.parametrize("grid", [None, (2, 4)])
def test_every_projection_of_sdsa3_is_a_re_parameterised_convolution(grid: tuple[int, int] | None) -> None:
    layer = SpikeDriven3(DIM, NUM_HEADS, grid=grid)
    grids = {name: m.neighbourhood.grid for name, m in layer.named_modules() if isinstance(m, RepProjection)}
    assert grids == dict.fromkeys(["qkv.parts.0", "qkv.parts.1", "qkv.parts.2", "out.project"], grid)


@pytest.mark.parametrize("variant", [v for v in VARIANTS if v.options.get("causal")], ids=str)
def test_causal_outputs_do_not_see_later_tokens(variant: Subject) -> None:
    layer, x = variant.make(), variant.tokens()
    other = torch.cat([x[:, :, :5], 1 - x[:, :, 5:]], 2)
    assert torch.allclose(run(layer, other)[:, :, :5], run(layer, x)[:, :, :5], atol=1e-10)
    assert (run(layer, other) - run(layer, x)).abs().max() > 0.1


@pytest.mark.parametrize("name", ["sdsa1", "sdsa3", "a2os2a", "dssa"])
def test_cross_attention_looks_at_the_context_alone(name: str) -> None:
    subject = Subject(name, LIVELY[name])
    layer, x, other = subject.make(), subject.tokens(), subject.tokens(seed=1)[:, :, :5]
    assert torch.allclose(run(layer, x, None, x), run(layer, x), atol=1e-10)
    padded = torch.cat([other, 50 + other], 2)
    mask = (torch.arange(10) < 5).expand(4, -1)
    y = run(layer, x, None, other)
    assert torch.allclose(run(layer, x, None, padded, mask), y, atol=1e-10)
    assert (y - run(layer, x)).abs().max() > 1e-3


class TestSharedState:
    """What SDSA-1 and channel QK attention would be without the neuron that makes them no expansion."""

    @pytest.mark.parametrize("causal", [False, True])
    @pytest.mark.parametrize("masked", [False, True])
    def test_sdsa1_is_one_expansion_per_channel(self, causal: bool, masked: bool) -> None:
        layer, x = Subject("sdsa1", {"causal": causal}).make(), Subject("sdsa1").tokens()
        layer.weight_neuron, layer.out = nn.Identity(), Passed()
        mask = torch.tensor([1, 0, 1, 1, 1, 0, 1, 1]).bool().expand(4, -1) if masked else None
        reach = Causal() if causal else Everywhere()
        q, k, v = self.channels(layer, x, mask, ("query", "key", "value"))
        points = Points(q, k, v, None if mask is None else mask.unsqueeze(1))
        truth = dual_form(Expansion(Linear(), Constant(1.0), reach=reach), points).squeeze(-1)
        assert torch.allclose(run(layer, x, mask), truth.transpose(2, 3), atol=1e-12)
        assert set(truth.unique().tolist()) > {0.0, 1.0}

    def test_channel_qk_is_an_expansion_whose_values_are_one(self) -> None:
        layer, x = Subject("channel_qk").make(), Subject("channel_qk").tokens()
        layer.gate, layer.out = nn.Identity(), Passed()
        mask = torch.tensor([1, 0, 1, 1, 1, 0, 1, 1]).bool().expand(4, -1)
        q, k = self.channels(layer, x, mask, ("query", "key"))
        truth = dual_form(
            Expansion(Linear(), Constant(1.0)), Points(k, q, torch.ones_like(q), mask.unsqueeze(1))
        ).squeeze(-1)
        assert torch.allclose(run(layer, x, mask), truth.transpose(2, 3), atol=1e-12)
        assert set(truth.unique().tolist()) > {0.0, 1.0}

    @staticmethod
    def channels(layer: Attention, x: Tensor, mask: Tensor | None, names: tuple[str, ...]) -> list[Tensor]:
        """The spikes of the neurons of these names, every channel a head of width one."""
        seen: dict[str, Tensor] = {}
        for name in names:
            layer.get_submodule(name).register_forward_hook(
                lambda _m, _a, out, name=name: seen.__setitem__(name, tokens_of(out.detach()))
            )
        run(layer, x, mask)
        return [seen[name].transpose(2, 3).unsqueeze(-1) for name in names]

    def test_the_number_of_heads_does_not_matter_where_channels_do_not_mix(self) -> None:
        x = Subject("sdsa1").tokens()
        for name in ("sdsa1", "channel_qk"):
            four, one = Subject(name).make(), LAYERS[name](DIM, 1).double().eval()
            one.load_state_dict(four.state_dict())
            assert torch.allclose(run(one, x), run(four, x), atol=1e-12)

    def test_a_threshold_of_a_half_on_counts_is_a_logical_or(self) -> None:
        layer, x = Subject("sdsa1").make(), Subject("sdsa1").tokens()
        spikes: list[Tensor] = []
        for neuron in (layer.key, layer.value, layer.weight_neuron):
            neuron.register_forward_hook(lambda _m, _a, out: spikes.append(out.bool()))
        run(layer, x)
        assert torch.equal(spikes[2], (spikes[0] & spikes[1]).any(-2, keepdim=True))


class Passed(nn.Module):
    """Gives the heads as they are."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return x


@pytest.mark.parametrize("name", ["sdsa3", "a2os2a", "dssa"])
def test_the_map_that_is_shown_gives_the_heads(name: str) -> None:
    subject = Subject(name, LIVELY[name])
    layer, x = subject.make(), subject.tokens()
    mask = torch.tensor([1, 0, 1, 1, 1, 0, 0, 0]).bool().expand(4, -1)
    values: list[Tensor] = []
    layer.get_submodule("kv" if name == "dssa" else "groups.0.value").register_forward_hook(
        lambda _m, _a, out: values.append(heads_of(out[..., -DIM:]))
    )
    with observe(layer) as views:
        run(layer, x, mask)
    (view,) = views[""]
    assert torch.allclose(view.heads, view.weights() @ values[0], atol=1e-12)
    assert (view.expansion is None) == bool(layer.no_expansion) == (name == "dssa")
    assert view.heads.abs().max() > 0.1


@pytest.mark.parametrize("name", ["sdsa1", "token_qk", "channel_qk"])
def test_layers_without_a_map_show_their_heads(name: str) -> None:
    layer, x = Subject(name).make(), Subject(name).tokens()
    with observe(layer) as views:
        run(layer, x)
    assert views[""][0].weights() is None
    assert views[""][0].heads.any()
    assert layer.no_expansion


@pytest.mark.parametrize("name", ["sdsa3", "a2os2a"])
def test_every_form_gives_the_same(name: str) -> None:
    subject = Subject(name, LIVELY[name])
    layer, x = subject.make(), subject.tokens()
    outputs = []
    for layer.form in ("dual", "primal", "auto"):
        outputs.append(run(layer, x))
    assert torch.allclose(outputs[0], outputs[1], atol=1e-10)
    assert torch.equal(outputs[1], outputs[2])


class TestRates:
    def test_each_head_has_its_running_mean(self) -> None:
        rates, spikes = RunningRate(2).double().train(), torch.zeros(2, 3, 2, 4, 5, dtype=torch.float64)
        spikes[:, :, 0, 0] = 1
        spikes[:, :, 1] = -1
        assert torch.allclose(rates(spikes, None).flatten(), torch.tensor([0.25, 1.0]).double())
        assert torch.allclose(rates(0 * spikes, None).flatten(), torch.tensor([0.25, 1.0]).double() * 0.999)
        assert torch.equal(rates.eval()(spikes, None), rates(0 * spikes, None))

    def test_padding_is_not_counted_and_a_batch_of_padding_changes_nothing(self) -> None:
        rates, spikes = RunningRate(1).train(), torch.ones(1, 2, 1, 4, 3)
        real = torch.tensor([[1, 1, 0, 0], [0, 0, 0, 0]]).bool()[:, None, :, None]
        spikes[:, :, :, 1] = 0
        assert rates(spikes, real & False) == 1
        assert rates(spikes, real) == 0.5

    def test_a_silent_head_keeps_a_finite_scale(self) -> None:
        layer, x = LAYERS["dssa"](DIM, NUM_HEADS).train(), Subject("dssa").tokens(dtype=torch.float32)
        layer(torch.zeros_like(x))
        assert (layer.query_rate.rate == 0).all()
        assert (layer.map_rate.rate == 0).all()
        functional.reset_net(layer)
        with observe(layer) as views:
            layer.eval()(x)
        assert views[""][0].heads.isfinite().all()

    def test_the_layer_measures_queries_and_map(self) -> None:
        layer, x = LAYERS["dssa"](DIM, NUM_HEADS).double().train(), Subject("dssa").tokens()
        maps: list[Tensor] = []
        layer.map_neuron.register_forward_hook(lambda _m, _a, out: maps.append(out))
        layer(x)
        assert torch.allclose(layer.query_rate.rate, heads_of(x).mean((0, 1, 3, 4)))
        assert torch.allclose(layer.map_rate.rate, maps[0].mean((0, 1, 3, 4)))
        assert (layer.map_rate.rate > 0.01).all()


def test_options_reach_every_neuron() -> None:
    options = {"decay": 0.25, "surrogate": "atan", "threshold": 0.75}
    own = {
        "sdsa1": {"weight_neuron": 0.5},
        "sdsa3": {"out.neuron": 0.5},
        "token_qk": {"gate": 0.5},
        "channel_qk": {"gate": 0.5},
        "dssa": {"map_neuron": 1.0, "out.neuron": 1.0},
        "a2os2a": {"out.neuron": 0.5},
    }
    for name, make in LAYERS.items():
        extra = {"value_neuron_options": options} if name == "a2os2a" else {}
        layer = make(DIM, NUM_HEADS, neuron_options=options, **extra)
        specs = {place: m.spec for place, m in layer.named_modules() if hasattr(m, "spec")}
        assert {place: s.threshold for place, s in specs.items() if s.threshold != 0.75} == own[name]
        assert all((s.decay, s.surrogate) == (0.25, "atan") for s in specs.values())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda x: TokenQK(DIM, 4)(x, None, x), "no cross-attention: each token's gate is its own query"),
        (lambda x: ChannelQK(DIM, 4)(x, None, x), "no cross-attention: its outputs are its own tokens"),
        (lambda x: SpikeDriven1(DIM, 4, causal=True)(x, None, x), "leave out the context, or causal"),
        (
            lambda x: SpikeDriven3(DIM, 4, causal=True)(x, None, x[:, :, :5]),
            "8 queries meet 5 support points",
        ),
        (lambda x: SpikeDriven3(DIM, 4, causal=True, grid=(2, 4)), "have no order to be causal in"),
        (lambda x: SpikeDriven3(DIM, 4, grid=(3, 3))(x), "a grid of 3 x 3 does not hold 8 tokens"),
        (lambda x: DualSpikeAttention(DIM, 4, grid=(3, 3))(x), "a grid of 3 x 3 does not hold 8 tokens"),
        (lambda x: DualSpikeAttention(DIM, 4, patch=0), "patch = 0 must be 1 or more"),
        (lambda x: SpikeDriven3(DIM, 4, scale=0.0), "scale 0.0 must be positive"),
        (lambda x: AdditionOnlyAttention(DIM, 3), "not divisible by 3 heads"),
    ],
)
def test_wrong_use_is_refused_in_words(wrong: Callable[[Tensor], object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        wrong(torch.ones(2, 3, TOKENS, DIM))
