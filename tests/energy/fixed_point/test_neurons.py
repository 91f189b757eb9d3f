"""Neurons on integers: the float neuron's spikes where nothing is rounded, the dense ones event by event, counted."""

from typing import Any

import pytest
import torch
from torch import nn

from snnpd.energy.executor.neurons import run_neuron
from snnpd.energy.fixed_point import FixedNeuron, Format, Leak
from snnpd.energy.fixed_point.neuron import fixed_neuron, leak_of
from snnpd.errors import UsageError
from snnpd.neurons import create_neuron
from tests.energy.executor.networks import as_words, bench, entries
from tests.neurons.dyadic import dyadic

# Six bits of the input and two a step for a leak of 1/4, over four steps: nothing is rounded.
WORD = Format(bits=28, fraction=16)
SHAPE = 4, 3, 5, 2
PER_CHANNEL = (0.5, 0.75)

# name, options; kinds of operations for each element and step: shifts, additions (without resets), comparisons
NEURONS: dict[str, tuple[str, dict[str, Any], tuple[int, int, int]]] = {
    "no leak": ("if", {}, (0, 1, 1)),
    "no leak, soft": ("if", {"reset": "soft"}, (0, 1, 1)),
    "decay 1": ("lif", {"decay": 1.0}, (0, 1, 1)),
    "half": ("lif", {}, (1, 1, 1)),
    "quarter": ("lif", {"decay": 0.25, "threshold": 0.5}, (1, 1, 1)),
    "three quarters": ("lif", {"decay": 0.75, "reset": "soft"}, (1, 2, 1)),
    "rest": ("lif", {"reset_potential": -0.25}, (1, 1, 1)),
    "halved input": ("lif", {"decay_input": True, "threshold": 0.5}, (1, 1, 1)),
    "thresholds of channels": ("lif", {"threshold": PER_CHANNEL}, (1, 1, 1)),
    "ternary": ("ternary_lif", {}, (1, 1, 2)),
    "ternary, no leak, soft": ("ternary_if", {"reset": "soft", "threshold": 0.5}, (0, 1, 2)),
    "lopsided": ("ternary_lif", {"negative_threshold": 0.25, "reset": "soft"}, (1, 1, 2)),
    "lopsided, rest": ("ternary_lif", {"negative_threshold": 0.5, "reset_potential": 0.25}, (1, 1, 2)),
    "integer": ("integer_lif", {"levels": 4, "threshold": 0.5}, (1, 1, 4)),
    "integer, slow": ("integer_lif", {"levels": 3, "decay": 0.75, "threshold": 0.25}, (1, 2, 3)),
    "integer, channels": ("integer_lif", {"levels": 2, "threshold": (0.25, 0.5)}, (1, 1, 2)),
}


def both(name: str) -> tuple[nn.Module, FixedNeuron, torch.Tensor]:
    kind, options, _ = NEURONS[name]
    neuron = create_neuron(kind, implementation="reference", **options)
    return neuron, fixed_neuron(neuron, name, WORD), dyadic(*SHAPE, seed=len(name), dtype=torch.float64)


@pytest.mark.parametrize("name", NEURONS)
def test_the_float_neurons_spikes(name: str) -> None:
    neuron, fixed, x = both(name)
    spikes = neuron(x)
    assert set(range(neuron.alphabet.low, neuron.alphabet.high + 1)) <= set(spikes.unique().tolist())
    assert torch.equal(fixed(x * 2**16), spikes)
    assert fixed.alphabet == neuron.alphabet


@pytest.mark.parametrize("name", NEURONS)
def test_event_by_event(name: str) -> None:
    _, fixed, x = both(name)
    machine = bench(fixed, 4, 3)
    spikes = fixed(x * 2**16)
    assert torch.equal(run_neuron(machine, fixed, as_words(x * 2**16)).dense(), spikes.long())
    shifts, additions, compares = NEURONS[name][2]
    units, silent = spikes.abs().sum((2, 3)).long(), (spikes == 0).sum((2, 3))
    # Ten neurons a sample. A soft reset subtracts once for each unit event, and passes silent neurons over.
    if fixed.reset == "hard":
        units, silent = torch.zeros_like(units), torch.zeros_like(silent)
    none = torch.zeros(4, 3).long().tolist()
    expected = {
        ("layer", "neuron", "ac", 28): ((10 * additions + units).tolist(), silent.tolist()),
        ("layer", "neuron", "compare", 28): ([[10 * compares] * 3] * 4, none),
    }
    if shifts:
        expected["layer", "neuron", "shift", 28] = ([[10 * shifts] * 3] * 4, none)
    assert entries(machine) == expected


def test_leaks_round_down_and_charges_saturate() -> None:
    neuron = create_neuron("lif", decay=0.5, threshold=7.0)
    fixed = fixed_neuron(neuron, "n", Format(4, 0))
    # By hand, words of -8..7: -5 | -5 >> 1 = -3 | -2 - 8 -> -8 | -4 + 7 = 3 | 1 + 7 -> 7: fires.
    x = torch.tensor([-5.0, 0, -8, 7, 7]).double().reshape(5, 1, 1)
    expected = [0, 0, 0, 0, 1]
    assert fixed(x).flatten().tolist() == expected
    seen: list[float] = []
    fixed.saturate.register_forward_hook(lambda module, inputs, output: seen.append(output.item()))
    fixed(x)
    assert seen == [-5, -3, -8, 3, 7]
    assert run_neuron(bench(fixed, 5, 1), fixed, as_words(x)).dense().flatten().tolist() == expected


@pytest.mark.parametrize("places", [3, -2])
def test_an_input_at_another_binary_point(places: int) -> None:
    neuron = create_neuron("lif", threshold=0.0625)
    there, here = (fixed_neuron(neuron, "n", WORD, p) for p in (places, 0))
    x = torch.randint(-(1 << 14), 1 << 15, SHAPE).double()
    moved = (x * 2.0**places).floor()
    assert here(moved).any()
    assert torch.equal(there(x), here(moved))
    assert torch.equal(run_neuron(bench(there, 4, 3), there, as_words(x)).dense(), here(moved).long())


@pytest.mark.parametrize("dim", [1, -3])
def test_channels_of_maps(dim: int) -> None:
    neuron = create_neuron("lif", threshold=PER_CHANNEL, channel_dim=dim, implementation="reference")
    x = dyadic(3, 2, 2, 4, 4, dtype=torch.float64)
    fixed = fixed_neuron(neuron, "n", WORD)
    assert torch.equal(fixed(x * 2**16), neuron(x))
    machine = bench(fixed, 3, 2)
    assert torch.equal(run_neuron(machine, fixed, as_words(x * 2**16)).dense(), fixed(x * 2**16).long())


def test_halves_go_to_the_even_letter() -> None:
    # Bounds 1/2 (up to 0), 3/2 (up to 2), 5/2 (down to 2) of threshold 4: 2, 6, 10.
    fixed = fixed_neuron(create_neuron("integer_lif", levels=3, threshold=4.0), "n", Format(8, 0))
    assert fixed.above.flatten().tolist() == [3, 6, 11]
    assert (
        fixed(torch.arange(-1.0, 13).double()[None, None]).flatten().tolist()
        == [0] * 4 + [1] * 3 + [2] * 5 + [3] * 2
    )


@pytest.mark.parametrize(
    ("decays", "leak"),
    [
        ([], Leak("none")),
        ([1.0], Leak("none")),
        ([0.5], Leak("shift", 1)),
        ([0.125, 0.125], Leak("shift", 3)),
        ([0.75], Leak("shift_and_subtract", 2)),
        ([0.9375], Leak("shift_and_subtract", 4)),
    ],
)
def test_leaks(decays: list[float], leak: Leak) -> None:
    assert leak_of(decays, "here") == leak


@pytest.mark.parametrize("decays", [[0.3], [0.0], [0.5000001], [0.625]])
def test_decays_that_no_shift_does(decays: list[float]) -> None:
    with pytest.raises(UsageError, match=r"^here: no shift does a decay of 0"):
        leak_of(decays, "here")


def test_an_input_that_never_comes_in() -> None:
    with pytest.raises(UsageError, match="n: decay 1 with decay_input lets no input in"):
        fixed_neuron(create_neuron("lif", decay=1.0, decay_input=True), "n", WORD)


ENDS = [([7.0, 7, -8], -1), ([7.0, 7, -7], 0), ([-8.0, -8, 9], 1), ([-8.0, -8, 8], 0)]


@pytest.mark.parametrize(("x", "letter"), ENDS)
def test_both_ends_of_a_word(x: list[float], letter: int) -> None:
    # Words of -8..7 that a threshold of 1 on one side alone can leave: 7 - 8 and -8 + 9 reach it.
    high, low = (99.0, 1.0) if x[0] > 0 else (1.0, 99.0)
    neuron = create_neuron("ternary_if", threshold=high, negative_threshold=low)
    fixed, steps = fixed_neuron(neuron, "n", Format(4, 0)), torch.tensor(x).double().reshape(3, 1, 1)
    assert fixed(steps).flatten().tolist() == [0, 0, letter]
    assert run_neuron(bench(fixed, 3, 1), fixed, as_words(steps)).dense().flatten().tolist() == [0, 0, letter]
