"""Whole networks: one backbone of two lives, independence, causality, reset, padding, foreign neurons."""

import copy

import pytest
import torch
from spikingjelly.activation_based import neuron
from torch import Tensor, nn

import snnpd
from snnpd.attention import observe
from snnpd.attention.table import ANALOG, SPIKING
from snnpd.errors import UsageError
from snnpd.neurons import firing_rates

SMALL = {"dim": 32, "depth": 2, "num_heads": 4, "num_classes": 5}
IMAGE, SERIES = {"input_shape": (2, 8, 8)}, {"input_shape": (9, 3)}
CASES = [
    *(("spikingformer_tiny", attention, shape) for attention in SPIKING for shape in (IMAGE, SERIES)),
    *(("vit_tiny_twin", attention, shape) for attention in ANALOG for shape in (IMAGE, SERIES)),
]
pairs = pytest.mark.parametrize(("name", "attention", "shape"), CASES)


def make(name: str, attention: str, shape: dict, **options) -> nn.Module:
    """A small float64 network in evaluation mode, with statistics under which its neurons fire."""
    torch.manual_seed(0)
    model = snnpd.create_model(name, attention=attention, **SMALL, **shape, **options).double()
    for norm in (m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)):
        norm.momentum = None
    with torch.no_grad():
        model(sample(shape, seed=1))
    return model.eval()


def sample(shape: dict, steps: int = 3, batch: int = 4, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(steps, batch, *shape["input_shape"], generator=generator, dtype=torch.float64)


@pairs
def test_contract(name: str, attention: str, shape: dict) -> None:
    model, x = make(name, attention, shape), sample(shape)
    with firing_rates(model) as rates:
        y = model(x)
    assert y.shape == (3, 4, 5)
    assert (y.std(1) > 1e-4).all()
    assert bool(rates) == (attention in SPIKING)
    assert all(0 < rate < 1 for rate in rates.values())
    assert torch.equal(model(x), y), "state leaks from one call to the next"
    alone = torch.allclose(model(x[:, 2:3]), y[:, 2:3], atol=1e-10)
    assert alone == (attention != "between_datapoints"), "a sample sees its batch mates"
    later = torch.cat([x[:2], sample(shape, seed=7)[2:]])
    assert torch.allclose(model(later)[:2], y[:2], atol=1e-10), "a step sees later steps"
    assert not torch.allclose(model(later)[2], y[2])


@pytest.mark.parametrize(("name", "attention"), [(n, a) for n, a, shape in CASES if shape is SERIES])
def test_padding_changes_no_logit(name: str, attention: str) -> None:
    model, x = make(name, attention, SERIES), sample(SERIES)
    padded = torch.cat([x, torch.full((3, 4, 5, 3), 7.0, dtype=torch.float64)], dim=2)
    padded[:, :, 9:] = 0  # as the collate function pads
    mask = (torch.arange(14) < 9).expand(4, -1)
    assert torch.allclose(model(padded, mask), model(x, torch.ones(4, 9, dtype=torch.bool)), atol=1e-10)
    assert torch.allclose(model(padded, mask), model(x), atol=1e-10)


@pairs
def test_every_parameter_learns(name: str, attention: str, shape: dict) -> None:
    model = make(name, attention, shape).train()
    with observe(model) as views:
        logits = model(sample(shape))
    own = sum(view.loss for layer in views.values() for view in layer if view.loss is not None)
    (logits.mean(0).logsumexp(-1).sum() + own).backward()
    for key, parameter in model.named_parameters():
        if not parameter.requires_grad:
            assert attention.startswith("frozen"), key
            continue
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        assert parameter.grad.abs().max() > 0, key


@pytest.mark.parametrize("size", ["tiny", "small", "cifar"])
@pytest.mark.parametrize("shape", [{"input_shape": (3, 32, 32)}, {"input_shape": (29, 12)}])
@pytest.mark.parametrize(
    "attention", ["softmax", "linear", "local", "attention_bn", "attention_bn_sh", "frozen_softmax"]
)
def test_twins_have_the_same_parameter_count_within_one_percent(
    size: str, shape: dict, attention: str
) -> None:
    def count(name: str, attention: str) -> int:
        with torch.device("meta"):
            model = snnpd.create_model(name, attention=attention, num_classes=10, **shape)
        return sum(p.numel() for p in model.parameters())

    spiking = count(f"spikingformer_{size}", "bsa")
    assert spiking > 1e5
    assert count(f"vit_{size}_twin", attention) == pytest.approx(spiking, rel=0.01)


def test_the_cifar_size_has_the_published_parameter_count() -> None:
    with torch.device("meta"):
        model = snnpd.create_model("spikingformer_cifar", attention="ssa", input_shape=(3, 32, 32))
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(9.32, abs=0.01)


def test_spikingjelly_neurons_work_in_our_layers() -> None:
    def lif() -> neuron.LIFNode:
        return neuron.LIFNode(decay_input=False, detach_reset=True, step_mode="m")

    foreign = make("spikingformer_tiny", "ssa", IMAGE, neuron=lif)
    with firing_rates(foreign) as rates:
        first = foreign(sample(IMAGE))
    assert rates
    assert torch.equal(foreign(sample(IMAGE)), first)


def test_neuron_options_reach_every_neuron() -> None:
    model = make("spikingformer_tiny", "ssa", IMAGE, neuron_options={"decay": 0.25, "surrogate": "atan"})
    specs = [m.spec for m in model.modules() if hasattr(m, "spec")]
    assert len(specs) == 2 + 2 * 7 + 1
    assert {(spec.decay, spec.surrogate) for spec in specs} == {(0.25, "atan")}


@pytest.mark.parametrize(
    ("name", "attention"), [("spikingformer_tiny", "bipolar_sh"), ("vit_tiny_twin", "attention_sh")]
)
def test_pooled_heads_know_the_image_grid(name: str, attention: str) -> None:
    model = make(name, attention, IMAGE)
    grids = {t.grid for m in model.modules() if hasattr(m, "expansion") for t in m.expansion.transforms}
    assert grids == {model.stem.grid} == {(4, 4)}


def test_a_copy_after_a_forward_pass_gives_the_same_logits() -> None:
    model, x = make("spikingformer_tiny", "bsa", IMAGE), sample(IMAGE)
    y = model(x)
    twin = copy.deepcopy(model)
    assert torch.equal(twin(x), y)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("spikingformer_tinny", {}, "did you mean 'spikingformer_tiny'"),
        ("spikingformer_tiny", {"atention": "bsa"}, "did you mean 'attention'"),
        ("spikingformer_tiny", {"attention": "bas"}, "did you mean 'bsa'"),
        ("spikingformer_tiny", {"attention": "softmax"}, "attention 'softmax' is one of ANN twins"),
        ("vit_tiny_twin", {"attention": "bsa"}, "attention 'bsa' is one of spiking networks"),
        ("vit_tiny_twin", {"activation": "glu"}, "did you mean 'gelu'"),
        ("spikingformer_tiny", {"neuron": "lfi"}, "did you mean 'lif'"),
        ("spikingformer_tiny", {"attention_options": {"roundin": "ceil"}}, "did you mean 'rounding'"),
        ("spikingformer_tiny", {"attention_options": {"point_neuron": "lif"}}, "wants ternary spikes"),
        ("spikingformer_tiny", {"input_shape": (1, 9, 8)}, "9 x 8 is not divisible into patches of 2 x 2"),
        ("spikingformer_tiny", {"input_shape": (8,)}, "give (channels, height, width)"),
        ("spikingformer_tiny", {"num_heads": 5}, "width 128 is not divisible by 5 heads"),
        ("spikingformer_tiny", {"depth": 0}, "at least one block"),
        ("spikingformer_tiny", {"num_classes": 1}, "at least 2 classes"),
    ],
)
def test_wrong_requests_are_refused_in_one_line(name: str, options: dict, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        snnpd.create_model(name, **options)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "words"),
    [((0, 2, 2, 8, 8), "T = 0"), ((2, 2, 2, 8, 6), "built for"), ((2, 2, 8, 8), "built for")],
)
def test_wrong_inputs_are_refused(shape: tuple, words: str) -> None:
    model = snnpd.create_model("spikingformer_tiny", **SMALL, **IMAGE)
    with pytest.raises(UsageError, match=words):
        model(torch.zeros(shape))
