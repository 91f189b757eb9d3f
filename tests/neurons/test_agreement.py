"""Our neurons and SpikingJelly's agree on dyadic inputs: spikes and state to the last bit, gradients to 1e-12."""

import pytest
import torch
from spikingjelly.activation_based import neuron as library
from spikingjelly.activation_based.surrogate import MultiLevelSpikeCount
from torch import Tensor, nn

from snnpd.neurons import IF, LIF, IntegerLIF, ParametricLIF, TernaryIF, TernaryLIF, decay_from_tau
from tests.neurons.dyadic import dyadic

SHAPE = (4, 3, 50)
RESETS = [("hard", 0.0), ("hard", 0.25), ("soft", 0.0)]


def trace(neuron: nn.Module, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Spikes, final state and the input's gradient."""
    x = dyadic(*SHAPE, dtype=dtype).requires_grad_()
    spikes = neuron(x)
    (spikes * dyadic(*SHAPE, seed=1, dtype=dtype)).sum().backward()
    assert x.grad is not None
    assert spikes.count_nonzero() > 0
    return spikes, neuron.v, x.grad


def agree(ours: nn.Module, theirs: nn.Module, dtype: torch.dtype, rtol: float) -> None:
    (spikes, state, grad), (their_spikes, their_state, their_grad) = trace(ours, dtype), trace(theirs, dtype)
    assert torch.equal(spikes, their_spikes)
    assert torch.equal(state, their_state)
    torch.testing.assert_close(grad, their_grad, rtol=rtol, atol=rtol / 10)


def shared(reset: str, reset_potential: float, detach: bool) -> tuple[dict, dict]:
    """The same options in our words and in theirs."""
    ours = {"threshold": 0.5, "reset": reset, "reset_potential": reset_potential, "detach_reset": detach}
    theirs = {
        "v_threshold": 0.5,
        "v_reset": None if reset == "soft" else reset_potential,
        "detach_reset": detach,
        "step_mode": "m",
    }
    return ours, theirs


@pytest.mark.parametrize("decay_input", [False, True])
@pytest.mark.parametrize("detach", [False, True])
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize(
    ("make", "node", "tau"),
    [
        (LIF, library.LIFNode, 2.0),
        (LIF, library.LIFNode, 4.0),
        (TernaryLIF, library.TernaryLIFNode, 2.0),
        (TernaryLIF, library.TernaryLIFNode, 4.0),
        (ParametricLIF, library.ParametricLIFNode, 2.0),
    ],
)
def test_leaky_neurons(make, node, tau: float, reset, detach: bool, decay_input: bool) -> None:
    ours, theirs = shared(*reset, detach)
    mine = make(decay=decay_from_tau(tau), decay_input=decay_input, **ours).double()
    other = node(tau, decay_input, **theirs).double()
    agree(mine, other, torch.float64, rtol=1e-12)
    if make is ParametricLIF:
        # Theirs learns 1/tau = σ(w), ours the decay 1 − 1/tau = σ(w): the two w are each other's negative.
        torch.testing.assert_close(mine.w.grad, -other.w.grad, rtol=1e-12, atol=0)


@pytest.mark.parametrize("detach", [False, True])
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize(("make", "node"), [(IF, library.IFNode), (TernaryIF, library.TernaryIFNode)])
def test_neurons_without_leak(make, node, reset, detach: bool) -> None:
    ours, theirs = shared(*reset, detach)
    agree(make(**ours), node(**theirs), torch.float64, rtol=1e-12)


@pytest.mark.parametrize("detach", [False, True])
@pytest.mark.parametrize("levels", [1, 4])
@pytest.mark.parametrize("tau", [2.0, 4.0])
def test_integer_neuron(tau: float, levels: int, detach: bool) -> None:
    ours = IntegerLIF(levels=levels, decay=decay_from_tau(tau), threshold=0.5, detach_reset=detach)
    theirs = library.ILIFNode(tau, 0.5, MultiLevelSpikeCount(levels), detach_reset=detach, step_mode="m")
    agree(ours, theirs, torch.float64, rtol=1e-12)


@pytest.mark.parametrize("detach", [False, True])
@pytest.mark.parametrize(("make", "node"), [(LIF, library.LIFNode), (TernaryLIF, library.TernaryLIFNode)])
def test_defaults_in_float32(make, node, detach: bool) -> None:
    theirs = node(decay_input=False, detach_reset=detach, step_mode="m")
    agree(make(detach_reset=detach), theirs, torch.float32, rtol=1e-5)
