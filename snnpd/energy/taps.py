"""How many outputs of a convolution or a pool an input reaches: from the geometry alone."""

import torch
from jaxtyping import Int64
from torch import Tensor

from snnpd.errors import UsageError


def reached_taps(
    size: int, kernel: int, stride: int, padding: int, dilation: int, num_outputs: int | None = None
) -> Int64[Tensor, "size"]:
    """Along one axis: how many pairs of an output and a tap of the kernel read each input.

    `num_outputs` None is as many as fit.

    Equation: output o reads input o · stride − padding + i · dilation with tap i.

    Raises:
        UsageError: the kernel is larger than the padded input.
    """
    if num_outputs is None:
        num_outputs = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    if num_outputs < 1:
        raise UsageError(
            f"a kernel of {kernel} (dilation {dilation}) does not fit into {size} + 2 · {padding}"
        )
    outputs, taps = torch.arange(num_outputs)[:, None], torch.arange(kernel)
    read = (outputs * stride - padding + taps * dilation).flatten()
    return torch.bincount(read[(read >= 0) & (read < size)], minlength=size)
