"""Gradients against back-propagation through time written out by hand, in float64."""

from itertools import product

import pytest
import torch
from torch import Tensor

from snnpd.neurons import IF, IntegerLIF, ParametricLIF, TernaryIF, TernaryLIF
from snnpd.neurons.reference import one_step
from snnpd.neurons.spec import NeuronSpec
from snnpd.neurons.values import Numbers
from snnpd.spikes import BINARY, SURROGATES, TERNARY, surrogate

SHAPE = (7, 3, 40)
RESETS = [("hard", 0.0), ("hard", 0.25), ("soft", 0.0)]


def normal(seed: int) -> Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def sigmoid_derivative(x: Tensor) -> Tensor:
    return 4.0 * torch.sigmoid(4.0 * x) * torch.sigmoid(-4.0 * x)


def bptt(spec: NeuronSpec, x: Tensor, upstream: Tensor, decay: float) -> tuple[Tensor, Tensor, Tensor]:
    """Spikes, and the gradients of Σ upstream · spikes to the inputs and to the decay."""
    rest, plus, minus = spec.reset_potential, spec.threshold, spec.lower_threshold
    signed = float(spec.alphabet == TERNARY)
    gain = 1 - decay if spec.decay_input else 1.0
    before, potentials, spikes = [], [], []
    h = torch.full_like(x[0], rest)
    for current in x:
        before.append(h)
        u = rest + decay * (h - rest) + gain * current
        p, n = (u >= plus).double(), signed * (-u >= minus).double()
        h = (1 - p - n) * u + (p + n) * rest if spec.reset == "hard" else u - plus * p + minus * n
        potentials.append(u)
        spikes.append(p - n)
    grad_x, grad_decay, grad_h = torch.zeros_like(x), x.new_zeros(()), torch.zeros_like(h)
    for t in reversed(range(len(x))):
        u, s = potentials[t], spikes[t]
        slope_plus = sigmoid_derivative(u - plus)
        slope_minus = signed * sigmoid_derivative(-u - minus)
        if spec.reset == "hard":
            through_reset = (1 - s.abs()) + (not spec.detach_reset) * (rest - u) * (slope_plus - slope_minus)
        else:
            through_reset = 1 - (not spec.detach_reset) * (plus * slope_plus + minus * slope_minus)
        grad_u = upstream[t] * (slope_plus + slope_minus) + grad_h * through_reset
        grad_x[t] = gain * grad_u
        grad_decay += (grad_u * (before[t] - rest - (x[t] if spec.decay_input else 0.0))).sum()
        grad_h = decay * grad_u
    return torch.stack(spikes), grad_x, grad_decay


@pytest.mark.parametrize(
    ("reset", "detach", "decay_input"), list(product(RESETS, [True, False], [True, False]))
)
def test_asymmetric_thresholds_and_learned_amplitude(reset, detach: bool, decay_input: bool) -> None:
    neuron = TernaryLIF(
        decay=0.7,
        threshold=0.9,
        negative_threshold=0.4,
        learned="amplitude",
        reset=reset[0],
        reset_potential=reset[1],
        detach_reset=detach,
        decay_input=decay_input,
    ).double()
    assert neuron.amplitude is not None
    with torch.no_grad():
        neuron.amplitude.fill_(1.5)
    x, upstream = normal(0).requires_grad_(), normal(1)
    output = neuron(x)
    (upstream * output).sum().backward()
    spikes, grad_x, _ = bptt(neuron.spec, x.detach(), 1.5 * upstream, 0.7)
    assert TERNARY.contains(spikes)
    assert spikes.unique().numel() == 3
    torch.testing.assert_close(output, 1.5 * spikes, rtol=0, atol=0)
    torch.testing.assert_close(x.grad, grad_x, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(neuron.amplitude.grad, (upstream * spikes).sum(), rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("reset", "detach", "decay_input"), list(product(RESETS, [True, False], [True, False]))
)
def test_learned_decay(reset, detach: bool, decay_input: bool) -> None:
    neuron = ParametricLIF(
        reset=reset[0], reset_potential=reset[1], detach_reset=detach, decay_input=decay_input
    ).double()
    with torch.no_grad():
        neuron.w.fill_(0.8)
    decay = neuron.w.sigmoid().item()
    x, upstream = normal(0).requires_grad_(), normal(1)
    spikes = neuron(x)
    (upstream * spikes).sum().backward()
    expected, grad_x, grad_decay = bptt(neuron.spec, x.detach(), upstream, decay)
    assert torch.equal(spikes, expected)
    torch.testing.assert_close(x.grad, grad_x, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(neuron.w.grad, grad_decay * decay * (1 - decay), rtol=1e-10, atol=0)


def test_without_leak() -> None:
    neuron = TernaryIF(negative_threshold=0.6, detach_reset=False)
    x, upstream = normal(0).requires_grad_(), normal(1)
    (upstream * neuron(x)).sum().backward()
    torch.testing.assert_close(
        x.grad, bptt(neuron.spec, x.detach(), upstream, 1.0)[1], rtol=1e-10, atol=1e-12
    )


@pytest.mark.parametrize("scale", [None, 0.8])
@pytest.mark.parametrize("name", SURROGATES)
def test_a_neuron_differentiates_by_the_surrogate_it_was_given(name: str, scale: float | None) -> None:
    x, shifted = normal(0)[:1].requires_grad_(), (normal(0)[:1] - 1.0).requires_grad_()
    IF(surrogate=name, surrogate_scale=scale)(x).sum().backward()
    surrogate(name, scale)(shifted).sum().backward()
    torch.testing.assert_close(x.grad, shifted.grad, rtol=1e-12, atol=0)


def test_gradients_pass_from_call_to_call_through_the_state() -> None:
    neuron, halves, whole = TernaryLIF(), normal(0).requires_grad_(), normal(0).requires_grad_()
    torch.cat([neuron(halves[:3]), neuron(halves[3:])]).sum().backward()
    TernaryLIF()(whole).sum().backward()
    torch.testing.assert_close(halves.grad, whole.grad, rtol=1e-12, atol=0)


def test_integer_counts_pass_the_gradient_straight_through_inside_the_window() -> None:
    x = torch.tensor([[-0.1, 0.0, 0.7, 2.0, 2.1]], requires_grad=True)
    counts = IntegerLIF(levels=4, threshold=0.5)(x)
    counts.sum().backward()
    assert counts.tolist() == [[0.0, 0.0, 1.0, 4.0, 4.0]]
    assert x.grad is not None
    assert x.grad.tolist() == [[0.0, 2.0, 2.0, 2.0, 0.0]]


@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("alphabet", [BINARY, TERNARY], ids=["binary", "ternary"])
def test_the_smooth_neuron_has_its_finite_differences(alphabet, reset) -> None:
    """With the surrogate's primitive for the step nothing may be cut where `detach_reset` is off."""
    spec = NeuronSpec(alphabet, reset=reset[0], reset_potential=reset[1], detach_reset=False)
    smooth = surrogate("sigmoid")
    smooth.set_spiking_mode(False)

    def outputs(x_seq: Tensor, decay: Tensor) -> Tensor:
        state, spikes = torch.zeros_like(x_seq[0]), []
        for x in x_seq:
            spike, state = one_step(
                spec, x, state, Numbers(decay, spec.threshold, spec.threshold, None), smooth
            )
            spikes.append(spike)
        return torch.stack([*spikes, state])

    x = normal(0)[:4, 0, :3].clone().requires_grad_()
    decay = torch.tensor(0.6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(outputs, (x, decay))
