"""Which implementation runs, who decides, and that it is said."""

import pytest
import torch

from snnpd.errors import UsageError
from snnpd.neurons import LIF, TernaryLIF, dispatch, explain, set_default_implementation, use_implementation
from snnpd.neurons.dispatch import Implementation

X = torch.ones(4, 2, 3)


@pytest.fixture
def with_zeros(monkeypatch):
    """One more row before the reference: it takes neurons of decay ½ only, and its spikes are all zero."""

    def why_not(spec, x_seq):
        return None if spec.decay == 0.5 else f"decay is {spec.decay}, not 0.5"

    def run(spec, x_seq, state=None, decay=None):
        return torch.zeros_like(x_seq), x_seq[-1]

    rows = {"zeros": Implementation(why_not, run), **dispatch.IMPLEMENTATIONS}
    monkeypatch.setattr(dispatch, "IMPLEMENTATIONS", rows)


def runs_zeros(neuron: LIF) -> bool:
    return neuron(X).count_nonzero() == 0


def test_the_reference_is_what_there_is() -> None:
    assert explain(TernaryLIF(), X) == "TernaryLIF: reference (auto; first in the table)"
    assert explain(LIF(step_mode="s"), X[0]) == "LIF: reference (auto; first in the table)"


@pytest.mark.usefixtures("with_zeros")
def test_auto_takes_the_first_that_can() -> None:
    assert runs_zeros(LIF())
    assert explain(LIF(), X) == "LIF: zeros (auto; first in the table)"
    assert not runs_zeros(LIF(decay=0.25))
    assert explain(LIF(decay=0.25), X) == "LIF: reference (auto; zeros: decay is 0.25, not 0.5)"


@pytest.mark.usefixtures("with_zeros")
def test_the_module_decides_before_the_process_before_the_table() -> None:
    with use_implementation("reference"):
        assert not runs_zeros(LIF())
        assert explain(LIF(), X) == "LIF: reference (default of the process)"
        assert runs_zeros(LIF(implementation="zeros"))
        assert explain(LIF(implementation="zeros"), X) == "LIF: zeros (asked for by the module)"
    assert runs_zeros(LIF())
    set_default_implementation("reference")
    assert not runs_zeros(LIF())
    set_default_implementation("auto")
    assert runs_zeros(LIF())


@pytest.mark.usefixtures("with_zeros")
def test_a_name_that_cannot_run_is_an_error_whoever_asked() -> None:
    message = "'zeros' cannot run: decay is 0.25, not 0.5; 'auto' takes another"
    with pytest.raises(UsageError, match=message):
        LIF(decay=0.25, implementation="zeros")(X)
    with use_implementation("zeros"), pytest.raises(UsageError, match=message):
        LIF(decay=0.25)(X)
    assert not runs_zeros(LIF(decay=0.25))


@pytest.mark.parametrize("ask", [lambda name: LIF(implementation=name), set_default_implementation])
def test_unknown_names_are_refused(ask) -> None:
    with pytest.raises(
        UsageError, match="unknown neuron implementation 'referense'; did you mean 'reference'"
    ):
        ask("referense")
