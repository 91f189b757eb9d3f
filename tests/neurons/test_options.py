"""Options reach the neuron; wrong ones are refused in one line; the table and the face are complete."""

import math

import pytest
from torch import nn

import snnpd.neurons
from snnpd.errors import UsageError
from snnpd.neurons import IF, LIF, IntegerLIF, ParametricLIF, create_neuron, decay_from_tau, list_neurons
from snnpd.neurons.learned import values
from snnpd.neurons.spec import NeuronSpec
from snnpd.registry import accepted_options
from snnpd.spikes import TERNARY, integer

NOT_THE_DEFAULT = {
    "decay": 0.25,
    "threshold": 0.75,
    "negative_threshold": 0.6,
    "reset_potential": 0.125,
    "detach_reset": False,
    "surrogate": "atan",
    "surrogate_scale": 3.0,
    "decay_input": True,
}
SHARED = ("learned", "channels", "channel_dim", "memory", "implementation", "step_mode")


def test_the_table_has_every_neuron() -> None:
    assert list_neurons() == ["if", "integer_lif", "lif", "plif", "ternary_if", "ternary_lif"]
    made = {type(create_neuron(name)).__name__ for name in list_neurons()}
    assert made == {name for name in snnpd.neurons.__all__ if isinstance(getattr(snnpd.neurons, name), type)}


@pytest.mark.parametrize("name", list_neurons())
def test_every_option_reaches_the_declaration(name: str) -> None:
    accepted = accepted_options(type(create_neuron(name)))
    options = {key: value for key, value in NOT_THE_DEFAULT.items() if key in accepted}
    spec = create_neuron(name, **options).spec
    assert {key: getattr(spec, key) for key in options} == options
    assert set(accepted) <= {*NOT_THE_DEFAULT, "reset", "levels", *SHARED}
    if "reset" in accepted:
        assert create_neuron(name, reset="soft").spec.reset == "soft"


def test_the_declaration_is_printed() -> None:
    assert repr(IF(threshold=0.5)).startswith("IF(alphabet=binary, threshold=0.5, reset=hard")


def test_learned_quantities_are_parameters_and_others_are_not() -> None:
    learned = {
        "plif": ({}, {"w"}),
        "ternary_lif": ({"learned": "amplitude"}, {"amplitude"}),
        "ternary_if": ({"learned": "amplitude"}, {"amplitude"}),
    }
    for name in list_neurons():
        options, parameters = learned.get(name, ({}, set()))
        assert {key for key, _ in create_neuron(name, **options).named_parameters()} == parameters
    assert isinstance(ParametricLIF().w, nn.Parameter)
    assert values(ParametricLIF(decay=0.9)).decay.item() == pytest.approx(0.9)


@pytest.mark.parametrize(("tau", "decay"), [(1.0, 0.0), (2.0, 0.5), (4 / 3, 0.25), (4.0, 0.75)])
def test_decay_from_tau(tau: float, decay: float) -> None:
    assert decay_from_tau(tau) == pytest.approx(decay)


WRONG = [
    (lambda: create_neuron("ternary_lf"), "unknown neuron 'ternary_lf'; did you mean 'ternary_lif'"),
    (lambda: create_neuron("if", decay=0.5), "neuron 'if': unknown option 'decay'"),
    (
        lambda: create_neuron("lif", treshold=1.0),
        "neuron 'lif': unknown option 'treshold'; did you mean 'threshold'",
    ),
    (
        lambda: create_neuron("integer_lif", surrogate="atan"),
        "neuron 'integer_lif': unknown option 'surrogate'",
    ),
    (lambda: create_neuron("integer_lif", levels=0), "levels must be a whole number of at least 1, got 0"),
    (lambda: LIF(decay=1.5), "decay must lie in [0, 1], got 1.5; decay_from_tau converts a tau"),
    (lambda: LIF(decay=math.nan), "decay must lie in [0, 1], got nan"),
    (lambda: ParametricLIF(decay=1.0), "a learned decay starts strictly between 0 and 1, got 1.0"),
    (lambda: LIF(threshold=0.0), "threshold must be a positive number (a magnitude), got 0.0"),
    (
        lambda: create_neuron("ternary_if", negative_threshold=-1.0),
        "negative_threshold must be a positive number",
    ),
    (
        lambda: create_neuron("ternary_if", learned="amplitud"),
        "unknown learned quantity 'amplitud'; did you mean 'amplitude'",
    ),
    (lambda: LIF(reset="sof"), "unknown reset 'sof'; did you mean 'soft'"),
    (lambda: LIF(reset="soft", reset_potential=0.5), "a soft reset has no reset_potential: leave out 0.5"),
    (lambda: LIF(reset_potential=1.0), "reset_potential must lie inside (-inf, 1.0), got 1.0"),
    (lambda: LIF(reset_potential=-math.inf), "reset_potential must lie inside (-inf, 1.0), got -inf"),
    (
        lambda: create_neuron("ternary_lif", negative_threshold=0.5, reset_potential=-0.5),
        "reset_potential must lie inside (-0.5, 1.0), got -0.5",
    ),
    (lambda: LIF(surrogate="sigmoit"), "unknown surrogate 'sigmoit'; did you mean 'sigmoid'"),
    (lambda: LIF(surrogate_scale=-1.0), "surrogate 'sigmoid': scale must be a positive number, got -1.0"),
    (lambda: LIF(step_mode="x"), "unknown step_mode 'x'; known: m, s"),
    (lambda: NeuronSpec(TERNARY, surrogate=None), "a ternary neuron needs a surrogate"),
    (lambda: NeuronSpec(TERNARY, decay=None, decay_input=True), "decay_input needs a leak"),
    (
        lambda: NeuronSpec(integer(2)),
        "an integer neuron keeps the remainder of its potential: use reset='soft'",
    ),
    (lambda: NeuronSpec(integer(2), reset="soft"), "an integer neuron is straight-through"),
    (lambda: NeuronSpec(IntegerLIF().alphabet, negative_threshold=1.0), "a integer one has none"),
    (lambda: decay_from_tau(0.5), "tau must be a finite number of at least 1 time step, got 0.5"),
]


@pytest.mark.parametrize(("call", "message"), WRONG, ids=[message[:40] for _, message in WRONG])
def test_wrong_options_are_refused_in_one_line(call, message: str) -> None:
    with pytest.raises(UsageError) as error:
        call()
    assert message in str(error.value)
    assert "\n" not in str(error.value)
