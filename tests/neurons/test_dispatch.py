"""Which implementation runs, who decides, and that it is said."""

import pytest
import torch

from snnpd.errors import UsageError
from snnpd.neurons import LIF, TernaryLIF, dispatch, explain, set_default_implementation, use_implementation
from snnpd.neurons.dispatch import Implementation
from snnpd.neurons.fused import Outcome
from snnpd.neurons.layout import copies

X = torch.ones(4, 2, 3)


@pytest.fixture
def with_zeros(monkeypatch):
    """One more row before the reference: it takes neurons of decay ½ only, and its spikes are all zero."""

    def why_not(spec, x_seq):
        return None if spec.decay == 0.5 else f"decay is {spec.decay}, not 0.5"

    def run(spec, x_seq, state, values, memory, before):
        return Outcome(torch.zeros_like(x_seq), x_seq[-1], None)

    rows = {"zeros": Implementation(why_not, run, False)}
    rows["reference"] = dispatch.IMPLEMENTATIONS["reference"]
    monkeypatch.setattr(dispatch, "IMPLEMENTATIONS", rows)


def runs_zeros(neuron: LIF) -> bool:
    return neuron(X).count_nonzero() == 0


def test_what_runs_on_a_processor_and_why_not_something_faster() -> None:
    assert explain(TernaryLIF(), X) == "TernaryLIF: cpu (auto; cupy: the input is on cpu)"
    assert explain(LIF(step_mode="s"), X[0]) == "LIF: cpu (auto; cupy: the input is on cpu)"
    half = "LIF: reference (auto; cupy: the input is on cpu; cpu: no CPU kernel for torch.float16)"
    assert explain(LIF(), X.half()) == half
    slanted = X.as_strided((4, 2, 2), (6, 2, 1))
    assert "cpu" in explain(LIF(), slanted)


def test_a_copy_is_said_and_counted() -> None:
    overlapping = torch.rand(40).as_strided((4, 2, 3), (6, 2, 1))
    assert explain(LIF(), overlapping).endswith("copies its input, whose steps are no rows at one distance)")
    before = copies["input"]
    assert torch.equal(LIF()(overlapping), LIF(implementation="reference")(overlapping))
    assert copies["input"] == before + 1


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
