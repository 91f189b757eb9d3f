"""The numbers of a neuron as tensors: one for the layer or one for each channel, learned or not."""

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from snnpd.errors import UsageError
from snnpd.neurons.equations import Number
from snnpd.neurons.spec import NeuronSpec, PerChannel


class Values(NamedTuple):
    """What stands in the place of the declared numbers, each `[]` or `[C]`; None leaves the declared one.

    `amplitude` is what a spike is worth to the next layer; None is one.
    """

    decay: Tensor | None = None
    threshold: Tensor | None = None
    negative_threshold: Tensor | None = None
    amplitude: Tensor | None = None


DECLARED = Values()


class Numbers(NamedTuple):
    """The same as they enter the equations of one step: numbers, or tensors that broadcast against it."""

    decay: Number | None
    threshold: Number
    negative_threshold: Number
    amplitude: Number | None


def check_channels(num_channels: int | None, sizes: tuple[int, ...], dim: int) -> None:
    """Raises UsageError where a step of shape `sizes` has not the neuron's channels along its dimension `dim`."""
    if num_channels is None:
        return
    if not -len(sizes) <= dim < len(sizes) or sizes[dim] != num_channels:
        raise UsageError(
            f"the neuron has numbers for {num_channels} channels along dimension {dim} of a step, "
            f"but a step of the input has shape {sizes}: set channels or channel_dim (-1 for tokens [B, N, C], "
            "1 for maps [B, C, h, w])"
        )


def along_channels(value: Number | PerChannel, like: Tensor, dim: int) -> Number:
    """A declared number or the numbers of the channels, ready to broadcast against a step `like`."""
    if isinstance(value, float | int):
        return value
    numbers = torch.as_tensor(value, dtype=like.dtype, device=like.device)
    if numbers.ndim == 0:
        return numbers
    return numbers.view([-1 if axis == dim % like.ndim else 1 for axis in range(like.ndim)])


def in_force(spec: NeuronSpec, values: Values, like: Tensor) -> Numbers:
    """Decay, thresholds and amplitude for a step `like`; a decay of None is no leak, an amplitude of None one."""
    check_channels(channels_of(spec, values), tuple(like.shape), spec.channel_dim)

    def along(value: Number | PerChannel) -> Number:
        return along_channels(value, like, spec.channel_dim)

    decay, threshold, negative_threshold = chosen(spec, values)
    return Numbers(
        None if decay is None else along(decay),
        along(threshold),
        along(negative_threshold),
        None if values.amplitude is None else along(values.amplitude),
    )


def chosen(
    spec: NeuronSpec, values: Values
) -> tuple[Number | PerChannel | None, Number | PerChannel, Number | PerChannel]:
    """Decay and both thresholds, from `values` where given, else as declared."""
    decay = spec.decay if values.decay is None else values.decay
    threshold = spec.threshold if values.threshold is None else values.threshold
    if values.negative_threshold is not None:
        return decay, threshold, values.negative_threshold
    # A threshold that is learned is the negative one too, unless that has a number of its own.
    return decay, threshold, threshold if spec.negative_threshold is None else spec.negative_threshold


def channels_of(spec: NeuronSpec, values: Values) -> int | None:
    """The number of channels that have numbers of their own; None where one number serves all.

    Raises:
        UsageError: two of the numbers are for different numbers of channels.
    """
    lengths = {len(v) for v in (spec.decay, spec.threshold, spec.negative_threshold) if isinstance(v, tuple)}
    lengths |= {len(value) for value in values if value is not None and value.ndim}
    if len(lengths) > 1:
        raise UsageError(
            f"numbers for {sorted(lengths)} channels in one neuron: give all of them for the same"
        )
    return lengths.pop() if lengths else None


def table(spec: NeuronSpec, values: Values, state: Tensor) -> Tensor:
    """The table of values that kernels read (see `snnpd.neurons.launch.ROWS`), without a normalisation: `[8, C]`."""
    if _says_nothing(values) and channels_of(spec, values) is None:
        # A fake state wants a fake table, which must not be kept for real ones.
        make = _kept_table if type(state) is Tensor else _declared_table
        return make(spec, state.dtype, state.device)
    numbers = (*chosen(spec, values), values.amplitude, None, None, None, None)
    rows = [
        torch.as_tensor(default if number is None else number, dtype=state.dtype, device=state.device)
        for number, default in zip(numbers, DEFAULTS, strict=True)
    ]
    width = channels_of(spec, values) or 1
    return torch.stack([row.expand(width) for row in rows])


def _says_nothing(values: Values) -> bool:
    # Spelled out, and no property: compilers do not all look through a generator or a tuple's own methods.
    decay, threshold, negative_threshold, amplitude = values
    return decay is None and threshold is None and negative_threshold is None and amplitude is None


# What a row of the table is where nothing else is said: no leak, thresholds and amplitude one, no normalisation.
DEFAULTS = (1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0)


def _declared_table(spec: NeuronSpec, dtype: torch.dtype, device: torch.device) -> Tensor:
    numbers = [
        default if n is None else n for n, default in zip(chosen(spec, DECLARED), DEFAULTS, strict=False)
    ]
    rows = [[number] for number in (*numbers, *DEFAULTS[len(numbers) :])]
    # Kept for training too, whatever mode it was first asked for in.
    with torch.inference_mode(False):
        return torch.tensor(rows, dtype=dtype, device=device)


_kept_table = cache(_declared_table)
