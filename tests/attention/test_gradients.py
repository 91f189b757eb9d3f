"""Gradients: finite differences where a layer is smooth, the straight-through closed form where it is not."""

import math

import pytest
import torch
from spikingjelly.activation_based import functional, neuron, surrogate

from snnpd.attention import create_attention
from snnpd.expansion import Expansion, Exponential, Points, PooledHeads, Shiftmax, TokenBatchNorm, expand

SMOOTH = surrogate.Sigmoid(alpha=2.0, spiking=False)  # neurons that emit the surrogate's own primitive


def soft_binary() -> neuron.LIFNode:
    return neuron.LIFNode(decay_input=False, surrogate_function=SMOOTH, step_mode="m")


def soft_ternary() -> neuron.TernaryLIFNode:
    return neuron.TernaryLIFNode(decay_input=False, surrogate_function=SMOOTH, step_mode="m")


CASES = [
    *((name, {}) for name in ("softmax", "attention_bn", "attention_sh", "attention_bn_sh")),
    ("ssa", {"neuron": soft_binary}),
    *(
        (name, {"neuron": soft_binary, "point_neuron": soft_ternary, "rounding": "sum"})
        for name in ("bsa", "bipolar_bn", "bipolar_sh", "bipolar_bn_sh")
    ),
]


@pytest.mark.parametrize(("name", "options"), CASES, ids=[name for name, _ in CASES])
def test_smooth_layers_pass_finite_differences(name: str, options: dict) -> None:
    torch.manual_seed(0)
    layer = create_attention(name, 8, 4, **options).double()
    weights = [p for p in layer.parameters() if p.ndim == 2]
    x = torch.randn(2, 2, 4, 8, dtype=torch.float64, requires_grad=True)

    def output(x: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
        functional.reset_net(layer)
        return layer(x)

    assert output(x).std() > 1e-3
    assert torch.autograd.gradcheck(output, (x, *weights), atol=1e-5, fast_mode=True)


TRANSFORMS = {
    "bsa": (),
    "bipolar_bn": (TokenBatchNorm(),),
    "bipolar_sh": (PooledHeads(2),),
    "bipolar_bn_sh": (PooledHeads(2), TokenBatchNorm()),
}


@pytest.mark.parametrize("rounding", ["ceil", "round", "dyadic"])
@pytest.mark.parametrize("transforms", TRANSFORMS.values(), ids=TRANSFORMS)
def test_rounded_layers_have_the_straight_through_gradient(rounding: str, transforms: tuple) -> None:
    """r · softmax_2 with the row gain r held fixed, plus the completion of `dyadic`, held fixed too."""
    points = Points(*(torch.randn(3, 6, 4, dtype=torch.float64, requires_grad=True) for _ in range(3)))
    expansion = Expansion(Exponential(base=2, scale=1.0), Shiftmax(rounding, bits=23), transforms)
    moved = expansion.transform(points)
    soft = torch.softmax(moved.q @ moved.k.transpose(-1, -2) * math.log(2), -1)
    held = Expansion(Exponential(base=2, scale=1.0), Shiftmax("ceil" if rounding == "dyadic" else rounding))
    gain = held.weights(moved).sum(-1, keepdim=True).detach()
    rest = (expansion.weights(moved) - gain * soft).detach()
    upstream = torch.randn(3, 6, 4, dtype=torch.float64)
    truth = torch.autograd.grad(((gain * soft + rest) @ moved.v * upstream).sum(), points[:3])
    ours = torch.autograd.grad((expand(expansion, points) * upstream).sum(), points[:3])
    for a, b in zip(ours, truth, strict=True):
        assert torch.allclose(a, b, atol=1e-12)
        assert a.abs().max() > 1e-3


def test_keys_compete() -> None:
    """A ceiling without the straight-through gradient would give no key a negative share."""
    scores = torch.tensor([[2.0, 1.0, 0.0]], requires_grad=True)
    Shiftmax().weights(Exponential(base=2, scale=1.0), scores, None)[0, 0].backward()
    assert scores.grad[0, 0] > 0 > scores.grad[0, 1]
