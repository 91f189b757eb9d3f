"""The CUDA text computes what the reference computes: here behind the C++ shim, on a device under the mark `gpu`."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from snnpd.neurons import fused, op, reference
from snnpd.neurons.cuda.kernels import ELEMENTS, SOURCE, CUDAKernels, variants
from snnpd.neurons.launch import ALPHABETS, Kernels
from snnpd.neurons.spec import NeuronSpec
from snnpd.spikes import BINARY, SURROGATES, TERNARY
from tests.cuda.covering import covering
from tests.cuda.shim import Shim
from tests.neurons.dyadic import dyadic
from tests.neurons.pairs import (
    EXACT_SURROGATES,
    KINDS,
    Case,
    Trace,
    agree,
    by_kernel,
    by_reference,
    make_spec,
    trace,
)

# Exponentials and quotients of the processor are good to 2e-7 of a surrogate's height (the shim's are exact); a sum
# over time or over neurons adds them up. Narrow types: one rounding of the result.
TOLERANCE = {torch.float32: 4e-6, torch.float16: 2**-10, torch.bfloat16: 2**-7}
IMPLEMENTATIONS = ["shim", pytest.param("cupy", marks=pytest.mark.gpu)]
GUARD = 64

LAYOUTS = {
    "dense": lambda x: x,
    "cut": lambda x: torch.cat([x, x, x], -1)[..., x.shape[-1] : 2 * x.shape[-1]],
    "transposed": lambda x: x.transpose(1, -1).contiguous().transpose(1, -1),
    "expanded": lambda x: x[:1].expand_as(x),
}


class Row(NamedTuple):
    """A value for each of the options."""

    kind: tuple
    surrogate: str
    num_steps: int
    sizes: tuple[int, ...]
    dtype: torch.dtype
    layout: str
    before: str
    learned: str
    memory: str
    detach: bool
    decay_input: bool

    @property
    def case(self) -> Case:
        options = {"detach_reset": self.detach, "decay_input": self.decay_input, "surrogate": self.surrogate}
        return Case(
            make_spec(*self.kind, **options),
            (self.num_steps, *self.sizes),
            self.dtype,
            self.memory,
            self.learned != "nothing",
            self.sizes[-1] if self.learned == "by channel" else None,
            self.before,
        )

    def __str__(self) -> str:
        (alphabet, reset), *rest = self
        return "-".join([alphabet.name, reset, *(str(value) for value in rest)])


OPTIONS = Row(
    kind=KINDS,
    surrogate=list(SURROGATES),
    num_steps=[1, 2, 5, 17, 64],
    sizes=[(3, 11), (7, 9), (4, 25), (1, 4099), (4, 16), (5, 64)],
    dtype=list(TOLERANCE),
    layout=list(LAYOUTS),
    before=["nothing", "affine", "skip", "affine skip"],
    learned=["nothing", "one", "by channel"],
    memory=["fast", "lean"],
    detach=[True, False],
    decay_input=[True, False],
)
ROWS = [Row(*values) for values in covering(OPTIONS)]
# Surrogates whose derivatives are dyadic, and few steps: each multiplies by a potential, in a triangle's slope and
# again in its reset. Gradients come out without a rounding.
EXACT_ROWS = [
    Row(*values)._replace(num_steps=1 if "triangle" in values else 3)
    for values in covering(
        OPTIONS._replace(
            surrogate=[name for name in EXACT_SURROGATES if name],
            num_steps=[3],
            sizes=[(3, 11), (2, 64)],
            layout=["dense", "cut", "transposed"],
            before=["nothing"],
            learned=["nothing"],
        )
    )
]

SHIM = Shim(SOURCE, variants())


@pytest.fixture(autouse=True)
def _shim(monkeypatch: pytest.MonkeyPatch) -> None:
    by_name = op.kernels_of

    def kernels_of(name: str) -> Kernels:
        return CUDAKernels(SHIM.load, SHIM.launch) if name == "shim" else by_name(name)

    monkeypatch.setattr(op, "kernels_of", kernels_of)


@pytest.fixture(autouse=True)
def _outputs_start_as_nan_and_nothing_is_written_beside_them(
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[None]:
    original, buffers = op.empty_like, []

    def guarded(*arguments: object) -> Tensor:
        like = original(*arguments)
        buffer = like.new_full((like.numel() + 2 * GUARD,), torch.nan)
        buffers.append(buffer)
        return buffer.as_strided(like.shape, like.stride(), GUARD)

    monkeypatch.setattr(op, "empty_like", guarded)
    yield
    for buffer in buffers:
        assert buffer[:GUARD].isnan().all()
        assert buffer[-GUARD:].isnan().all()


def run_by(implementation: str, arrange: Callable[[Tensor], Tensor]):
    """A run for `trace`, on the device that the implementation needs, of an input that lies as `arrange` lays it."""

    def run(case: Case, given: dict[str, Tensor]) -> fused.Outcome:
        if implementation == "cupy":
            given = {name: tensor.cuda() for name, tensor in given.items()}
        by = by_reference if implementation == "reference" else by_kernel(implementation)
        outcome = by(case, given | {"x": arrange(given["x"])})
        return fused.Outcome(*(None if tensor is None else tensor.cpu() for tensor in outcome))

    return run


def check(
    case: Case, implementation: str = "shim", arrange: Callable[[Tensor], Tensor] = LAYOUTS["dense"]
) -> bool:
    """Compares with the reference; returns whether gradients were asked to be equal to the last bit."""
    expected = trace(case, run_by("reference", arrange))
    is_exact = case.spec.surrogate in EXACT_SURROGATES and not was_rounded(case, expected, arrange)
    agree(trace(case, run_by(implementation, arrange)), expected, is_exact, TOLERANCE[case.dtype])
    return is_exact


def was_rounded(case: Case, single: Trace, arrange: Callable[[Tensor], Tensor]) -> bool:
    """Whether double precision comes to other gradients: then the order of operations shows in the last bit.

    In a narrow type what comes before the neuron is always rounded once more, though not in the same places.
    """
    if case.dtype != torch.float32 and case.before != "nothing":
        return True
    double = trace(case._replace(dtype=torch.float64), run_by("reference", arrange))
    return not all(
        torch.equal(grad, double.gradients[name].to(grad.dtype)) for name, grad in single.gradients.items()
    )


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_every_option_with_every_other(row: Row, implementation: str) -> None:
    check(row.case, implementation, LAYOUTS[row.layout])


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("row", EXACT_ROWS, ids=str)
def test_gradients_to_the_last_bit(row: Row, implementation: str) -> None:
    assert check(row.case, implementation, LAYOUTS[row.layout])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num_steps", [1, 2, 64])
def test_a_single_neuron(num_steps: int, kind: tuple) -> None:
    # Alone it would be silent for long, were the input not lifted.
    check(Case(make_spec(*kind), (num_steps, 1)), arrange=lambda x: x + 2)


@pytest.mark.parametrize("scale", [None, 0.7, 3.0])
@pytest.mark.parametrize("name", SURROGATES)
def test_surrogates_of_every_width(name: str, scale: float | None) -> None:
    for alphabet in (BINARY, TERNARY):
        spec = make_spec(
            alphabet, "soft", decay=None, surrogate=name, surrogate_scale=scale, detach_reset=False
        )
        check(Case(spec, (2, 3, 40), memory="lean"))


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("kind", KINDS)
def test_every_variant_is_launched(kind: tuple, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, launch, spec = set(), SHIM.launch, make_spec(*kind)
    monkeypatch.setattr(SHIM, "launch", lambda name, *rest: (seen.add(name), launch(name, *rest)))
    for sizes, arrangement, before, learned in [
        ((3, 11), "dense", "affine", False),
        ((16, 4), "transposed", "affine", False),
        ((2, 64), "dense", "affine", True),
        ((2, 64), "dense", "nothing", False),
    ]:
        case = Case(spec, (3, *sizes), dtype, learned=learned, before=before)
        check(case, arrange=LAYOUTS[arrangement])
    alphabet = f"{ALPHABETS.index(spec.alphabet.name)}, {str(spec.reset == 'hard').lower()}, "
    mine = (f"forward<{alphabet}", f"backward<{alphabet}", "affine_backward<")
    assert seen == {name for name in variants() if name.startswith(mine) and f"{ELEMENTS[dtype]}, " in name}


@pytest.mark.parametrize("alphabet", [BINARY, TERNARY])
def test_noise_flips_no_more_than_one_spike_in_a_million(alphabet) -> None:
    """One fused rounding for two: a potential within a last place of its threshold may fall on its other side."""
    spec, x = NeuronSpec(alphabet, decay=0.7, reset="soft"), torch.randn(8, 250_000)
    spikes = fused.run("shim", spec, x, None, fused.Values()).spikes
    assert spikes.count_nonzero() > 100_000
    assert (spikes != reference.run(spec, x)[0]).sum() <= 1e-6 * x.numel()


@pytest.mark.gpu
def test_a_graph_records_the_kernels_on_another_stream() -> None:
    spec, x = make_spec(TERNARY, "hard"), dyadic(4, 8, 64).cuda()
    expected = fused.run("cupy", spec, x, None, fused.Values()).spikes
    static, graph = torch.zeros_like(x), torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        spikes = fused.run("cupy", spec, static, None, fused.Values()).spikes
    static.copy_(x)
    graph.replay()
    assert torch.equal(spikes, expected)
    assert spikes.count_nonzero() > 0
