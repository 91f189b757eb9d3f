"""Our neurons and SpikingJelly's are the same: spikes, state and input gradients, to the last bit on dyadic inputs."""

from itertools import product

import pytest
import torch
from spikingjelly.activation_based import neuron as library
from spikingjelly.activation_based import surrogate
from torch import Tensor

from snnpd.neurons import IF, LIF, IntegerLIF, ParametricLIF, TernaryIF, TernaryLIF, decay_from_tau
from tests.neurons.dyadic import dyadic

SHAPE = (4, 3, 50)
# (ours, SpikingJelly's, the name of its time constant)
LEAKY = [
    (LIF, library.LIFNode, "tau"),
    (ParametricLIF, library.ParametricLIFNode, "init_tau"),
    (TernaryLIF, library.TernaryLIFNode, "tau"),
]
RESETS = [("hard", 0.0), ("hard", 0.25), ("soft", 0.0)]


def trace(neuron: torch.nn.Module, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Spikes, final state, and the input's gradient for a dyadic upstream gradient."""
    x = dyadic(*SHAPE, dtype=dtype).requires_grad_()
    spikes = neuron(x)
    (spikes * dyadic(*SHAPE, seed=1, dtype=dtype)).sum().backward()
    assert x.grad is not None
    assert spikes.count_nonzero() > 0
    return spikes, neuron.v, x.grad


def agree(ours: torch.nn.Module, theirs: torch.nn.Module, dtype: torch.dtype) -> None:
    for mine, other in zip(trace(ours, dtype), trace(theirs, dtype), strict=True):
        assert torch.equal(mine, other)


def shared(reset: str, reset_potential: float, detach: bool, threshold: float) -> tuple[dict, dict]:
    """The options in our words and in theirs; the triangle's derivative is dyadic, so gradients are exact too."""
    ours = {
        "threshold": threshold,
        "reset": reset,
        "reset_potential": reset_potential,
        "detach_reset": detach,
        "surrogate": "triangle",
    }
    theirs = {
        "v_threshold": threshold,
        "v_reset": None if reset == "soft" else reset_potential,
        "detach_reset": detach,
        "surrogate_function": surrogate.PiecewiseQuadratic(),
        "step_mode": "m",
    }
    return ours, theirs


@pytest.mark.parametrize("tau", [2.0, 4.0])
@pytest.mark.parametrize("decay_input", [False, True])
@pytest.mark.parametrize("detach", [False, True])
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("family", LEAKY, ids=lambda family: family[0].__name__)
def test_leaky_neurons(family, reset, detach: bool, decay_input: bool, tau: float) -> None:
    make, node, time_constant = family
    ours, theirs = shared(*reset, detach, threshold=0.5)
    mine = make(decay=decay_from_tau(tau), decay_input=decay_input, **ours).double()
    other = node(decay_input=decay_input, **{time_constant: tau}, **theirs).double()
    if make is not ParametricLIF:
        return agree(mine, other, torch.float64)
    if tau == 2.0:
        agree(mine, other, torch.float64)
    for name, a, b in zip("svx", trace(mine, torch.float64), trace(other, torch.float64), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-9, msg=name)
    # Theirs learns 1/tau = σ(w), ours the decay 1 − 1/tau = σ(w): the two w are each other's negative.
    torch.testing.assert_close(mine.w, -other.w)
    torch.testing.assert_close(mine.w.grad, -other.w.grad, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("detach", [False, True])
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("family", [(IF, library.IFNode), (TernaryIF, library.TernaryIFNode)])
def test_neurons_without_leak(family, reset, detach: bool) -> None:
    ours, theirs = shared(*reset, detach, threshold=1.0)
    agree(family[0](**ours), family[1](**theirs), torch.float64)


@pytest.mark.parametrize(("tau", "levels", "detach"), list(product([2.0, 4.0], [1, 4], [False, True])))
def test_integer_neuron(tau: float, levels: int, detach: bool) -> None:
    ours = IntegerLIF(levels=levels, decay=decay_from_tau(tau), threshold=0.5, detach_reset=detach)
    counter = surrogate.MultiLevelSpikeCount(levels)
    agree(ours, library.ILIFNode(tau, 0.5, counter, detach_reset=detach, step_mode="m"), torch.float32)


@pytest.mark.parametrize("detach", [False, True])
@pytest.mark.parametrize(("make", "node"), [(LIF, library.LIFNode), (TernaryLIF, library.TernaryLIFNode)])
def test_defaults_in_float32(make, node, detach: bool) -> None:
    mine = trace(make(detach_reset=detach), torch.float32)
    other = trace(node(decay_input=False, detach_reset=detach, step_mode="m"), torch.float32)
    assert torch.equal(mine[0], other[0])
    assert torch.equal(mine[1], other[1])
    torch.testing.assert_close(mine[2], other[2], rtol=1e-5, atol=1e-6)
