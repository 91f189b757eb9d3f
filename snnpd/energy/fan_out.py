"""How many products each event takes part in: counted from the events and the geometry, without the dense product.

An event is a unit of a spike: +1 and −1 are one, an integer spike n is |n|. Counts are exact integers `[T, B]`, one for
each time step and sample. Together with what is skipped they are the dense product: over {−1, 0, 1},
events × fan-out + zeros × fan-out = dense, the conservation law of the tests.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from snnpd.errors import UsageError


class Reached(NamedTuple):
    """Products of one linear map.

    Shapes:
        events: `[T, B]`, products of events with weights, or of events with events.
        skipped: `[T, B]`, products with a zero.
    """

    events: Int64[Tensor, "T B"]
    skipped: Int64[Tensor, "T B"]


def linear_fan_out(x: Float[Tensor, "T B *_"], num_out: int) -> Reached:
    """What the events of `x`, its features last, reach in a linear layer: every event each of `num_out` outputs."""
    events, zeros = _units(x), (x == 0).long()
    return Reached(_per_sample(events) * num_out, _per_sample(zeros) * num_out)


def conv_fan_out(
    x: Float[Tensor, "T B C *S"],
    *,
    kernel: Sequence[int],
    num_out: int,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int = 1,
) -> Reached:
    """What the events of `x` reach in a convolution over its last axes: the taps that they really meet.

    An event near a border, or between two strides, meets fewer taps than the kernel has. What padding adds is neither
    event nor skipped: nothing is computed for it that hardware would not know beforehand.

    Raises:
        UsageError: not one kernel size, stride, padding and dilation for each spatial axis, or channels that the
            groups do not divide.
    """
    axes = x.ndim - 3
    if {len(kernel), len(stride), len(padding), len(dilation)} != {axes}:
        raise UsageError(
            f"a convolution over {axes} axes needs {axes} numbers each, got kernel {tuple(kernel)}"
        )
    if x.shape[2] % groups or num_out % groups:
        raise UsageError(
            f"{groups} groups divide neither {x.shape[2]} nor {num_out} channels; check the layer"
        )
    reach = torch.ones((), dtype=torch.int64, device=x.device)
    for axis in range(axes):
        taps = reached_taps(x.shape[3 + axis], kernel[axis], stride[axis], padding[axis], dilation[axis])
        reach = reach.unsqueeze(-1) * taps.to(x.device)
    reach = reach * (num_out // groups)
    return Reached(_per_sample(_units(x) * reach), _per_sample((x == 0).long() * reach))


def reached_taps(size: int, kernel: int, stride: int, padding: int, dilation: int) -> Int64[Tensor, "size"]:
    """Along one axis: how many pairs of an output and a tap of the kernel read each input.

    Equation: output o reads input o · stride − padding + i · dilation with tap i.

    Raises:
        UsageError: the kernel is larger than the padded input.
    """
    num_outputs = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    if num_outputs < 1:
        raise UsageError(
            f"a kernel of {kernel} (dilation {dilation}) does not fit into {size} + 2 · {padding}"
        )
    outputs, taps = torch.arange(num_outputs)[:, None], torch.arange(kernel)
    read = (outputs * stride - padding + taps * dilation).flatten()
    return torch.bincount(read[(read >= 0) & (read < size)], minlength=size)


def pair_fan_out(q: Float[Tensor, "T B *H N D"], k: Float[Tensor, "T B *H M D"]) -> Reached:
    """Pairs of events that meet in q kᵀ: per head and channel, events of the queries times events of the keys.

    Equation: Σ_c (Σ_n |q_nc|) (Σ_m |k_mc|); no product of the two matrices is needed.
    """
    events = _units(q).sum(-2) * _units(k).sum(-2)
    dense = q.shape[-2] * k.shape[-2]
    met = (q != 0).long().sum(-2) * (k != 0).long().sum(-2)
    return Reached(_per_sample(events), _per_sample(dense - met))


def _units(x: Tensor) -> Tensor:
    return x.abs().long()


def _per_sample(counts: Tensor) -> Tensor:
    return counts.flatten(2).sum(-1) if counts.ndim > 2 else counts
