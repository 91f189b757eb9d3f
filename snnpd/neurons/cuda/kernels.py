"""The kernels of CUDA behind the interface of all: which instance runs, on what grid, with which constants."""

import math
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from itertools import product
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from snnpd import cuda_code
from snnpd.cuda_code import Argument
from snnpd.neurons.launch import (
    ALPHABETS,
    DECAY,
    SCALE,
    SURROGATE_CODES,
    BackwardArrays,
    Equation,
    ForwardArrays,
    Place,
)

SOURCE = Path(__file__).with_name("neuron.cu")
ELEMENTS = {torch.float32: "float", torch.float16: "Half", torch.bfloat16: "BFloat16"}
DTYPES = tuple(ELEMENTS)
PASSES = ("forward", "backward")

THREADS = 128
# Potentials that a thread keeps in shared memory: 32 KiB a block, so that an SM still holds several hundred threads.
KEPT_POTENTIALS = 64
# What a launch looks up by its shape is made once; the shapes of a training are few.
CALLS_REMEMBERED = 1024
# As in equations.cu.
DECAY_INPUT, DETACH_RESET, AFFINE, INT8_SPIKES = 1, 2, 4, 8

Load: TypeAlias = Callable[[Path, str, torch.device], object]
Run: TypeAlias = Callable[[object, Sequence[int], Sequence[int], Sequence[Argument], int, Tensor], None]


class Shape(NamedTuple):
    """How many neighbouring neurons a thread owns, and how many columns of the table it holds for them (1 or all)."""

    lanes: int
    values: int


class Launch(NamedTuple):
    """One launch: the name expression of the instance, the number of blocks, bytes of shared memory, arguments."""

    name: str
    num_blocks: int
    shared: int
    arguments: tuple[Argument, ...]


class CUDAKernels:
    """`snnpd.neurons.launch.Kernels` for float32, float16 and bfloat16 with float32 state, on torch's current stream.

    `load` and `run` are `cuda_code`'s unless others of the same form are given.

    Raises:
        UsageError: a kernel does not compile, at its first use.
    """

    def __init__(self, load: Load = cuda_code.load, run: Run = cuda_code.launch) -> None:
        self._load = load
        self._run = run

    def forward(self, equation: Equation, place: Place, arrays: ForwardArrays, is_affine: bool) -> None:
        """See `Kernels.forward`."""
        self._launch(forward_launch(equation, place, arrays, is_affine), arrays.x)

    def backward(self, equation: Equation, place: Place, arrays: BackwardArrays) -> None:
        """See `Kernels.backward`."""
        self._launch(backward_launch(equation, place, arrays), arrays.grad_spikes)

    def affine_backward(
        self, place: Place, factors: Tensor, x: Tensor | None, grad: Tensor, out: Tensor
    ) -> None:
        """See `Kernels.affine_backward`."""
        self._launch(affine_backward_launch(place, factors, x, grad, out), grad)

    def _launch(self, launch: Launch, tensor: Tensor) -> None:
        if launch.num_blocks:
            kernel = self._load(SOURCE, launch.name, tensor.device)
            self._run(kernel, (launch.num_blocks,), (THREADS,), launch.arguments, launch.shared, tensor)


def forward_launch(equation: Equation, place: Place, arrays: ForwardArrays, is_affine: bool) -> Launch:
    """The launch of a forward pass."""
    x, values = arrays.x, arrays.values
    dense = (arrays.skip, arrays.state, arrays.spikes, arrays.next_state, arrays.potentials, arrays.total)
    shape = shape_of(place, values, x.dtype, x, dense)
    flags = flags_of(equation) | AFFINE * is_affine | INT8_SPIKES * (arrays.spikes.dtype == torch.int8)
    numbers = (np.int32(flags), np.float32(equation.reset_potential), np.float32(equation.levels))
    arguments = (x, arrays.skip, arrays.state, values, *dense[2:], *where(place, values.shape[1]), *numbers)
    name = expression("forward", x.dtype, shape, equation.alphabet, equation.is_hard)
    return Launch(name, num_blocks(place, shape), 0, arguments)


def backward_launch(equation: Equation, place: Place, arrays: BackwardArrays) -> Launch:
    """The launch of back-propagation through time."""
    dtype, values = arrays.grad_spikes.dtype, arrays.values
    x, potentials, total = sources(equation, arrays)
    inputs = (arrays.grad_spikes, arrays.grad_sum, arrays.grad_next_state)
    outputs = (arrays.grad_total, arrays.grad_state, arrays.sums if arrays.learned else None)
    dense = (potentials, total, arrays.state, *inputs, *outputs)
    shape = shape_of(place, values, dtype, x, dense, is_learned=arrays.learned != 0)
    capacity = min(place.num_steps, KEPT_POTENTIALS // shape.lanes)
    shared = 0 if potentials is not None else THREADS * capacity * shape.lanes * 4
    flags = flags_of(equation) | AFFINE * arrays.is_affine
    constants = surrogate_constants(equation.surrogate, equation.surrogate_scale)
    steps, *rest = where(place, values.shape[1])
    arguments = (
        *(x, potentials, total, arrays.state, values, *inputs, *outputs),
        *(steps, np.int64(capacity), *rest),
        *(np.int32(arrays.learned), np.int32(flags), np.int32(equation.surrogate)),
        *(np.float32(number) for number in (*constants, equation.reset_potential, equation.levels)),
    )
    name = expression("backward", dtype, shape, equation.alphabet, equation.is_hard)
    return Launch(name, num_blocks(place, shape), shared, arguments)


def sources(equation: Equation, arrays: BackwardArrays) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """The input, the potentials and the residual sum, each None where nothing is read from it."""
    potentials = arrays.potentials if arrays.source == "potentials" else None
    total = None if arrays.source == "input" else arrays.total
    needs_integrated = potentials is None or (equation.decay_input and arrays.learned >> DECAY & 1)
    needs_x = (needs_integrated and total is None) or arrays.learned >> SCALE & 1
    return (arrays.x if needs_x else None), potentials, total


def affine_backward_launch(
    place: Place, factors: Tensor, x: Tensor | None, grad: Tensor, out: Tensor
) -> Launch:
    """The launch of the pass through a normalisation."""
    shape = shape_of(place, factors, grad.dtype, x, (grad, out))
    arguments = (factors, x, grad, out, *where(place, factors.shape[1]))
    return Launch(expression("affine_backward", grad.dtype, shape), num_blocks(place, shape), 0, arguments)


def shape_of(
    place: Place,
    table: Tensor,
    dtype: torch.dtype,
    x: Tensor | None,
    dense: Sequence[Tensor | None],
    is_learned: bool = False,
) -> Shape:
    """Threads as wide as one load of 16 bytes where every access of theirs is aligned, else one neuron each.

    `dense` are all arrays but the pitched `x`; a thread needs a sum for each neuron where something is learned.
    """
    lanes = 16 // dtype.itemsize
    is_aligned = all(t is None or t.data_ptr() % min(16, lanes * t.itemsize) == 0 for t in (x, *dense))
    if not (is_aligned and place.num_neurons % lanes == 0 and (x is None or steps_align(place, lanes))):
        return Shape(1, 1)
    is_shared = table.shape[1] == 1 or place.channel_inner % lanes == 0
    return Shape(lanes, 1 if is_shared and not is_learned else lanes)


def steps_align(place: Place, lanes: int) -> bool:
    """Whether every run of `lanes` neurons of the input is one run of memory, at a multiple of `lanes`."""
    is_row_whole = place.rows == 1 or (place.inner % lanes == 0 and place.pitch % lanes == 0)
    return is_row_whole and (place.num_steps == 1 or place.step % lanes == 0)


def num_blocks(place: Place, shape: Shape) -> int:
    """As many blocks as give every neuron a thread."""
    return -(-place.num_neurons // (THREADS * shape.lanes))


@lru_cache(CALLS_REMEMBERED)
def where(place: Place, num_columns: int) -> tuple[np.int64, ...]:
    """The numbers by which every kernel finds its elements, and their columns in the table."""
    numbers = (place.num_steps, place.num_neurons, place.inner, place.pitch, place.step, place.channel_inner)
    return tuple(np.int64(number) for number in (*numbers, num_columns))


def flags_of(equation: Equation) -> int:
    """What a kernel branches on for all its threads alike."""
    return DECAY_INPUT * equation.decay_input | DETACH_RESET * equation.detach_reset


@cache
def surrogate_constants(code: int, scale: float) -> tuple[float, float]:
    """The two numbers, `height` and `width`, in which equations.cu writes a surrogate of this scale."""
    names = {code: name for name, code in SURROGATE_CODES.items()}
    constants = {
        "atan": (scale / 2, math.pi * scale / 2),
        "erf": (scale / math.sqrt(math.pi), scale),
        "piecewise_exp": (scale / 2, scale),
        "rectangle": (scale, 0.5 / scale),
        "sigmoid": (scale, scale),
        "soft_sign": (2 * scale, 1 / scale),
        "super_spike": (scale, 1.0),
        "triangle": (scale, 1 / scale),
    }
    return constants[names[code]] if code else (0.0, 0.0)


@cache
def expression(
    kernel: str, dtype: torch.dtype, shape: Shape, alphabet: int | None = None, is_hard: bool = False
) -> str:
    """The C++ name of an instance; those of the affine's gradient have no alphabet."""
    neuron = "" if alphabet is None else f"{alphabet}, {str(is_hard).lower()}, "
    return f"{kernel}<{neuron}{ELEMENTS[dtype]}, {shape.lanes}, {shape.values}>"


def variants() -> list[str]:
    """Every instance that a launch can ask for."""
    names = []
    for dtype in DTYPES:
        widest = 16 // dtype.itemsize
        for shape in (Shape(1, 1), Shape(widest, 1), Shape(widest, widest)):
            names.append(expression("affine_backward", dtype, shape))
            for kernel, (alphabet, letters), is_hard in product(PASSES, enumerate(ALPHABETS), (False, True)):
                # Integer neurons reset softly, always.
                if not (is_hard and letters == "integer"):
                    names.append(expression(kernel, dtype, shape, alphabet, is_hard))
    return names
