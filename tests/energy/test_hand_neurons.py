"""Neurons of every alphabet, leak and reset, worked out by hand: rule 8, and rule 3 around them."""

import pytest
import torch
from spikingjelly.activation_based import neuron as library
from torch import Tensor, nn

from snnpd.energy.tally import count_batch
from snnpd.neurons import create_neuron
from snnpd.neurons.neighbours import fire_after_sum
from snnpd.projections import LinearNorm, fire_after
from tests.energy.counting import Formula, Totals, placed, totals

# Two steps of one sample, two elements each: 4 elements. A binary neuron of threshold 1 spikes in one element of each
# step, (1, 0) then (0, 1), for every decay and reset below.
CURRENTS = torch.tensor([[[1.0, 0.2]], [[0.4, 1.5]]])


def neuron_of(
    leak: dict[str, int], soft: bool, letters: int = 1, unit_events: int = 2, spiking: int = 2
) -> Totals:
    """4 inputs, a comparison for each letter, the leak; a soft reset subtracts what was spiked."""
    additions = 4 + leak.get("ac", 0) + (unit_events if soft else 0)
    kinds = {"compare": 4 * letters, **{kind: n for kind, n in leak.items() if kind != "ac"}}
    return {"neuron ac f32": (additions, 4 - spiking if soft else 0)} | {
        f"neuron {kind} f32": (n, 0) for kind, n in kinds.items()
    }


NO_LEAK: dict[str, int] = {}
SHIFT, SHIFT_AND_SUBTRACT, MULTIPLY = {"shift": 4}, {"shift": 4, "ac": 4}, {"mac": 4}


@pytest.mark.parametrize("reset", ["hard", "soft"])
@pytest.mark.parametrize(
    ("name", "options", "leak"),
    [
        ("if", {}, NO_LEAK),
        ("lif", {"decay": 0.5}, SHIFT),
        ("lif", {"decay": 0.25}, SHIFT),
        # h − h/4, h − h/8
        ("lif", {"decay": 0.75}, SHIFT_AND_SUBTRACT),
        ("lif", {"decay": 0.875}, SHIFT_AND_SUBTRACT),
        ("lif", {"decay": 0.9}, MULTIPLY),
        ("lif", {"decay": 1.0}, NO_LEAK),
        # the dearest of two channels
        ("lif", {"decay": (0.5, 0.25)}, SHIFT),
        ("lif", {"decay": (0.5, 0.75)}, SHIFT_AND_SUBTRACT),
        ("lif", {"decay": (0.5, 0.3)}, MULTIPLY),
        # σ(0) = ½ exactly; elsewhere a learned decay is any number
        ("plif", {"decay": 0.5}, SHIFT),
        ("plif", {"decay": 0.3}, MULTIPLY),
    ],
)
def test_a_binary_neuron(name: str, options: dict[str, object], leak: dict[str, int], reset: str) -> None:
    neuron = create_neuron(name, reset=reset, **options)
    assert totals(neuron, CURRENTS) == neuron_of(leak, reset == "soft")


@pytest.mark.parametrize("reset", ["hard", "soft"])
@pytest.mark.parametrize(("name", "leak"), [("ternary_if", NO_LEAK), ("ternary_lif", SHIFT)])
def test_a_ternary_neuron(name: str, leak: dict[str, int], reset: str) -> None:
    # 1 and −1, then 0 and −1: three events; two comparisons
    currents = torch.tensor([[[1.0, -1.0]], [[0.2, -1.0]]])
    expected = neuron_of(leak, reset == "soft", letters=2, unit_events=3, spiking=3)
    assert totals(create_neuron(name, reset=reset), currents) == expected


def test_an_integer_neuron() -> None:
    # 2.2 and 0.3 give 2 and 0, then ½ · 0.2 + 9 and ½ · 0.3 + 0.4 give 4 (the ceiling) and round(0.55) = 1: 7 unit
    # events in 3 elements, subtracted; four comparisons
    currents = torch.tensor([[[2.2, 0.3]], [[9.0, 0.4]]])
    model = nn.Sequential(create_neuron("integer_lif", levels=4), nn.Linear(2, 3))
    expected = neuron_of(SHIFT, True, letters=4, unit_events=7, spiking=3)
    assert totals(model, currents) == expected | {"linear ac f32": (21, 3)}


@pytest.mark.parametrize(
    ("node", "leak", "soft"),
    [
        (library.IFNode(step_mode="m"), NO_LEAK, False),
        (library.IFNode(v_reset=None, step_mode="m"), NO_LEAK, True),
        (library.LIFNode(tau=2.0, decay_input=False, step_mode="m"), SHIFT, False),
        # v − v/4
        (library.LIFNode(tau=4.0, decay_input=False, v_reset=None, step_mode="m"), SHIFT_AND_SUBTRACT, True),
        (library.LIFNode(tau=3.0, decay_input=False, step_mode="m"), MULTIPLY, False),
        (library.ParametricLIFNode(init_tau=2.0, decay_input=False, step_mode="m"), SHIFT, False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_nodes_of_spikingjelly(node: nn.Module, leak: dict[str, int], soft: bool) -> None:
    expected = neuron_of(leak, soft) | {"linear ac f32": (6, 6)}
    assert totals(nn.Sequential(node, nn.Linear(2, 3)), CURRENTS) == expected


@pytest.mark.parametrize("kind", [library.TernaryIFNode, library.TernaryLIFNode])
def test_ternary_nodes_of_spikingjelly(kind: type[nn.Module]) -> None:
    # 9 and −9 spike at once, whatever the leak and the thresholds; 0 is silent at the second step
    node = kind(step_mode="m")
    currents = torch.tensor([[[9.0, -9.0]], [[0.0, -9.0]]])
    found = totals(nn.Sequential(node, nn.Linear(2, 3)), currents)
    assert found["neuron compare f32"] == (8, 0)
    assert found["linear ac f32"] == (9, 3)


def test_spikes_of_each_time_step_and_sample() -> None:
    # [T, B, C] = 2 · 2 · 1, soft reset: sample 0 spikes at the second step (0.6 + 0.6), sample 1 at the first
    currents = torch.tensor([[[0.6], [1.0]], [[0.6], [0.1]]])
    model = nn.Sequential(create_neuron("if", reset="soft"), nn.Linear(1, 5, bias=False))
    assert placed(count_batch(model, currents)) == {
        "0 neuron ac f32": ([[1, 2], [2, 1]], [[1, 0], [0, 1]]),
        "0 neuron compare f32": ([[1, 1], [1, 1]], [[0, 0], [0, 0]]),
        "1 linear ac f32": ([[0, 5], [5, 0]], [[5, 0], [0, 5]]),
    }


def test_a_learned_amplitude_folds_into_the_next_weights() -> None:
    neuron = create_neuron("lif", learned="amplitude")
    neuron.amplitude.data.fill_(0.3)
    found = totals(nn.Sequential(neuron, nn.Linear(2, 3)), CURRENTS)
    assert found == neuron_of(SHIFT, False) | {"linear ac f32": (6, 6)}


def test_what_a_neuron_takes_into_its_pass() -> None:
    # a batch-norm behind the map folds; the residual sum has 4 elements
    def plain(x: Tensor, map: nn.Module, neuron: nn.Module, last: nn.Module) -> Tensor:
        return last(neuron(map(x)) + x)

    def fused(x: Tensor, map: nn.Module, neuron: nn.Module, last: nn.Module) -> Tensor:
        fire_after(map, neuron, x, None)
        return fire_after_sum(last, x, x)[0]

    parts = {"map": LinearNorm(2, 2).eval(), "neuron": create_neuron("if"), "last": create_neuron("if")}
    parts["map"].linear.weight.data = torch.eye(2) * 1.01
    x = CURRENTS.unsqueeze(2)
    # 2 maps of 2 · 2 words, twice 4 elements of a neuron, a sum of 4 words
    both = {"linear mac f32": (8, 0), "neuron ac f32": (8, 0), "neuron compare f32": (8, 0)}
    assert totals(Formula(fused, **parts), x) == both | {"residual ac f32": (4, 0)}
    # and as the modules write it, spikes on words: the two that are not zero
    assert totals(Formula(plain, **parts), x) == both | {"residual ac f32": (2, 2)}
