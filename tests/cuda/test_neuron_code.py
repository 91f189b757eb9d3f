"""The neuron kernels' text beyond what a module asks of it: widths, stretches of time, conversions, far addresses."""

import mmap
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from snnpd.neurons.cuda.kernels import ELEMENTS, SOURCE, CUDAKernels, variants
from snnpd.neurons.launch import SURROGATE_CODES, BackwardArrays, Equation, ForwardArrays, Place
from tests.cuda.shim import Shim
from tests.neurons.dyadic import dyadic

SHIM = Shim(SOURCE, variants())
KERNELS = CUDAKernels(SHIM.load, SHIM.launch)
TERNARY = Equation(1, 1, False, 0.0, False, False, SURROGATE_CODES["triangle"], 0.5)
INTEGER = Equation(2, 3, False, 0.0, False, False, 0, 1.0)
BINARY = TERNARY._replace(alphabet=0, is_hard=True, reset_potential=0.125)
EQUATIONS = (BINARY, TERNARY, INTEGER)
BEYOND = 2**31 + 64


def place_of(num_steps: int, num_neurons: int) -> Place:
    return Place(num_steps, 1, num_neurons, num_neurons, num_neurons, 1, 1)


def table(*numbers: float) -> Tensor:
    return torch.tensor([*numbers, *(0.5, 0.5, 0.75, 1.0, 1.0, 0.0, 0.0, 1.0)[len(numbers) :]]).view(8, 1)


def forward(
    equation: Equation, place: Place, x: Tensor, kernels: CUDAKernels = KERNELS, **given: Tensor
) -> ForwardArrays:
    """The arrays after a forward pass from a state of zeros, all outputs full of NaN (int8: 99) before it."""
    steps, neurons = place.num_steps, place.num_neurons
    made = {
        "skip": None,
        "state": torch.zeros(neurons),
        "values": table(),
        "spikes": torch.full((steps * neurons,), torch.nan, dtype=x.dtype),
        "next_state": torch.full((neurons,), torch.nan),
        "potentials": torch.full((steps * neurons,), torch.nan),
        "total": None,
    }
    arrays = ForwardArrays(x, **made | given)
    kernels.forward(equation, place, arrays, is_affine=False)
    return arrays


def backward(
    equation: Equation,
    place: Place,
    ran: ForwardArrays,
    source: str,
    learned: int,
    kernels: CUDAKernels = KERNELS,
) -> BackwardArrays:
    """The arrays after a backward pass with dyadic gradients, all outputs full of NaN before it."""
    size = place.num_steps * place.num_neurons
    arrays = BackwardArrays(
        source=source,
        x=ran.x,
        potentials=ran.potentials if source == "potentials" else None,
        total=ran.total,
        state=ran.state,
        values=ran.values,
        grad_spikes=dyadic(size, seed=1, dtype=ran.x.dtype),
        grad_sum=dyadic(size, seed=2, dtype=ran.x.dtype),
        grad_next_state=dyadic(place.num_neurons, seed=3),
        grad_total=torch.full((size,), torch.nan, dtype=ran.x.dtype),
        grad_state=torch.full((place.num_neurons,), torch.nan),
        sums=torch.full((6, place.num_neurons), torch.nan),
        learned=learned,
        is_affine=False,
    )
    kernels.backward(equation, place, arrays)
    return arrays


@pytest.mark.parametrize("num_neurons", [1, 33, 64])
@pytest.mark.parametrize("equation", EQUATIONS)
@pytest.mark.parametrize("dtype", ELEMENTS)
def test_spikes_may_be_bytes(dtype: torch.dtype, equation: Equation, num_neurons: int) -> None:
    place, x = place_of(4, num_neurons), dyadic(4 * num_neurons, dtype=dtype)
    wide = forward(equation, place, x)
    narrow = forward(equation, place, x, spikes=torch.full_like(x, 99, dtype=torch.int8))
    assert wide.spikes.count_nonzero() > 0
    assert torch.equal(narrow.spikes.to(dtype), wide.spikes)


@pytest.mark.parametrize("learned", [0, 0b111111])
@pytest.mark.parametrize("num_steps", [7, 8, 9, 16, 17, 65, 200])
@pytest.mark.parametrize(
    ("dtype", "num_neurons"), [(torch.float32, 33), (torch.float32, 64), (torch.bfloat16, 64)]
)
def test_long_sequences_go_by_stretches(dtype, num_neurons: int, num_steps: int, learned: int) -> None:
    """However many of a thread's potentials its shared memory holds, the gradients are those of saved potentials."""
    place = place_of(num_steps, num_neurons)
    for equation in (equation._replace(decay_input=True) for equation in EQUATIONS):
        ran = forward(equation, place, dyadic(num_steps * num_neurons, dtype=dtype))
        one, other = (backward(equation, place, ran, source, learned) for source in ("potentials", "input"))
        for name in ("grad_total", "grad_state", "sums"):
            expected, got = getattr(one, name), getattr(other, name)
            assert torch.equal(got.nan_to_num(nan=77), expected.nan_to_num(nan=77)), name
            assert expected.isnan().all() if name == "sums" and not learned else not expected.isnan().any()
        assert one.grad_total.count_nonzero() > 0


@pytest.mark.parametrize(("pitch", "step"), [(64, BEYOND), (BEYOND, 64)])
def test_elements_two_thousand_million_apart(pitch: int, step: int) -> None:
    place = Place(2, 2, 64, pitch, step, 1, 1)
    # Memory of which only the pages that are touched exist.
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0)
    pages = mmap.mmap(-1, 2 * (BEYOND + 2 * 64), flags=flags)
    far = np.frombuffer(pages, dtype=np.float16)
    x = torch.from_numpy(far)
    rows = x.as_strided((2, 2, 64), (step, pitch, 1)).copy_(dyadic(2, 2, 64))
    for equation in EQUATIONS:
        near = forward(equation, place_of(2, 128), rows.flatten())
        ran = forward(equation, place, x)
        assert torch.equal(ran.spikes, near.spikes)
        expected = backward(equation, place_of(2, 128), near, "input", 1 << 4)
        got = backward(equation, place, ran, "input", 1 << 4)
        assert torch.equal(got.grad_total, expected.grad_total)
        assert torch.equal(got.sums[4], expected.sums[4])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("factor", [1.0, -0.37, 1e-5, 3e4])
def test_every_narrow_number_is_read_and_rounded_as_torch_does(dtype: torch.dtype, factor: float) -> None:
    numbers = torch.arange(-(2**15), 2**15).to(torch.int16).view(dtype)
    for count in (2**16, 2**16 - 1):
        grad, out = numbers[:count], torch.full_like(numbers[:count], 3.0)
        factors = torch.tensor([[factor], [0.0], [0.0]])
        KERNELS.affine_backward(place_of(1, count), factors, None, grad, out)
        expected = (grad.float() * torch.tensor(factor)).to(dtype)
        assert torch.equal(out.isnan(), expected.isnan())
        assert torch.equal(out[~out.isnan()], expected[~out.isnan()])


@pytest.mark.parametrize("dtype", ELEMENTS)
@pytest.mark.parametrize(
    ("place", "has_x"),
    [
        (Place(3, 4, 64, 192, 1000, 1, 64), True),
        (Place(3, 4, 64, 192, 1000, 16, 4), True),
        (Place(3, 4, 33, 40, 999, 11, 3), True),
        (place_of(3, 128), False),
    ],
)
def test_the_gradient_of_a_normalisation(place: Place, has_x: bool, dtype: torch.dtype) -> None:
    x = dyadic(4000, dtype=dtype)
    factors = dyadic(3, place.num_channels, seed=1)
    grad = dyadic(place.num_steps, place.num_neurons, seed=2, dtype=dtype)
    steps = x.as_strided((place.num_steps, place.rows, place.inner), (place.step, place.pitch, 1)).flatten(1)
    channel = torch.arange(place.num_neurons) // place.channel_inner % place.num_channels
    by_grad, by_x, constant = factors.double()[:, channel]
    expected = (by_grad * grad.double() + by_x * steps.double() * has_x + constant).to(dtype)
    KERNELS.affine_backward(place, factors, x if has_x else None, grad, grad)
    assert torch.equal(grad, expected)


@pytest.mark.parametrize(
    ("file", "right", "wrong"),
    [
        ("equations.cu", "u >= threshold ? 1.0f : -u", "u > threshold ? 1.0f : -u"),
        ("equations.cu", "-u >= lower ?", "-u > lower ?"),
        ("equations.cu", "-lower : -threshold", "-threshold : -threshold"),
        ("equations.cu", "v[i] <= width", "v[i] < 0.5f * width"),
        ("equations.cu", "d.state_u = 1.0f - (down + up)", "d.state_u = 1.0f - down"),
        ("neuron.cu", "value.amplitude[of] * grad_spike[lane]", "grad_spike[lane]"),
        ("neuron.cu", "first && LEARNS ? first + 1 : first", "first"),
        ("neuron.cu", "if (t == 0) load(state", "if (t == 1) load(state"),
        ("numbers.cu", "(bits + 0x7fff + (bits >> 16 & 1))", "bits"),
    ],
)
def test_a_planted_error_is_found(tmp_path: Path, file: str, right: str, wrong: str) -> None:
    for path in SOURCE.parent.glob("*.cu"):
        text = path.read_text()
        if path.name == file:
            assert text.count(right) == 1
            text = text.replace(right, wrong)
        (tmp_path / path.name).write_text(text)
    names = ["forward<1, false, BFloat16, 8, 1>", "backward<1, false, BFloat16, 8, 8>"]
    shim = Shim(tmp_path / SOURCE.name, names)
    planted = CUDAKernels(lambda path, name, device: shim.load(shim.path, name, device), shim.launch)
    place = place_of(20, 512)
    x, values = dyadic(20 * 512, dtype=torch.bfloat16), table(0.5, 0.5, 0.75, 1.5)
    ran = [forward(TERNARY, place, x, by, values=values) for by in (KERNELS, planted)]
    outcomes = [
        [*after, *backward(TERNARY, place, ran[0], "input", 0b1111, by)]
        for after, by in zip(ran, (KERNELS, planted), strict=True)
    ]
    tensors = [[t.nan_to_num(nan=77) for t in outcome if isinstance(t, Tensor)] for outcome in outcomes]
    assert not all(torch.equal(one, other) for one, other in zip(*tensors, strict=True))
