"""Batch-norm and residual sum in the neuron's pass: the same numbers as the modules one after the other."""

import copy

import pytest
import torch
from torch import Tensor, nn

from snnpd.neurons import LIF, TernaryLIF, firing_rates
from snnpd.neurons.base import Neuron
from snnpd.neurons.neighbours import fire_after_norm, fire_after_sum
from snnpd.projections import LinearNorm, fire_in_parts

TOKENS, MAPS = (4, 6, 9, 12), (4, 6, 12, 5, 5)


def subject(sizes: tuple[int, ...], implementation: str, dtype=torch.float64, **options):
    """Norm, neuron and input, the same for every implementation."""
    torch.manual_seed(1)
    norm = (nn.BatchNorm1d if len(sizes) == 4 else nn.BatchNorm2d)(12, **options).to(dtype)
    if norm.affine:
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.uniform_(norm.bias, -0.5, 0.5)
    neuron = TernaryLIF(learned="decay", implementation=implementation, detach_reset=False).to(dtype)
    return norm, neuron, (2 * torch.randn(sizes, dtype=dtype) + 0.5).requires_grad_()


def after_norm(implementation: str, sizes, train: bool, **options) -> dict[str, Tensor]:
    norm, neuron, x = subject(sizes, implementation, **options)
    norm.train(train)
    for _ in range(2):
        neuron.reset()
        spikes = fire_after_norm(norm, neuron, x, -1 if len(sizes) == 4 else -3)
    (spikes * torch.randn(sizes, generator=torch.Generator().manual_seed(2))).sum().backward()
    seen = {"spikes": spikes, "x": x.grad, "state": neuron.v, "decay": neuron.w.grad}
    seen |= {name: p.grad for name, p in norm.named_parameters()}
    return seen | dict(norm.named_buffers())


OPTIONS = [{}, {"momentum": None}, {"affine": False}, {"track_running_stats": False}, {"eps": 0.5}]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("sizes", [TOKENS, MAPS])
def test_after_a_batch_norm(sizes, train: bool, options: dict) -> None:
    ours, expected = (after_norm(name, sizes, train, **options) for name in ("cpu", "reference"))
    assert ours.keys() == expected.keys()
    assert ours["spikes"].count_nonzero() > 0
    assert torch.equal(ours["spikes"], expected["spikes"])
    for name, tensor in expected.items():
        torch.testing.assert_close(ours[name], tensor, rtol=1e-9, atol=1e-11, msg=name)


def in_parts(implementation: str, train: bool, options: dict) -> dict[str, Tensor]:
    torch.manual_seed(3)
    projection = LinearNorm(12, 36).double()
    projection.norm = nn.BatchNorm1d(36, **options).double()
    neurons = [TernaryLIF(implementation=implementation), LIF(implementation=implementation), nn.Identity()]
    x = torch.randn(TOKENS, dtype=torch.float64).requires_grad_()
    projection.train(train)
    for _ in range(3):
        for neuron in neurons[:2]:
            neuron.reset()
        parts = fire_in_parts(projection, neurons, x, None)
    sum((part * (n + 1) * x.detach().roll(n)).sum() for n, part in enumerate(parts)).backward()
    seen = {"q": parts[0], "k": parts[1], "v": parts[2], "x": x.grad}
    seen |= {name: p.grad for name, p in projection.named_parameters()}
    return seen | dict(projection.named_buffers())


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("train", [True, False])
def test_parts_of_a_projection_with_neurons_of_their_own(train: bool, options: dict) -> None:
    ours, expected = (in_parts(name, train, options) for name in ("cpu", "reference"))
    assert ours.keys() == expected.keys()
    for name in "qk":
        assert ours[name].count_nonzero() > 0
        assert torch.equal(ours[name], expected[name])
    for name, tensor in expected.items():
        torch.testing.assert_close(ours[name], tensor, rtol=1e-9, atol=1e-11, msg=name)
    if train and options.get("track_running_stats", True):
        assert ours["norm.num_batches_tracked"] == 3


@pytest.mark.parametrize("grads", [("spikes",), ("total",), ("spikes", "total")])
def test_after_a_sum(grads) -> None:
    seen = []
    for implementation in ("cpu", "reference"):
        _, neuron, x = subject(TOKENS, implementation)
        skip = (x.detach().flip(0) / 2).requires_grad_()
        spikes, total = fire_after_sum(neuron, x, skip)
        outputs = {"spikes": spikes, "total": total}
        torch.stack(
            [(outputs[name] * x.detach().roll(i)).sum() for i, name in enumerate(grads)]
        ).sum().backward()
        seen.append((spikes, total, x.grad, skip.grad))
    for ours, expected in zip(*seen, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-12)
    assert seen[0][0].count_nonzero() > 0


def test_the_normalised_tensor_is_never_written() -> None:
    """What backward keeps for the pair is the norm's input, and nothing else of its size."""
    norm, neuron, x = subject(TOKENS, "cpu")
    neuron.memory = "lean"
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        fire_after_norm(norm, neuron, x, -1)
    large = {t.data_ptr() for t in kept if t.numel() == x.numel()}
    assert large == {x.data_ptr()}


@pytest.mark.parametrize(("memory", "dtype", "num_bytes"), [
    ("lean", torch.float32, 4), ("lean", torch.bfloat16, 2), ("fast", torch.float32, 4), ("fast", torch.bfloat16, 4),
])  # fmt: skip
def test_lean_keeps_the_input_and_fast_the_potentials(
    memory: str, dtype: torch.dtype, num_bytes: int
) -> None:
    kept = []
    x = torch.randn(4, 5, 100, dtype=dtype).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        LIF(memory=memory, implementation="cpu")(x)
    large = {t.data_ptr(): t for t in kept if t.numel() == x.numel()}
    assert sum(t.numel() * t.element_size() for t in large.values()) == num_bytes * x.numel()
    assert (x.data_ptr() in large) == (memory == "lean")


@pytest.mark.parametrize("listened", ["norm", "neuron"])
def test_hooks_are_called_and_change_nothing(listened: str) -> None:
    norm, neuron, x = subject(TOKENS, "cpu")
    quiet = fire_after_norm(copy.deepcopy(norm), copy.deepcopy(neuron), x, -1)
    seen: list[Tensor] = []
    watched = norm if listened == "norm" else neuron
    watched.register_forward_hook(lambda module, inputs, output: seen.append(output))
    assert torch.equal(fire_after_norm(norm, neuron, x, -1), quiet)
    assert len(seen) == 1


def test_rates_are_counted_behind_a_sum() -> None:
    neuron, x = LIF(implementation="cpu"), torch.ones(4, 2, 3, 5)
    with firing_rates(neuron) as rates:
        spikes, total = fire_after_sum(neuron, x, x)
    assert rates == {"LIF": 1.0}
    assert torch.equal(total, 2 * x)
    assert torch.equal(spikes, x)


class Doubler(nn.BatchNorm1d):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


def test_what_is_no_plain_batch_norm_is_called_as_it_is() -> None:
    _, neuron, x = subject(TOKENS, "cpu")
    spikes = fire_after_norm(Doubler(12).double(), neuron, x, -1)
    neuron.reset()
    assert torch.equal(spikes, neuron(Doubler(12).double()(x.flatten(0, 2)).view(x.shape)))
    assert spikes.count_nonzero() > 0


def test_other_channels_than_the_norms_are_not_fused() -> None:
    neuron = LIF(learned="decay", channels=5, channel_dim=-1)
    x = torch.randn(MAPS)
    assert isinstance(neuron, Neuron)
    assert not neuron.can_fuse(x, -3)
    assert neuron.can_fuse(x, -1)
    norm = nn.BatchNorm2d(12)
    expected = neuron(norm(x.flatten(0, 1)).view(MAPS))
    neuron.reset()
    assert torch.equal(fire_after_norm(norm, neuron, x, -3), expected)
