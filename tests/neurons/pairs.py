"""The judge of all neuron kernels: one problem, computed by the reference and by an implementation, compared."""

from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

from snnpd.neurons import fused, reference
from snnpd.neurons.fused import Before
from snnpd.neurons.spec import NeuronSpec
from snnpd.neurons.values import Values
from snnpd.spikes import BINARY, SURROGATES, TERNARY, integer
from tests.neurons.dyadic import dyadic

# Their derivatives are sums and products of dyadic numbers, so gradients can be asked to be equal to the last bit too.
EXACT_SURROGATES = ("rectangle", "triangle", None)
KINDS = [(BINARY, "hard"), (BINARY, "soft"), (TERNARY, "hard"), (TERNARY, "soft"), (integer(3), "soft")]


class Case(NamedTuple):
    """A neuron, its input's form, and what is fused and learned."""

    spec: NeuronSpec
    sizes: tuple[int, ...]
    dtype: torch.dtype = torch.float32
    memory: str = "fast"
    learned: bool = False
    channels: int | None = None
    before: str = "nothing"

    @property
    def is_exact(self) -> bool:
        """Whether gradients are compared bit for bit: where no product or sum of dyadic numbers needs rounding.

        A gradient through the reset multiplies by a potential at every step, and so does the slope of a triangle: a
        few steps of that fit double precision only. A residual sum in bfloat16 is rounded twice by the reference.
        """
        is_long = not self.spec.detach_reset or self.spec.surrogate == "triangle"
        if self.dtype == torch.bfloat16 and self.before != "nothing":
            return False
        return self.spec.surrogate in EXACT_SURROGATES and (self.dtype == torch.float64 or not is_long)


def make_spec(alphabet, reset: str, **options) -> NeuronSpec:
    options = {"threshold": 0.5, "surrogate": "rectangle", "surrogate_scale": 0.5, "reset": reset} | options
    if alphabet is TERNARY:
        options |= {"negative_threshold": 0.75}
    if alphabet.name == "integer":
        options |= {"surrogate": None, "surrogate_scale": None}
    if reset == "hard":
        options = {"reset_potential": 0.125} | options
    return NeuronSpec(alphabet, **options)


def all_specs(**options) -> list[NeuronSpec]:
    """Every alphabet, reset, cut, kind of leak and surrogate, but for what contradicts itself."""
    specs = []
    for (alphabet, reset), surrogate, detach, decay_input in product(KINDS, SURROGATES, (0, 1), (0, 1)):
        if alphabet.name == "integer" and surrogate != "rectangle":
            continue
        more = {"surrogate": surrogate, "detach_reset": bool(detach), "decay_input": bool(decay_input)}
        specs.append(make_spec(alphabet, reset, **more | options))
    return specs


class Trace(NamedTuple):
    """Everything that a pass gives, by name."""

    outputs: dict[str, Tensor]
    gradients: dict[str, Tensor]


def leaves(case: Case) -> dict[str, Tensor]:
    """The tensors that the problem starts from, dyadic, in the precision that each is held in."""
    x = dyadic(*case.sizes, dtype=case.dtype, parts=8)
    wide = torch.promote_types(case.dtype, torch.float32)
    made = {"x": x, "state": dyadic(*case.sizes[1:], seed=1, dtype=wide, parts=8)}
    width = [] if case.channels is None else [case.channels]
    if case.learned:
        at = {"decay": 0.25, "threshold": 0.5, "amplitude": 1.0}
        at |= {"negative_threshold": 0.75} if case.spec.alphabet is TERNARY else {}
        steps = torch.arange(case.channels or 1, dtype=wide).view(width) % 2
        made |= {name: torch.full(width, number, dtype=wide) * (1 + steps) for name, number in at.items()}
    if "affine" in case.before:
        made |= {"scale": dyadic(case.sizes[-1], seed=2, dtype=wide, parts=2) / 2 + 1.5}
        made |= {"shift": dyadic(case.sizes[-1], seed=3, dtype=wide, parts=4) / 4}
    if "skip" in case.before:
        made |= {"skip": dyadic(*case.sizes, seed=4, dtype=case.dtype, parts=8)}
    return {name: tensor.requires_grad_() for name, tensor in made.items()}


def by_reference(case: Case, given: dict[str, Tensor]) -> fused.Outcome:
    values = Values(**{name: given[name] for name in Values._fields if name in given})
    y = given["x"]
    if "scale" in given:
        y = given["scale"] * y.to(given["scale"].dtype) + given["shift"]
    if "skip" in given:
        y = (y + given["skip"]).to(case.dtype)
    spikes, state = reference.run(case.spec, y, given["state"], values)
    return fused.Outcome(spikes.to(case.dtype), state, y if "skip" in given else None)


def by_kernel(implementation: str):
    def run(case: Case, given: dict[str, Tensor]) -> fused.Outcome:
        values = Values(**{name: given[name] for name in Values._fields if name in given})
        before = Before(**{name: given[name] for name in ("scale", "shift", "skip") if name in given})
        arguments = (implementation, case.spec, given["x"], given["state"], values, case.memory, before)
        return fused.run(*arguments)

    return run


def trace(case: Case, run) -> Trace:
    """Outputs and gradients of a sum over spikes, last state and residual sum with dyadic weights."""
    given = leaves(case)
    outcome = run(case, given)
    outputs = {name: tensor for name, tensor in outcome._asdict().items() if tensor is not None}
    terms = [
        (tensor * dyadic(*tensor.shape, seed=5 + i, dtype=tensor.dtype, parts=2)).double().sum()
        for i, tensor in enumerate(outputs.values())
    ]
    torch.stack(terms).sum().backward()
    assert outcome.spikes.count_nonzero() > 0
    return Trace(outputs, {name: tensor.grad for name, tensor in given.items()})


def agree(one: Trace, other: Trace, is_exact: bool, rtol: float) -> None:
    """Outputs equal bit for bit; gradients too if `is_exact`, else to `rtol` of the largest."""
    assert one.outputs.keys() == other.outputs.keys()
    assert one.gradients.keys() == other.gradients.keys()
    for name, tensor in one.outputs.items():
        assert tensor.dtype == other.outputs[name].dtype, name
        assert torch.equal(tensor, other.outputs[name]), f"{name} differs"
    for name, grad in one.gradients.items():
        expected = other.gradients[name]
        assert grad.dtype == expected.dtype, name
        if is_exact:
            assert torch.equal(grad, expected), (
                f"gradient of {name} differs by {(grad - expected).abs().max()}"
            )
        else:
            atol = rtol * float(expected.abs().max())
            torch.testing.assert_close(
                grad, expected, rtol=rtol, atol=atol, msg=lambda m, n=name: f"{n}: {m}"
            )
