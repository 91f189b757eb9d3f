"""The passes of the CPU behind the interface of all kernels."""

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from snnpd.jit import in_threads, saying_so
from snnpd.neurons.cpu import passes
from snnpd.neurons.launch import BackwardArrays, Equation, ForwardArrays, Place

DTYPES = (torch.float32, torch.float64, torch.bfloat16)


class CPUKernels:
    """`snnpd.neurons.launch.Kernels` on the CPU, on torch's number of threads."""

    def forward(self, equation: Equation, place: Place, arrays: ForwardArrays, is_affine: bool) -> None:
        """See `Kernels.forward`."""
        x = _array(arrays.x)
        given = [_array(arrays.skip, x), _array(arrays.state), _array(arrays.values)]
        made = [_array(arrays.spikes), _array(arrays.next_state)]
        kept = [_array(arrays.potentials, made[1]), _array(arrays.total, x)]
        numbers = _numbers(equation, made[1].dtype)
        _run(
            passes.forward,
            place,
            x,
            *given,
            *made,
            *kept,
            _place(place),
            _codes(equation, is_affine),
            numbers,
        )

    def backward(self, equation: Equation, place: Place, arrays: BackwardArrays) -> None:
        """See `Kernels.backward`."""
        grad, state = _array(arrays.grad_spikes), _array(arrays.state)
        is_saved, is_summed = arrays.source == "potentials", arrays.source == "total"
        sources = [
            _array(arrays.x, grad),
            _array(arrays.potentials if is_saved else None, state),
            _array(arrays.total if is_summed or is_saved else None, grad),
        ]
        given = [grad, _array(arrays.grad_sum, grad), _array(arrays.grad_next_state, state)]
        made = [_array(arrays.grad_total), _array(arrays.grad_state), _array(arrays.sums)]
        codes, numbers = _codes(equation, arrays.is_affine), _numbers(equation, state.dtype)
        learned = np.int64(arrays.learned)
        _run(
            passes.backward, place, *sources, state, _array(arrays.values), *given, *made,
            _place(place), codes, numbers, learned,
        )  # fmt: skip

    def affine_backward(
        self, place: Place, factors: Tensor, x: Tensor | None, grad: Tensor, out: Tensor
    ) -> None:
        """See `Kernels.affine_backward`."""
        grads = _array(grad)
        arrays = (_array(factors), _array(x, grads), grads, _array(out))
        _run(passes.affine_backward, place, *arrays, _place(place))


def _run(function: Callable[..., None], place: Place, *arguments: Any) -> None:
    work = place.num_steps * place.num_neurons
    kinds = (function, arguments[0].dtype, arguments[1].dtype)
    if kinds not in _compiled:
        # Nothing is computed yet: the range is empty.
        saying_so(function, *arguments, 0, 0)
        _compiled.add(kinds)
    in_threads(function, place.num_neurons, work, *arguments, align=passes.BLOCK)


# What this process has compiled, or loaded from numba's cache.
_compiled: set[tuple[Any, ...]] = set()


def _array(tensor: Tensor | None, like: np.ndarray | None = None) -> np.ndarray:
    """A tensor's memory as an array, bfloat16 as its bits; None as an empty array like another."""
    if tensor is None:
        assert like is not None
        return like[:0]
    tensor = tensor.detach()
    return (tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor).numpy()


@lru_cache(maxsize=256)
def _place(place: Place) -> np.ndarray:
    numbers = (place.num_steps, place.num_neurons, place.inner, place.pitch, place.step, place.channel_inner)
    return np.array(numbers, dtype=np.int64)


@cache
def _codes(equation: Equation, is_affine: bool) -> np.ndarray:
    codes = (equation.alphabet, equation.is_hard, equation.decay_input, 0, equation.surrogate, is_affine)
    return np.array(codes, dtype=np.int64)


@cache
def _numbers(equation: Equation, dtype: np.dtype) -> np.ndarray:
    through = 0.0 if equation.detach_reset else 1.0
    numbers = (equation.reset_potential, equation.levels, equation.surrogate_scale, through)
    return np.array(numbers, dtype=dtype)
