"""What the fused neurons must not do at the edges of their use."""

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from snnpd.errors import UsageError
from snnpd.neurons import LIF, TernaryLIF, fused, op, reference
from snnpd.neurons.fused import Before
from snnpd.neurons.neighbours import fire_after_norm, fire_after_sum
from snnpd.projections import LinearNorm, fire_after


@pytest.mark.parametrize("keeps_state", [False, True])
def test_training_after_an_evaluation_in_inference_mode(keeps_state: bool) -> None:
    neuron = LIF(decay=0.3125, implementation="cpu")  # a declaration that nothing else has made tables of
    with torch.inference_mode():
        neuron(torch.ones(3, 4))
    if not keeps_state:
        neuron.reset()
    x = torch.ones(3, 4).requires_grad_()
    neuron(x).sum().backward()
    assert x.grad is not None
    assert x.grad.count_nonzero() > 0


def test_a_fake_call_leaves_nothing_behind() -> None:
    with FakeTensorMode():
        LIF(decay=0.34375)(torch.empty(3, 4))
    assert LIF(decay=0.34375)(torch.ones(3, 4)).count_nonzero() > 0


def test_a_second_derivative_is_refused_not_left_out() -> None:
    x = torch.rand(4, 5).requires_grad_()
    with pytest.raises(UsageError, match="no second derivative"):
        torch.autograd.grad(LIF(implementation="cpu")(x * x).sum(), x, create_graph=True)


def test_one_value_a_channel_is_refused_as_by_the_module() -> None:
    norm = nn.BatchNorm1d(3)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        fire_after_norm(norm, LIF(implementation="cpu"), torch.ones(1, 1, 1, 3), -1)
    assert norm.running_var is not None
    assert norm.running_var.isfinite().all()


@pytest.mark.parametrize("train", [True, False])
def test_an_empty_batch(train: bool) -> None:
    norm = nn.BatchNorm1d(3).train(train)
    assert fire_after_norm(norm, LIF(implementation="cpu"), torch.ones(2, 0, 1, 3), -1).shape == (2, 0, 1, 3)
    x, skip = (torch.ones(2, 0, 3).requires_grad_() for _ in range(2))
    before = Before(scale=torch.ones(3), shift=torch.zeros(3), skip=skip)
    fused.run("cpu", LIF().spec, x, None, fused.Values(), "lean", before).spikes.sum().backward()
    assert skip.grad is not None
    assert skip.grad.shape == skip.shape


@pytest.mark.parametrize("register", ["register_forward_pre_hook", "register_full_backward_hook"])
def test_hooks_of_a_projection_are_called(register: str) -> None:
    projection, seen = LinearNorm(4, 4), []
    getattr(projection, register)(lambda *given: seen.append(1))
    fire_after(
        projection, LIF(implementation="cpu"), torch.randn(2, 3, 4, 4).requires_grad_(), None
    ).sum().backward()
    assert seen == [1]


def test_a_hook_before_the_neuron_sees_what_it_integrates() -> None:
    norm, neuron, seen = nn.BatchNorm1d(4), LIF(implementation="cpu"), []
    neuron.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    fire_after_norm(norm, neuron, torch.randn(2, 3, 5, 4) + 10, -1)
    assert seen[0].mean().abs() < 1e-5


@pytest.mark.parametrize("before", ["skip", "affine skip"])
def test_both_operators_keep_the_rules_of_torch_with_a_sum(before: str) -> None:
    given = [torch.randn(2, 3, 4).requires_grad_(), torch.zeros(3, 4), torch.ones(8, 1).requires_grad_()]
    skip, numbers = torch.randn(2, 3, 4).requires_grad_(), fused.equation_numbers(LIF().spec)
    arguments = (*given, skip, -1, numbers, "affine" in before, False, "lean", 48, "cpu")
    torch.library.opcheck(op.neuron, arguments, test_utils=("test_schema", "test_faketensor"))
    spikes, _, potentials, total = op.neuron(*arguments)
    x, state, values = (t.detach() for t in given)
    back = (
        spikes.detach(),
        None,
        None,
        x,
        state,
        values,
        potentials.detach(),
        total.detach(),
        *arguments[4:],
    )
    torch.library.opcheck(op.neuron_backward, back, test_utils=("test_schema", "test_faketensor"))


def test_a_learned_threshold_is_the_negative_one_too() -> None:
    grads = []
    for implementation in ("cpu", "reference"):
        neuron = TernaryLIF(learned="threshold", implementation=implementation)
        neuron(torch.randn(4, 300, generator=torch.Generator().manual_seed(0))).square().sum().backward()
        grads.append(neuron.log_threshold.grad)
    torch.testing.assert_close(*grads)


def test_what_is_learned_learns_from_an_input_without_gradient() -> None:
    neuron = LIF(learned="decay", implementation="cpu")
    neuron(torch.rand(4, 50)).sum().backward()
    assert neuron.w.grad != 0


def test_state_and_sum_lie_as_the_input_does() -> None:
    x = (
        torch.randn(4, 2, 3, 5, 5)
        .flatten(0, 1)
        .contiguous(memory_format=torch.channels_last)
        .view(4, 2, 3, 5, 5)
    )
    state, skip = torch.randn(2, 3, 5, 5), torch.randn(4, 2, 3, 5, 5)
    outcome = fused.run("cpu", LIF().spec, x, state, fused.Values(), "lean", Before(skip=skip))
    assert torch.equal(outcome.total, x + skip)
    assert torch.equal(outcome.spikes, reference.run(LIF().spec, x + skip, state)[0])


@pytest.mark.parametrize(("sizes", "dtype"), [((4, 2, 3), torch.float32), ((1, 2, 3), torch.bfloat16)])
def test_sums_of_other_types_and_shapes_are_left_to_torch(sizes, dtype: torch.dtype) -> None:
    x, skip, neuron = torch.randn(4, 2, 3).bfloat16(), torch.randn(sizes).to(dtype), LIF(implementation="cpu")
    spikes, total = fire_after_sum(neuron, x, skip)
    assert torch.equal(total, x + skip)
    assert total.dtype == (x + skip).dtype
    assert torch.equal(spikes, LIF(implementation="reference")(total))


def test_one_step_at_a_time_is_not_fused() -> None:
    neuron, x = LIF(implementation="cpu", step_mode="s"), torch.randn(6, 3, 4)
    spikes, total = fire_after_sum(neuron, x, x)
    assert torch.equal(total, 2 * x)
    assert torch.equal(spikes, LIF(step_mode="s")(2 * x))


def test_not_a_number_stays_one() -> None:
    x = torch.full((2, 3), torch.nan, dtype=torch.bfloat16).requires_grad_()
    outcome = fused.run(
        "cpu", LIF().spec, x, None, fused.Values(), "lean", Before(skip=torch.zeros(2, 3).bfloat16())
    )
    assert outcome.total.isnan().all()
    x = torch.full((2, 3), torch.nan).requires_grad_()
    LIF(reset="soft", implementation="cpu")(x).sum().backward()
    assert x.grad.isnan().all()


def test_a_wide_part_of_a_wider_tensor_behind_a_norm() -> None:
    wide, grads = torch.randn(3, 40, 9, 24), []
    for implementation in ("cpu", "reference"):
        x, norm = wide.clone().requires_grad_(), nn.BatchNorm1d(8)
        spikes = fire_after_norm(norm, LIF(implementation=implementation), x[..., 4:12], -1)
        (spikes * wide[..., :8]).sum().backward()
        grads.append((spikes, x.grad, norm.weight.grad, norm.bias.grad))
    for ours, expected in zip(*grads, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5)
