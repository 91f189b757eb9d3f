"""The laws that every neuron keeps; a new neuron inherits them by giving `make`."""

import copy
import pickle
from collections.abc import Callable

import pytest
import torch
from spikingjelly.activation_based import functional
from spikingjelly.activation_based.base import to_functional_forward

from snnpd.errors import UsageError
from snnpd.neurons import IF, LIF, IntegerLIF, ParametricLIF, TernaryIF, TernaryLIF
from snnpd.neurons.base import Neuron
from snnpd.spikes import BINARY, TERNARY, Alphabet, integer
from tests.neurons.dyadic import dyadic

T, B, N = 6, 3, 40


class NeuronContract:
    """`make` gives a fresh neuron; the inputs are dyadic, so equality is to the last bit."""

    make: Callable[..., Neuron]
    alphabet: Alphabet

    def test_emits_every_letter_of_its_alphabet_and_nothing_else(self) -> None:
        neuron = self.make()
        spikes = neuron(dyadic(T, B, N))
        assert neuron.alphabet == self.alphabet
        assert self.alphabet.contains(spikes)
        assert spikes.unique().tolist() == list(self.alphabet.values)

    def test_samples_do_not_see_their_batch_mates(self) -> None:
        x = dyadic(T, B, N)
        together = self.make()(x)
        apart = [self.make()(x[:, i : i + 1]) for i in range(B)]
        assert torch.equal(together, torch.cat(apart, dim=1))

    @pytest.mark.parametrize("t", [0, T // 2])
    def test_what_comes_later_changes_nothing_before(self, t: int) -> None:
        x, other = dyadic(T, B, N), dyadic(T, B, N, seed=1)
        other[: t + 1] = x[: t + 1]
        one, two = self.make()(x), self.make()(other)
        assert torch.equal(one[: t + 1], two[: t + 1])
        assert not torch.equal(one[t + 1 :], two[t + 1 :])

    def test_reset_starts_afresh_and_without_it_the_state_carries_on(self) -> None:
        neuron, x = self.make(), dyadic(2 * T, B, N)
        whole = neuron(x)
        functional.reset_net(neuron)
        first, second = neuron(x[:T]), neuron(x[T:])
        assert torch.equal(whole, torch.cat([first, second]))
        functional.reset_net(neuron)
        assert torch.equal(first, neuron(x[:T]))
        functional.reset_net(neuron)
        assert not torch.equal(second, neuron(x[T:]))

    def test_single_steps_are_the_same_neuron(self) -> None:
        x, stepper = dyadic(T, B, N), self.make(step_mode="s")
        assert torch.equal(self.make()(x), torch.stack([stepper(step) for step in x]))
        functional.reset_net(stepper)
        functional.set_step_mode(stepper, "m")
        assert torch.equal(self.make()(x), stepper(x))

    def test_state_can_be_passed_by_hand(self) -> None:
        x, neuron = dyadic(2 * T, B, N), self.make()
        advance = to_functional_forward(neuron)
        (first,), state = advance((x[:T],), (neuron.v,))
        (second,), _ = advance((x[T:],), state)
        assert torch.equal(self.make()(x), torch.cat([first, second]))
        assert neuron.v == 0.0

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
    def test_dtypes(self, dtype: torch.dtype) -> None:
        neuron = self.make()
        spikes = neuron(dyadic(T, B, N, dtype=dtype))
        assert spikes.dtype == dtype
        assert neuron.v.dtype == torch.promote_types(dtype, torch.float32)
        assert torch.equal(spikes.double(), self.make()(dyadic(T, B, N, dtype=torch.float64)))

    def test_autocast(self) -> None:
        neuron, x = self.make(), dyadic(T, B, N, dtype=torch.bfloat16).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16):
            spikes = neuron(x)
        spikes.sum().backward()
        assert spikes.dtype == torch.bfloat16
        assert neuron.v.dtype == torch.float32
        assert torch.equal(spikes, self.make()(x))
        assert x.grad is not None
        assert x.grad.isfinite().all()

    @pytest.mark.parametrize("detach_reset", [True, False])
    def test_gradients_are_finite_and_not_zero(self, detach_reset: bool) -> None:
        neuron, x = self.make(detach_reset=detach_reset), dyadic(T, B, N).requires_grad_()
        neuron(x).square().sum().backward()
        for leaf in (x, *neuron.parameters()):
            assert leaf.grad is not None
            assert leaf.grad.isfinite().all()
            assert leaf.grad.count_nonzero() > 0

    def test_state_dict_round_trip(self) -> None:
        one, two, x = self.make(), self.make(), dyadic(T, B, N)
        with torch.no_grad():
            for parameter in one.parameters():
                parameter += 0.75
        two.load_state_dict(one.state_dict(), strict=True)
        assert torch.equal(one(x), two(x))

    def test_a_potential_at_the_threshold_fires(self) -> None:
        x = torch.tensor([[0.5], [-0.5]])
        expected = [[1.0], [float(max(self.alphabet.low, -1))]]
        assert self.make(threshold=0.5, step_mode="s")(x).tolist() == expected

    @pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda n: pickle.loads(pickle.dumps(n))])
    def test_copies_after_a_forward_with_gradients(self, duplicate) -> None:
        neuron, x = self.make(), dyadic(2 * T, B, N).requires_grad_()
        first = neuron(x[:T])
        twin = duplicate(neuron)
        assert not twin.v.requires_grad
        assert torch.equal(neuron(x[T:]), twin(x[T:].detach()))
        first.sum().backward()
        assert x.grad is not None
        assert x.grad.count_nonzero() > 0

    def test_detach_net_cuts_the_past(self) -> None:
        neuron, x = self.make(), dyadic(2 * T, B, N).requires_grad_()
        neuron(x[:T])
        functional.detach_net(neuron)
        neuron(x[T:]).sum().backward()
        assert x.grad is not None
        assert x.grad[:T].count_nonzero() == 0
        assert x.grad[T:].count_nonzero() > 0

    def test_a_state_of_another_shape_is_refused(self) -> None:
        neuron = self.make()
        neuron(dyadic(T, B, N))
        with pytest.raises(UsageError, match=r"state has shape \(3, 40\) .* has \(2, 40\): call .*reset_net"):
            neuron(dyadic(T, 2, N))

    @pytest.mark.parametrize(
        ("x", "message"),
        [
            (torch.zeros(0, B, N), "at least one time step: got an input of shape \\(0, 3, 40\\)"),
            (torch.tensor(1.0), "at least one time step: got an input of shape \\(\\)"),
            (torch.ones(T, B, dtype=torch.int64), "floating-point input, got torch.int64: use .float\\(\\)"),
        ],
    )
    def test_inputs_that_are_no_sequence_of_currents_are_refused(self, x, message: str) -> None:
        with pytest.raises(UsageError, match=message):
            self.make()(x)


class TestIF(NeuronContract):
    make, alphabet = IF, BINARY


class TestLIF(NeuronContract):
    make, alphabet = LIF, BINARY


class TestParametricLIF(NeuronContract):
    make, alphabet = ParametricLIF, BINARY


class TestTernaryIF(NeuronContract):
    make, alphabet = TernaryIF, TERNARY


class TestTernaryLIF(NeuronContract):
    make, alphabet = TernaryLIF, TERNARY


class TestIntegerLIF(NeuronContract):
    alphabet = integer(4)

    @staticmethod
    def make(**options) -> IntegerLIF:
        return IntegerLIF(**({"threshold": 0.5} | options))


class TestTernaryLIFWithAmplitude(NeuronContract):
    """The amplitude is 1 at the start, so the laws on letters hold there too."""

    alphabet = TERNARY

    @staticmethod
    def make(**options) -> TernaryLIF:
        return TernaryLIF(learned="amplitude", **options)


class TestAsymmetricTernaryLIF(NeuronContract):
    alphabet = TERNARY

    @staticmethod
    def make(**options) -> TernaryLIF:
        return TernaryLIF(**({"negative_threshold": 0.5, "reset": "soft"} | options))
