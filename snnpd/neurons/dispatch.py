"""Which implementation of the neuron loop runs, and why."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from torch import Tensor

from snnpd.errors import UsageError, unknown
from snnpd.neurons.reference import run as run_reference
from snnpd.neurons.spec import NeuronSpec


class Implementation(NamedTuple):
    """One way to compute `reference.run`; `why_not` says why it cannot take a neuron or input."""

    why_not: Callable[[NeuronSpec, Tensor], str | None]
    run: Callable[..., tuple[Tensor, Tensor]]


class Choice(NamedTuple):
    """The name of the implementation that runs, and the reason."""

    name: str
    reason: str


# In order of preference under `auto`. The reference takes everything, so it stands last.
IMPLEMENTATIONS: dict[str, Implementation] = {
    "reference": Implementation(lambda spec, x_seq: None, run_reference),
}

_default = "auto"


def choose(spec: NeuronSpec, x_seq: Tensor, requested: str = "auto") -> Choice:
    """The implementation for this neuron and input: as requested, else the process's default, else the first.

    Raises:
        UsageError: an implementation asked for by name is unknown or cannot run.
    """
    name = check_implementation(_default if requested == "auto" else requested)
    if name == "auto":
        return _first_able(spec, x_seq)
    obstacle = IMPLEMENTATIONS[name].why_not(spec, x_seq)
    if obstacle:
        raise UsageError(f"neuron implementation {name!r} cannot run: {obstacle}; 'auto' takes another")
    return Choice(name, "default of the process" if requested == "auto" else "asked for by the module")


def run(
    spec: NeuronSpec,
    x_seq: Tensor,
    state: Tensor | float | None = None,
    decay: Tensor | None = None,
    requested: str = "auto",
) -> tuple[Tensor, Tensor]:
    """`reference.run`, by the implementation that `choose` names."""
    name = choose(spec, x_seq, requested).name
    return IMPLEMENTATIONS[name].run(spec, x_seq, state, decay)


def check_implementation(name: str) -> str:
    """The name itself, if it is `auto` or in the table; raises UsageError if not."""
    if name != "auto" and name not in IMPLEMENTATIONS:
        raise unknown("neuron implementation", name, ["auto", *IMPLEMENTATIONS])
    return name


def set_default_implementation(name: str) -> None:
    """Makes `name` the choice of every neuron of this process that does not ask for one itself.

    Raises:
        UsageError: no such implementation.
    """
    global _default
    _default = check_implementation(name)


@contextmanager
def use_implementation(name: str) -> Iterator[None]:
    """`set_default_implementation` for the length of a `with` block.

    Raises:
        UsageError: no such implementation.
    """
    before = _default
    set_default_implementation(name)
    try:
        yield
    finally:
        set_default_implementation(before)


def _first_able(spec: NeuronSpec, x_seq: Tensor) -> Choice:
    passed_over = []
    for name, implementation in IMPLEMENTATIONS.items():
        obstacle = implementation.why_not(spec, x_seq)
        if obstacle is None:
            break
        passed_over.append(f"{name}: {obstacle}")
    return Choice(name, f"auto; {'; '.join(passed_over) or 'first in the table'}")
