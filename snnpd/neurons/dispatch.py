"""Which implementation of a neuron runs, and why."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from snnpd import cuda_code, jit
from snnpd.errors import UsageError, unknown
from snnpd.neurons.fused import NOTHING_BEFORE, Before, Outcome
from snnpd.neurons.fused import run as run_fused
from snnpd.neurons.reference import run as run_reference
from snnpd.neurons.spec import NeuronSpec
from snnpd.neurons.values import DECLARED, Values

CPU_DTYPES = (torch.float32, torch.float64, torch.bfloat16)
CUDA_DTYPES = (torch.float32, torch.float16, torch.bfloat16)


class Implementation(NamedTuple):
    """One way to compute `reference.run`; `why_not` says why it cannot take a neuron or input.

    `run(spec, x_seq, state, values, memory, before)`; `takes_before` tells whether it can fuse what comes before.
    """

    why_not: Callable[[NeuronSpec, Tensor], str | None]
    run: Callable[..., Outcome]
    takes_before: bool


class Choice(NamedTuple):
    """The name of the implementation that runs, and the reason."""

    name: str
    reason: str


# What a compiler may take for granted while it traces.
_cuda_obstacle = torch.compiler.assume_constant_result(cuda_code.why_not)


def _why_not_cupy(spec: NeuronSpec, x_seq: Tensor) -> str | None:
    if x_seq.device.type != "cuda":
        return f"the input is on {x_seq.device}"
    if x_seq.dtype not in CUDA_DTYPES:
        return f"no CUDA kernel for {x_seq.dtype}"
    return _cuda_obstacle(x_seq.device)


def _why_not_cpu(spec: NeuronSpec, x_seq: Tensor) -> str | None:
    if x_seq.device.type != "cpu":
        return f"the input is on {x_seq.device}"
    if x_seq.dtype not in CPU_DTYPES:
        return f"no CPU kernel for {x_seq.dtype}"
    return jit.why_not()


def _run_reference(
    spec: NeuronSpec, x_seq: Tensor, state: Tensor | float | None, values: Values, memory: str, before: Before
) -> Outcome:
    assert before is NOTHING_BEFORE
    return Outcome(*run_reference(spec, x_seq, state, values), None)


# In order of preference under `auto`. The reference takes everything, so it stands last.
IMPLEMENTATIONS: dict[str, Implementation] = {
    "cupy": Implementation(_why_not_cupy, partial(run_fused, "cupy"), True),
    "cpu": Implementation(_why_not_cpu, partial(run_fused, "cpu"), True),
    "reference": Implementation(lambda spec, x_seq: None, _run_reference, False),
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
    values: Values = DECLARED,
    requested: str = "auto",
    memory: str = "lean",
    before: Before = NOTHING_BEFORE,
) -> Outcome:
    """`reference.run`, by the implementation that `choose` names."""
    name = choose(spec, x_seq, requested).name
    return IMPLEMENTATIONS[name].run(spec, x_seq, state, values, memory, before)


def takes_before(name: str) -> bool:
    """Whether this implementation fuses what comes before a neuron, and reads layouts other than a plain one."""
    return IMPLEMENTATIONS[name].takes_before


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
