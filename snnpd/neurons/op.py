"""The fused neuron as an operator of torch: registered with shapes and a gradient, so that compilers keep it whole.

One operator stands for every neuron, with what is fused in front of it: a normalisation's scale and shift, and a
residual sum. Its arguments are those of `snnpd.neurons.launch`, with the input as `[T, ...]` in whatever layout.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor

from snnpd.errors import UsageError
from snnpd.neurons.launch import (
    INVERSE_DEVIATION,
    MEAN,
    SCALE,
    SHIFT,
    BackwardArrays,
    Equation,
    ForwardArrays,
    Kernels,
    Place,
)
from snnpd.neurons.layout import Layout, arrange, channel_inner, dense, empty_like, extent
from snnpd.registry import resolve

KERNELS: dict[str, str] = {
    "cpu": "snnpd.neurons.cpu.kernels:CPUKernels",
    "cupy": "snnpd.neurons.cuda.kernels:CUDAKernels",
}


# Written out, since what can be read off annotations differs between versions of torch.
_DECLARATION = (
    "int channel_dim, float[] equation, bool is_affine, bool is_batch, "
    "str mode, int learned, str implementation"
)
_FOUR = "(Tensor, Tensor, Tensor, Tensor)"


@cache
def kernels_of(implementation: str) -> Kernels:
    """The kernels by name, imported when they are first asked for: numba and CuPy come with them."""
    return resolve("kernels", implementation, KERNELS)()


def forward_pass(
    x: Tensor,
    state: Tensor,
    values: Tensor,
    skip: Tensor | None,
    channel_dim: int,
    equation: list[float],
    is_affine: bool,
    is_batch: bool,
    mode: str,
    learned: int,
    implementation: str,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Spikes, next state, saved potentials, residual sum; the last two are empty where there are none.

    `mode` is what the backward pass starts from: "fast" the potentials, "lean" the input again, "none" for inference.
    """
    x, layout = arrange(x)
    spikes, next_state, potentials, total = _outputs(x, layout, state, skip, mode)
    kernels_of(implementation).forward(
        _equation(equation),
        _place(x, layout, channel_dim, values.shape[1]),
        ForwardArrays(
            extent(x, layout),
            None if skip is None else dense(skip, layout, "skip"),
            dense(state, layout, "state"),
            values,
            _flat(spikes, layout),
            _flat(next_state, layout),
            _flat(potentials, layout) if mode == "fast" else None,
            None if skip is None else _flat(total, layout),
        ),
        is_affine,
    )
    return spikes, next_state, potentials, total


neuron = torch.library.custom_op(
    "snnpd::neuron",
    forward_pass,
    mutates_args=(),
    schema=f"(Tensor x, Tensor state, Tensor values, Tensor? skip, {_DECLARATION}) -> {_FOUR}",
)


@neuron.register_fake
def _(x: Tensor, state: Tensor, values: Tensor, skip: Tensor | None, *declaration: Any) -> tuple[Tensor, ...]:
    x, layout = arrange(x)
    return _outputs(x, layout, state, skip, mode=declaration[4])


def backward_pass(
    grad_spikes: Tensor,
    grad_next_state: Tensor | None,
    grad_sum: Tensor | None,
    x: Tensor,
    state: Tensor,
    values: Tensor,
    potentials: Tensor,
    total: Tensor,
    channel_dim: int,
    equation: list[float],
    is_affine: bool,
    is_batch: bool,
    mode: str,
    learned: int,
    implementation: str,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The gradients of the input, of the residual sum's other half (empty without one), of state and values."""
    x, layout = arrange(x)
    place = _place(x, layout, channel_dim, values.shape[1])
    has_skip = total.shape == x.shape
    dtype = grad_spikes.dtype
    grad_total = empty_like(x, layout, dtype)
    grad_state = empty_like(state, layout, state.dtype)
    sums = state.new_empty(6 if learned else 0, place.num_neurons)
    flat = _flat(grad_total, layout)
    arrays = BackwardArrays(
        source="potentials" if mode == "fast" else "total" if has_skip else "input",
        x=extent(x, layout) if x.dtype == dtype else None,
        potentials=_flat(potentials, layout) if mode == "fast" else None,
        total=_flat(total, layout) if has_skip else None,
        state=dense(state, layout, "state"),
        values=values,
        grad_spikes=dense(grad_spikes, layout, "gradient"),
        grad_sum=None if grad_sum is None else dense(grad_sum, layout, "gradient"),
        grad_next_state=None if grad_next_state is None else dense(grad_next_state, layout, "gradient"),
        grad_total=flat,
        grad_state=_flat(grad_state, layout),
        sums=sums,
        learned=learned,
        is_affine=is_affine,
    )
    kernels = kernels_of(implementation)
    kernels.backward(_equation(equation), place, arrays)
    grad_values = _by_channel(sums, place, values, learned)
    if not is_affine:
        return grad_total, grad_total.new_empty(0), grad_state, grad_values
    factors = affine_factors(values, grad_values, place, is_batch)
    grad_x = empty_like(x, layout, dtype) if has_skip else grad_total
    kernels.affine_backward(place, factors, arrays.x if is_batch else None, flat, _flat(grad_x, layout))
    return grad_x, grad_total if has_skip else grad_total.new_empty(0), grad_state, grad_values


neuron_backward = torch.library.custom_op(
    "snnpd::neuron_backward",
    backward_pass,
    mutates_args=(),
    schema="(Tensor grad_spikes, Tensor? grad_next_state, Tensor? grad_sum, Tensor x, Tensor state, Tensor values, "
    f"Tensor potentials, Tensor total, {_DECLARATION}) -> {_FOUR}",
)


@neuron_backward.register_fake
def _(
    grad_spikes: Tensor,
    grad_next_state: Tensor | None,
    grad_sum: Tensor | None,
    x: Tensor,
    state: Tensor,
    values: Tensor,
    potentials: Tensor,
    total: Tensor,
    channel_dim: int,
    equation: list[float],
    is_affine: bool,
    *more: Any,
) -> tuple[Tensor, ...]:
    x, layout = arrange(x)
    has_own_skip = is_affine and total.shape == x.shape
    return (
        empty_like(x, layout, grad_spikes.dtype),
        empty_like(x, layout, grad_spikes.dtype) if has_own_skip else grad_spikes.new_empty(0),
        empty_like(state, layout, state.dtype),
        torch.empty_like(values),
    )


def affine_factors(values: Tensor, sums: Tensor, place: Place, is_batch: bool) -> Tensor:
    """How the gradient of a normalised input becomes the input's: `[3, C]`, of the gradient, of the input, and one.

    Equation: ∂L/∂x = scale · (g − Σg/n − x̂ Σ(g x̂)/n), x̂ = (x − mean) / deviation, sums over the n elements of a
        channel; without statistics of the batch, scale · g.
    """
    scale = values[SCALE]
    zero = torch.zeros_like(scale)
    if not is_batch:
        return torch.stack([scale, zero, zero])
    count = place.num_steps * place.num_neurons / values.shape[1]
    mean, inverse = values[MEAN], values[INVERSE_DEVIATION]
    along = inverse * (sums[SCALE] - mean * sums[SHIFT])
    of_input = -scale * inverse * along / count
    return torch.stack([scale, of_input, -scale * sums[SHIFT] / count - of_input * mean])


def _setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    x, state, values, skip, *declaration = inputs
    equation, is_affine, mode, learned = (declaration[i] for i in (1, 2, 4, 5))
    potentials, total = output[2:]
    # The input is kept where something is computed from it; else a stand-in of the same layout, which is kept anyway.
    rereads = mode == "lean" or (learned & 1 and _equation(equation).decay_input)
    stand_in = potentials if skip is None else total
    ctx.save_for_backward(
        x if is_affine or (rereads and skip is None) else stand_in, state, values, potentials, total
    )
    ctx.declaration, ctx.has_skip, ctx.dtype = declaration, skip is not None, x.dtype
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(potentials)


def _backward(
    run_backward: Callable[..., tuple[Tensor, ...]],
    ctx: Any,
    *grads: Tensor | None,
) -> tuple[Tensor | None, ...]:
    grad_spikes, grad_next_state, _, grad_sum = grads
    x, state, values, potentials, total = ctx.saved_tensors
    if grad_spikes is None:
        grad_spikes = torch.zeros_like(x, dtype=ctx.dtype)
    # An empty residual sum may come with a gradient as empty.
    given = (grad_spikes, grad_next_state, grad_sum if ctx.has_skip else None)
    grad_x, own_skip, grad_state, grad_values = run_backward(
        *given, x, state, values, potentials, total, *ctx.declaration
    )
    is_affine = ctx.declaration[2]
    grad_skip = (own_skip if is_affine else grad_x) if ctx.has_skip else None
    return grad_x, grad_state, grad_values, grad_skip, *([None] * len(ctx.declaration))


neuron.register_autograd(partial(_backward, neuron_backward), setup_context=_setup)


class Direct(torch.autograd.Function):
    """The operator without torch's dispatcher in between, which takes longer than the kernels of a small layer."""

    forward = staticmethod(forward_pass)
    setup_context = staticmethod(_setup)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        """See `backward_pass`."""
        # On only where the gradient is to be differentiated again: it would be taken for a constant, in silence.
        if torch.is_grad_enabled():
            raise UsageError(
                "the neuron kernels have no second derivative (create_graph=True): use implementation='reference'"
            )
        return _backward(backward_pass, ctx, *grads)


def run(*arguments: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """`neuron`, as an operator where a compiler or another kind of tensor must see it as one."""
    if torch.compiler.is_compiling() or type(arguments[0]) is not Tensor:
        return neuron(*arguments)
    return Direct.apply(*arguments)


def _outputs(
    x: Tensor, layout: Layout, state: Tensor, skip: Tensor | None, mode: str
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return (
        empty_like(x, layout, x.dtype),
        empty_like(state, layout, state.dtype),
        empty_like(x, layout, state.dtype) if mode == "fast" else state.new_empty(0),
        x.new_empty(0) if skip is None else empty_like(x, layout, x.dtype),
    )


def _flat(tensor: Tensor, layout: Layout) -> Tensor:
    # A view, not a copy: the tensor was made dense in this order.
    if layout.is_plain:
        return tensor.view(-1)
    ahead = tensor.ndim - len(layout.order)
    return tensor.permute(*range(ahead), *(d + ahead for d in layout.order)).view(-1)


def _place(x: Tensor, layout: Layout, channel_dim: int, num_channels: int) -> Place:
    inner = channel_inner(tuple(x.shape[1:]), layout, channel_dim) if num_channels > 1 else 1
    return Place(x.shape[0], *layout[1:], inner, num_channels)


def _equation(numbers: list[float]) -> Equation:
    return _parsed(tuple(numbers))


@cache
def _parsed(numbers: tuple[float, ...]) -> Equation:
    alphabet, levels, is_hard, rest, decay_input, detach, code, scale = numbers
    flags = bool(decay_input), bool(detach)
    return Equation(int(alphabet), int(levels), bool(is_hard), rest, *flags, int(code), scale)


def _by_channel(sums: Tensor, place: Place, values: Tensor, learned: int) -> Tensor:
    """The gradients of the table of values, from each neuron's part of them."""
    grad = torch.zeros_like(values)
    channels = place.num_channels
    for row in range(len(sums)):
        if learned >> row & 1:
            part = sums[row]
            grad[row] = (
                part.view(-1, channels, place.channel_inner).sum((0, 2)) if channels > 1 else part.sum()
            )
    return grad
