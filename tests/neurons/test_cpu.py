"""The kernels of the CPU compute what the reference computes, to the last bit where arithmetic is exact."""

import subprocess
import sys

import pytest
import torch

from snnpd.neurons import LIF, TernaryLIF, explain, fused, layout, op, reference
from snnpd.neurons.spec import NeuronSpec
from snnpd.spikes import BINARY, TERNARY
from tests.neurons.dyadic import dyadic
from tests.neurons.pairs import KINDS, Case, agree, all_specs, by_kernel, by_reference, make_spec, trace

# One rounding of a result in the type of the input, or of an exponential in the type of the state.
TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-6, torch.bfloat16: 2**-7}
DTYPES = list(TOLERANCE)


@pytest.fixture(autouse=True)
def _outputs_start_as_nan(monkeypatch):
    original = op.empty_like

    def not_a_number(*arguments):
        return original(*arguments).fill_(torch.nan)

    monkeypatch.setattr(op, "empty_like", not_a_number)


def check(case: Case) -> None:
    agree(trace(case, by_kernel("cpu")), trace(case, by_reference), case.is_exact, TOLERANCE[case.dtype])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("memory", ["fast", "lean"])
def test_every_declaration(memory: str, dtype: torch.dtype) -> None:
    for spec in all_specs():
        check(Case(spec, (3, 3, 33), dtype, memory))


@pytest.mark.parametrize("num_steps", [1, 2, 7, 64])
@pytest.mark.parametrize("size", [1, 33, 63, 100, 4099])
def test_lengths_and_sizes(num_steps: int, size: int) -> None:
    # A leak of 1/2 gives the gradient a binary digit a step: without it, 64 steps stay exact.
    leak = {"decay": None} if num_steps == 64 else {}
    for alphabet, reset in KINDS:
        # A neuron alone may be silent for a while: sixteen of its kind are not.
        check(
            Case(make_spec(alphabet, reset, **leak), (num_steps, 16 if size == 1 else 1, size), memory="lean")
        )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("before", ["nothing", "affine", "skip", "affine skip"])
@pytest.mark.parametrize("channels", [None, 10])
def test_what_is_learned_and_what_comes_before(channels, before: str, dtype: torch.dtype) -> None:
    for alphabet, reset in KINDS:
        for memory, detach in [("fast", True), ("lean", False)]:
            spec = make_spec(alphabet, reset, detach_reset=detach, decay_input=detach)
            case = Case(spec, (3, 7, 5, 10), dtype, memory, True, channels, before)
            check(case)


@pytest.mark.parametrize("spec", all_specs(decay=None, decay_input=False)[::7])
def test_without_a_leak(spec: NeuronSpec) -> None:
    check(Case(spec, (5, 2, 40)))


LAYOUTS = {
    "contiguous": (lambda x: x.contiguous(), 0),
    "channels last": (
        lambda x: x.flatten(0, 1).contiguous(memory_format=torch.channels_last).view(x.shape),
        0,
    ),
    "transposed": (lambda x: x.transpose(2, 4).contiguous().transpose(2, 4), 0),
    "expanded over time": (lambda x: x[:1].expand_as(x), 0),
    "part of a wider dimension": (lambda x: torch.cat([x, x, x], -1)[..., 4:8], 0),
    "every other element": (lambda x: x.repeat_interleave(2, -1)[..., ::2], 1),
    "two gaps": (lambda x: torch.cat([torch.cat([x, x], 2), torch.cat([x, x], 2)], -1)[:, :, 1:4, :, 2:6], 1),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_are_read_where_they_lie_or_the_copy_is_counted(name: str) -> None:
    arrange, num_copies = LAYOUTS[name]
    source = dyadic(4, 2, 3, 5, 4)
    x, y = arrange(source).detach().requires_grad_(), arrange(source).detach().requires_grad_()
    before = layout.copies["input"]
    spec = make_spec(TERNARY, "hard", threshold=tuple(0.25 + c / 4 for c in range(3)), channel_dim=-3)
    spikes, state, _ = fused.run("cpu", spec, x, None, fused.Values(), "lean")
    assert layout.copies["input"] == before + num_copies
    expected, expected_state = reference.run(spec, y)
    assert torch.equal(spikes, expected)
    assert torch.equal(state, expected_state)
    assert spikes.count_nonzero() > 0
    weights = dyadic(*spikes.shape, seed=1)
    (spikes * weights).sum().backward()
    (expected * weights).sum().backward()
    assert torch.equal(x.grad, y.grad)


def test_spikes_keep_the_layout_of_their_input() -> None:
    x = dyadic(2, 3, 8, 4, 4).flatten(0, 1).contiguous(memory_format=torch.channels_last).view(2, 3, 8, 4, 4)
    assert LIF()(x).stride() == x.stride()


def test_threads_change_nothing() -> None:
    x, outcomes = torch.randn(4, 32, 4099), []
    for threads in (1, 2):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        leaf = x.clone().requires_grad_()
        spikes = TernaryLIF(learned=("decay", "threshold"))(leaf)
        spikes.sum().backward()
        outcomes.append((spikes, leaf.grad))
        torch.set_num_threads(before)
    assert torch.equal(outcomes[0][0], outcomes[1][0])
    assert torch.equal(outcomes[0][1], outcomes[1][1])


@pytest.mark.parametrize("alphabet", [BINARY, TERNARY])
def test_noise_flips_no_more_than_one_spike_in_a_million(alphabet) -> None:
    """One fused rounding for two: a potential within a last place of its threshold may fall on its other side."""
    spec = NeuronSpec(alphabet, decay=0.7, reset="soft")
    x = torch.randn(8, 250_000)
    ours = fused.run("cpu", spec, x, None, fused.Values()).spikes
    flipped = (ours != reference.run(spec, x)[0]).sum()
    assert ours.count_nonzero() > 100_000
    assert flipped <= 1e-6 * x.numel()


@pytest.mark.parametrize(
    ("what", "planted"),
    [
        ("thresholds", {"threshold": 0.515625}),
        ("reset", {"reset_potential": 0.140625}),
        ("leak", {"decay": 0.515625}),
        ("surrogate", {"surrogate_scale": 0.515625}),
        ("cut", {"detach_reset": False}),
    ],
)
def test_the_judge_rejects_a_planted_error(what: str, planted: dict) -> None:
    right, wrong = (Case(make_spec(TERNARY, "hard", **more), (4, 3, 40)) for more in ({}, planted))
    with pytest.raises(AssertionError, match="differs"):
        agree(trace(wrong, by_kernel("cpu")), trace(right, by_reference), True, 0.0)


# What torch runs for this looks at gradients of tensors that are no leaves.
@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")
@pytest.mark.parametrize("before", ["nothing", "affine skip"])
def test_the_operator_keeps_the_rules_of_torch(before: str) -> None:
    case = Case(make_spec(TERNARY, "hard"), (2, 3, 4), learned=True, before=before)
    seen = []
    original = fused.run_operator

    def note(*arguments):
        seen.append(arguments)
        return original(*arguments)

    fused.run_operator = note
    try:
        trace(case, by_kernel("cpu"))
    finally:
        fused.run_operator = original
    arguments = [
        a.detach().clone().requires_grad_(a.requires_grad) if isinstance(a, torch.Tensor) else a
        for a in seen[0]
    ]
    torch.library.opcheck(op.neuron, arguments, raise_exception=True)


COMPILED = """
import torch
from snnpd.neurons import TernaryLIF
torch.manual_seed(0)
neuron, x = TernaryLIF(learned="threshold", memory="lean"), torch.randn(4, 3, 40)
expected = neuron(x)
neuron.reset()
compiled = torch.compile(neuron, fullgraph=True, backend="aot_eager")
leaf = x.clone().requires_grad_()
spikes = compiled(leaf)
spikes.sum().backward()
assert torch.equal(spikes, expected) and spikes.count_nonzero() > 0 and leaf.grad.count_nonzero() > 0
"""


def test_a_compiled_module_is_one_graph() -> None:
    # In a process of its own: the compiler cannot look through the signature checks of the tests.
    done = subprocess.run([sys.executable, "-c", COMPILED], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_half_precision_says_why_it_is_slow() -> None:
    assert "no CPU kernel for torch.float16" in explain(LIF(), torch.zeros(2, 3, dtype=torch.float16))
