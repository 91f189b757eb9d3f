"""What every neuron kernel is given: the declaration as numbers, where the elements lie, and the arrays."""

from typing import NamedTuple, Protocol, runtime_checkable

from torch import Tensor

from snnpd.spikes import SURROGATES

ALPHABETS = ("binary", "ternary", "integer")
# 0 is straight-through, which integer neurons take.
SURROGATE_CODES = {name: code for code, name in enumerate(sorted(SURROGATES), start=1)}

# The rows of the table of values `[len(ROWS), C]`, in the state's dtype: one column, or one for each channel.
ROWS = (
    "decay",
    "threshold",
    "negative_threshold",
    "amplitude",
    "scale",
    "shift",
    "mean",
    "inverse_deviation",
)
DECAY, THRESHOLD, NEGATIVE_THRESHOLD, AMPLITUDE, SCALE, SHIFT, MEAN, INVERSE_DEVIATION = range(len(ROWS))


class Equation(NamedTuple):
    """The declaration of a neuron as a kernel needs it; its thresholds and decay are in the table of values.

    `alphabet` is an index of `ALPHABETS`, `levels` the highest letter, `surrogate` one of `SURROGATE_CODES` or 0.
    """

    alphabet: int
    levels: int
    is_hard: bool
    reset_potential: float
    decay_input: bool
    detach_reset: bool
    surrogate: int
    surrogate_scale: float


class Place(NamedTuple):
    """Where the elements of a sequence lie, counted in elements.

    The input's neuron i of step t is at `t · step + (i // inner) · pitch + i % inner`, i < rows · inner; all other
    sequences are dense in the same order, at `t · rows · inner + i`. Its channel is
    `(i // channel_inner) % num_channels`; where the table of values has one column, that one is meant.
    """

    num_steps: int
    rows: int
    inner: int
    pitch: int
    step: int
    channel_inner: int
    num_channels: int

    @property
    def num_neurons(self) -> int:
        """The number of elements of one time step."""
        return self.rows * self.inner


class ForwardArrays(NamedTuple):
    """The arrays of a forward pass; `[T, n]` and `[n]` flat and dense, `x` flat over its extent in memory.

    Inputs: `x`; `skip` `[T, n]` of its dtype or None; `state` `[n]` and `values` in the state's dtype.
    Outputs: `spikes` `[T, n]` (the input's dtype, or int8); `next_state` `[n]`; `potentials` `[T, n]` in the state's
    dtype or None (not saved); `total` `[T, n]` in the input's dtype or None (no residual sum).
    """

    x: Tensor
    skip: Tensor | None
    state: Tensor
    values: Tensor
    spikes: Tensor
    next_state: Tensor
    potentials: Tensor | None
    total: Tensor | None


class BackwardArrays(NamedTuple):
    """The arrays of back-propagation through time, laid out as in `ForwardArrays`.

    `source` is what the potentials come from: "potentials" (saved), "input" (computed again from `x`, normalised if
    `is_affine`) or "total" (computed again from the residual sum). `x` is None where nothing needs it.
    Outputs: `grad_total` `[T, n]`, the gradient of what the neuron integrates, in the input's dtype;
    `grad_state` `[n]`; `sums` `[6, n]` in the state's dtype, for the rows of `learned` (a bit for each of the first
    six of `ROWS`) the sum over time of each neuron's part of that row's gradient; other rows are left alone.
    """

    source: str
    x: Tensor | None
    potentials: Tensor | None
    total: Tensor | None
    state: Tensor
    values: Tensor
    grad_spikes: Tensor
    grad_sum: Tensor | None
    grad_next_state: Tensor | None
    grad_total: Tensor
    grad_state: Tensor
    sums: Tensor
    learned: int
    is_affine: bool


@runtime_checkable
class Kernels(Protocol):
    """The three passes that an implementation offers; it writes into the arrays it is given.

    Equation: y = scale · x + shift if `is_affine`, else x; plus `skip` if there is one. Where `total` is asked for, y
    is rounded to its dtype first. u = rest + decay · (h − rest) + gain · y, gain = 1 − decay if `decay_input` else 1,
    each product and sum contracted (fma); then fire and reset as in `snnpd.neurons.equations`; what leaves is
    amplitude · s.
    """

    def forward(self, equation: Equation, place: Place, arrays: ForwardArrays, is_affine: bool) -> None:
        """Spikes and the state after the last step."""

    def backward(self, equation: Equation, place: Place, arrays: BackwardArrays) -> None:
        """The gradient of what was integrated, of the first state, and of the learned rows, by neuron."""

    def affine_backward(
        self, place: Place, factors: Tensor, x: Tensor | None, grad: Tensor, out: Tensor
    ) -> None:
        """`out = factors[0] · grad + factors[1] · x + factors[2]`, factors `[3, C]`; `out` may be `grad` itself."""
