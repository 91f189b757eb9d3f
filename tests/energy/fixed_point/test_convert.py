"""Networks on integers: what is rounded, what is kept, what is refused."""

from typing import Any

import pytest
import torch
from spikingjelly.activation_based.neuron import LIFNode
from torch import Tensor, nn

from snnpd import create_model
from snnpd.energy.fixed_point import FixedNetwork, FixedNeuron, Format, ToPotential, to_fixed_point
from snnpd.energy.fixed_point.layers import folded, of_events, of_words
from snnpd.energy.fixed_point.words import finest
from snnpd.errors import UsageError
from snnpd.neurons.base import Neuron
from tests.energy.executor.networks import network, spikes_of

SHAPE = 2, 8, 8


def example(**options: Any) -> tuple[nn.Module, Tensor]:
    x = torch.randn(3, 4, *SHAPE)
    return network(SHAPE, x, **options), x


@pytest.mark.parametrize(
    ("bits", "peak", "fraction"),
    # 127 steps: of 1 up to 127, of 2 beyond; of 1/4 up to 31.75; 1.0 is 64 steps of 1/64 (128 do not fit).
    [(8, 127.0, 0), (8, 127.4, -1), (8, 31.75, 2), (8, 1.0, 6), (8, 0.0, 7), (24, 3.0, 21)],
)
def test_the_finest_format(bits: int, peak: float, fraction: int) -> None:
    chosen = finest(bits, peak)
    assert chosen == Format(bits, fraction)
    held = chosen.integers(torch.tensor([peak, -peak])) / 2**fraction
    assert (held - torch.tensor([peak, -peak])).abs().max() <= 2.0 ** (-fraction - 1)


def test_words_saturate() -> None:
    word = Format(4, 1)
    assert (word.low, word.high) == (-8, 7)
    assert word.integers(torch.tensor([9.0, -9.0, 1.3, -1.3])).tolist() == [7, -8, 3, -3]
    assert ToPotential(word, -1)(torch.tensor([15.0, 100, -1, -100])).tolist() == [7, 7, -1, -8]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("affine", [False, True])
def test_batch_norms_fold(bias: bool, affine: bool) -> None:
    layer = nn.Conv2d(3, 5, 3, bias=bias, dtype=torch.float64)
    norm = nn.BatchNorm2d(5, affine=affine, dtype=torch.float64).train()
    x = torch.randn(4, 3, 6, 6).double()
    norm(3 * layer(x) + 1)
    if affine:
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    weight, shift = folded(layer, norm.eval())
    torch.testing.assert_close(nn.functional.conv2d(x, weight, shift), norm(layer(x)))


@pytest.mark.parametrize("weight_bits", [3, 8, 16])
def test_weights_have_their_bits_and_the_potentials_step(weight_bits: int) -> None:
    layer, potential = nn.Linear(30, 20), Format(24, 18)
    fixed, norm = of_events(layer, None, weight_bits, potential)
    step = fixed.weight.unique().diff().min()
    assert step == 2.0 ** torch.log2(step).round()
    assert torch.equal(fixed.weight, fixed.weight.round())
    numbers = (fixed.weight / step).abs().max()
    assert 2 ** (weight_bits - 2) <= numbers <= 2 ** (weight_bits - 1) - 1
    assert (fixed.weight / 2**18 - layer.weight).abs().max() <= step / 2**19
    assert (fixed.bias / 2**18 - layer.bias).abs().max() <= 2.0**-19
    assert norm.places == 0


def test_weights_are_no_finer_than_potentials() -> None:
    fixed, _ = of_events(nn.Linear(9, 9), None, 16, Format(8, 3))
    assert {0.0} < set(fixed.weight.flatten().tolist()) <= {-3.0, -2, -1, 0, 1, 2, 3}


@pytest.mark.parametrize("fraction", [4, 30])
def test_words_are_rounded_once_behind_the_first_layer(fraction: int) -> None:
    layer, source, potential = nn.Linear(6, 9), Format(12, 10), Format(32, fraction)
    fixed, to_potential = of_words(layer, None, 12, source, potential)
    x = torch.randint(-1024, 1025, (50, 6)).double()
    sums = fixed(x)
    made = to_potential(sums)
    assert torch.equal(made, made.round())
    # Halves go up: what stands in the bias makes rounding down the nearest.
    exact = (sums - fixed.bias) * 2.0**to_potential.places + layer.bias.double() * 2.0**fraction
    assert (made - exact).abs().max() <= 0.5 + 0.5 * 2.0**to_potential.places


@pytest.mark.parametrize("attention", ["bsa", "ssa", "sdsa1", "token_qk"])
def test_parts_keep_their_names(attention: str) -> None:
    model, x = example(attention=attention)
    fixed = to_fixed_point(model, x)
    for kinds in ((Neuron, FixedNeuron), (nn.Linear,) * 2, (nn.Conv2d,) * 2, (nn.MaxPool2d,) * 2):
        old, new = (
            {name for name, part in net.named_modules() if isinstance(part, kind)}
            for net, kind in zip((model, fixed), kinds, strict=True)
        )
        assert old == new
        assert old


def test_the_original_is_left_alone() -> None:
    model, x = example()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    logits = model(x)
    to_fixed_point(model, x, weight_bits=4)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert torch.equal(model(x), logits)


@pytest.mark.parametrize("shape", [SHAPE, (7, 3)])
@pytest.mark.parametrize("attention", ["bsa", "ssa", "sdsa1", "token_qk", "channel_qk"])
@torch.no_grad()
def test_wide_words_are_nearly_the_float_network(attention: str, shape: tuple[int, ...]) -> None:
    # Inputs that 16 bits hold: one spike more or less in the stem changes others behind it.
    x = (256 * torch.randn(4, 16, *shape)).round() / 256
    model = network(shape, x, attention=attention)
    fixed = to_fixed_point(model, x, weight_bits=24, potential_bits=32)
    emitted, expected = spikes_of(fixed), spikes_of(model, Neuron)
    logits, floats = fixed(x) / 2**fixed.logit_fraction, model(x)
    strange = [float((emitted[name] != spikes).double().mean()) for name, spikes in expected.items()]
    assert max(strange) < 0.01
    assert float((logits - floats).abs().median()) < 1e-4
    assert float(logits.std()) > 0.01


def potentials(fixed: FixedNetwork, x: Tensor) -> dict[str, Tensor]:
    seen: dict[str, Tensor] = {}
    for name, part in fixed.named_modules():
        if isinstance(part, ToPotential):
            part.register_forward_hook(lambda module, inputs, output, name=name: seen.update({name: output}))
    fixed(x)
    return seen


@pytest.mark.parametrize("potential_bits", [12, 24])
def test_the_range_is_what_the_sample_needs(potential_bits: int) -> None:
    model, x = example()
    fixed = to_fixed_point(model, x, potential_bits=potential_bits)
    limit = 2 ** (potential_bits - 1) - 1
    seen = potentials(fixed, x)
    peaks = {name: float(words.abs().max()) for name, words in seen.items()}
    assert limit / 2 - 2 < peaks.pop("saturate") <= limit
    assert limit / 2 - 2 < max(peaks.values()) <= limit
    formats = {
        p.potential for n, p in fixed.named_modules() if isinstance(p, ToPotential) and n != "saturate"
    }
    assert len(formats) == 1
    fixed.get_parameter("stem.convs.0.conv.weight").data *= 50
    loud = potentials(fixed, x)
    assert {-limit - 1, limit} & set(loud["stem.convs.0.norm"].unique().tolist())
    assert all(-limit - 1 <= words.min() and words.max() <= limit for words in loud.values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"attention_options": {"rounding": "dyadic"}},
            "attention: BipolarSelfAttention .* rounding 'dyadic' is not",
        ),
        ({"attention_options": {"score_shift": 1}}, "blocks.0.attention: .* no whole numbers do Exponential"),
        ({"attention_options": {"causal": True}}, "hide tokens are not offered"),
        ({"attention_options": {"features": "exact"}}, "no whole numbers do FeatureKernel"),
        ({"attention": "bipolar_sh"}, "BipolarSH has no integer form: heads that pool"),
        ({"attention": "bipolar_bn"}, "BipolarBN has no integer form: heads that pool, normalise"),
        ({"attention": "ssa", "attention_options": {"scale": 0.1}}, "the scale 0.1 is no power of two"),
        (
            {"attention": "sdsa1", "attention_options": {"causal": True}},
            "SpikeDriven1 .* none of them causal",
        ),
        ({"attention": "a2os2a"}, "blocks.0.attention.groups.0.key: ReLU has no integer form"),
        ({"attention": "sdsa3"}, "attention.out.project: RepProjection has no integer form"),
        ({"attention": "dssa"}, "blocks.0.attention: DualSpikeAttention has no integer form"),
        ({"neuron_options": {"decay": 0.3}}, "stem.activations.0: no shift does a decay of 0.3; train with"),
        ({"neuron_options": {"decay": (0.5, 0.25)}, "dim": 16}, "channels with decays of their own"),
        ({"neuron_options": {"learned": "amplitude"}}, "spikes have a learned amplitude"),
        ({"neuron": lambda: LIFNode(step_mode="m")}, "LIFNode has no integer form; build"),
    ],
)
def test_what_has_no_integer_form(options: dict[str, Any], message: str) -> None:
    model = create_model("spikingformer_tiny", **{"dim": 16, "num_heads": 2, "input_shape": SHAPE} | options)
    with pytest.raises(UsageError, match=message) as error:
        to_fixed_point(model.eval(), torch.rand(2, 1, *SHAPE))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("vit_tiny_twin", {}, "stem.activations.0: GELU has no integer form"),
        (
            "spikingformer_tiny",
            {"position": "bochner", "input_shape": (9, 3)},
            "stem: TimedSeriesStem has no",
        ),
    ],
)
def test_networks_without_an_integer_form(name: str, options: dict[str, Any], message: str) -> None:
    shape = options.get("input_shape", SHAPE)
    model = create_model(name, **{"dim": 16, "num_heads": 2, "input_shape": shape} | options).eval()
    with pytest.raises(UsageError, match=message):
        to_fixed_point(model, torch.rand(2, 1, *shape))


@pytest.mark.parametrize(
    ("widths", "message"),
    [
        ({"weight_bits": 1}, "weight_bits = 1 is not offered; choose 2 to 24"),
        ({"potential_bits": 33}, "potential_bits = 33 is not offered; choose 4 to 32"),
        ({"input_bits": 17}, "input_bits = 17 is not offered; choose 2 to 16"),
    ],
)
def test_widths_that_are_not_offered(widths: dict[str, int], message: str) -> None:
    model, x = example()
    with pytest.raises(UsageError, match=message):
        to_fixed_point(model, x, **widths)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_samples_that_say_nothing(value: float) -> None:
    model, x = example()
    for sample in (x.masked_fill(x > 1, value), x[:, :0]):
        with pytest.raises(UsageError, match="the sample is empty or holds values that are not finite"):
            to_fixed_point(model, sample)


def test_other_modules_and_other_sizes() -> None:
    with pytest.raises(UsageError, match="Linear has no 'stem'; give a network with stem"):
        to_fixed_point(nn.Linear(2, 2), torch.rand(2, 1, 2))
    x = torch.randn(2, 3, 7, 3)
    fixed = to_fixed_point(network((7, 3), x), x)
    with pytest.raises(UsageError, match=r"9 tokens for a network .* head means 7; convert it"):
        fixed(torch.randn(2, 3, 9, 3))
