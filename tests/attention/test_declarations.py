"""What each name declares, from the projections onward, written out without the library."""

import math

import pytest
import torch
from spikingjelly.activation_based import functional, neuron
from torch import Tensor, nn

from snnpd.attention import create_attention, record_attention
from snnpd.attention.pooling import default_factors
from snnpd.blocks import FeedForward, PreActivationBlock
from snnpd.errors import UsageError
from snnpd.neurons import TernaryLIF
from snnpd.projections import LinearNorm
from tests.attention.literature import heads_of
from tests.attention.subjects import ANN, BIPOLAR, DIM, NUM_HEADS, TOKENS, Subject


def pooled(points: Tensor, factor: int) -> Tensor:
    """Means over successive windows of `factor` tokens."""
    return torch.stack([window.mean(-2) for window in points.split(factor, dim=-2)], dim=-2)


def ternary_lif(current: Tensor) -> Tensor:
    """decay ½, threshold 1 inclusive, hard reset to 0."""
    state, spikes = torch.zeros_like(current[0]), []
    for x in current:
        u = 0.5 * state + x
        spikes.append((u >= 1).to(x) - (u <= -1).to(x))
        state = torch.where(spikes[-1] != 0, torch.zeros_like(u), u)
    return torch.stack(spikes)


@pytest.mark.parametrize("name", ANN + BIPOLAR)
def test_maps_and_heads_from_the_projections_onward(name: str) -> None:
    subject = Subject(name)
    layer, x = subject.make(), subject.tokens()
    projected: list[Tensor] = []
    heads: list[Tensor] = []
    layer.qkv.register_forward_hook(lambda _m, _a, out: projected.append(out.detach()))
    for group in layer.groups:
        group.register_forward_hook(lambda _m, _a, out: heads.append(out.detach()))
    with record_attention(layer) as maps:
        layer(x)
    weights = [w for group in maps[""] for w in group.unbind(2)]
    outputs = [h for group in heads for h in group.unbind(2)]
    width = DIM // NUM_HEADS
    for h in range(NUM_HEADS):
        q, k, v = (part[..., h * width : (h + 1) * width] for part in projected[0].split(DIM, -1))
        if name.endswith("sh"):
            k, v = pooled(k, [1, 1, 2, 2][h]), pooled(v, [1, 1, 2, 2][h])
        if "bn" in name:
            mean, deviation = k.mean(-2, keepdim=True), (k.var(-2, correction=0, keepdim=True) + 1e-5).sqrt()
            q, k = (q - mean) / deviation, (k - mean) / deviation
        if subject.is_spiking:
            q, k = ternary_lif(q), ternary_lif(k)
            powers = 2.0 ** torch.einsum("tbnd,tbmd->tbnm", q, k)
            truth = powers / 2.0 ** torch.ceil(torch.log2(powers.sum(-1, keepdim=True)) - 1e-9)
        else:
            truth = torch.softmax(torch.einsum("tbnd,tbmd->tbnm", q, k) / math.sqrt(width), -1)
        assert torch.allclose(weights[h], truth, atol=1e-10)
        assert torch.allclose(outputs[h], torch.einsum("tbnm,tbme->tbne", truth, v), atol=1e-10)
        assert truth.std() > 1e-3


def test_ssa_scales_by_an_eighth() -> None:
    layer = Subject("ssa").make()
    spikes: list[Tensor] = []
    for code in (layer.groups[0].query, layer.groups[0].key):
        code.register_forward_hook(lambda _m, _a, out: spikes.append(heads_of(out.detach())))
    with record_attention(layer) as maps:
        layer(Subject("ssa").tokens())
    assert torch.equal(maps[""][0], spikes[0] @ spikes[1].transpose(-1, -2) / 8)
    assert maps[""][0].max() >= 0.125


def test_pool_factors_double_every_two_heads() -> None:
    assert default_factors(8) == [1, 1, 2, 2, 4, 4, 8, 8]


def test_residual_sums_keep_the_input() -> None:
    class Nothing(nn.Module):
        def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
            return torch.zeros_like(x)

    nothing = FeedForward(nn.Identity(), Nothing(), nn.Identity(), Nothing())
    x = torch.randn(2, 3, 4, 8)
    assert torch.equal(PreActivationBlock(nn.Identity(), Nothing(), nothing, 0.0)(x), x)


def test_padded_tokens_enter_no_statistic() -> None:
    layer = LinearNorm(4, 6).double().train()
    packed = LinearNorm(4, 6).double().train()
    packed.load_state_dict(layer.state_dict())
    x = torch.randn(2, 3, 7, 4, dtype=torch.float64)
    mask = torch.arange(7) < torch.tensor([[7], [3], [5]])
    mask[0, 2] = False  # a hole, too
    y = layer(torch.where(mask[..., None], x, torch.tensor(1e3, dtype=torch.float64)), mask)
    truth = packed(x[:, mask].unsqueeze(1))
    assert torch.allclose(y[:, mask], truth.squeeze(1))
    assert torch.allclose(layer.norm.running_var, packed.norm.running_var)
    assert (y[:, ~mask] == 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", ["ssa", *BIPOLAR])
def test_spikes_reach_the_output_in_every_dtype(name: str, dtype: torch.dtype) -> None:
    subject = Subject(name, {"out_threshold": 0.25})
    y = subject.make(dtype)(subject.tokens(dtype=dtype)).float()
    assert (y.std(dim=(1, 2)).amax(-1) > 1e-3).all()


def test_options_reach_every_neuron() -> None:
    options = {"decay": 0.25, "surrogate": "atan", "threshold": 0.75}
    layer = create_attention("bsa", DIM, NUM_HEADS, neuron_options=options, point_neuron_options=options)
    specs = {name: m.spec for name, m in layer.named_modules() if hasattr(m, "spec")}
    assert len(specs) == 3
    for name, spec in specs.items():
        assert (spec.decay, spec.surrogate) == (0.25, "atan")
        assert spec.threshold == (0.5 if name == "out.neuron" else 0.75)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"neuron": neuron.LIFNode, "neuron_options": {"decay": 0.5}}, "a callable sets its own"),
        ({"point_neuron": lambda: TernaryLIF(learned="amplitude")}, "amplitude"),
        ({"point_neuron": "lif"}, "wants ternary spikes"),
    ],
)
def test_wrong_neurons_are_refused(options: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        create_attention("bsa", DIM, NUM_HEADS, **options)


def test_a_recording_inside_another_sees_its_own_part() -> None:
    layer, x = Subject("softmax").make(), Subject("softmax").tokens()
    with record_attention(layer) as outer:
        with record_attention(layer) as inner:
            layer(x)
        layer(x)
    functional.reset_net(layer)
    assert (len(inner[""]), len(outer[""])) == (1, 2)
    assert inner[""][0].shape == (3, 4, NUM_HEADS, TOKENS, TOKENS)
