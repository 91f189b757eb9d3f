"""What stands before a neuron, in its pass: a batch-norm, or a residual sum.

Where the neuron's kernel cannot take them in, or a hook listens to the batch-norm, the modules are called one after the
other: the same numbers up to rounding, the same running statistics.
"""

from collections.abc import Callable
from typing import TypeGuard

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from snnpd.neurons.base import Neuron
from snnpd.neurons.fused import Before

ALL = slice(None)


def fire_after_norm(
    norm: nn.Module, neuron: nn.Module, x: Tensor, channel_dim: int, part: slice = ALL
) -> Tensor:
    """`neuron(norm(x))`; with a `part`, x has only these channels of the batch-norm's.

    The count of batches seen belongs to all channels; it goes up with the last of them.

    Shapes:
        x and result: `[T, B, N, C]` for `channel_dim` -1, `[T, B, C, h, w]` for -3.
    """
    # A batch of none or one has no variance: the module says so, or leaves its statistics alone.
    has_variance = x.numel() > x.shape[channel_dim]
    if has_variance and _fuses(neuron, x, channel_dim) and is_plain(norm):
        # As a call of the module, so that its hooks see the spikes.
        return neuron(x, before=Before(*_normalisation(norm, x, channel_dim, part), channel_dim=channel_dim))
    if part == ALL:
        return neuron(_over_batches(norm, x, channel_dim))
    return neuron(_over_batches(lambda rows: norm_of_part(norm, rows, part), x, channel_dim))


def norm_of_part(norm: nn.Module, x: Tensor, part: slice) -> Tensor:
    """`norm(x)` for an x that has only some of the channels, `[R, K]` or `[R, K, h, w]`."""
    assert isinstance(norm, _BatchNorm)
    kept = (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    mean, variance, weight, bias = (None if tensor is None else tensor[part] for tensor in kept)
    is_own = norm.training or mean is None
    momentum = _next_momentum(norm, part)
    return functional.batch_norm(x, mean, variance, weight, bias, is_own, momentum, norm.eps)


def fire_after_sum(neuron: nn.Module, x: Tensor, skip: Tensor) -> tuple[Tensor, Tensor]:
    """`neuron(x + skip)`, and the sum."""
    if not _fuses(neuron, x, None) or x.dtype != skip.dtype or x.shape != skip.shape:
        total = x + skip
        return neuron(total), total
    before = Before(skip=skip, totals=[])
    spikes = neuron(x, before=before)
    assert before.totals
    return spikes, before.totals[0]


def _fuses(neuron: nn.Module, x: Tensor, channel_dim: int | None) -> bool:
    return isinstance(neuron, Neuron) and not watches_inputs(neuron) and neuron.can_fuse(x, channel_dim)


def is_plain(norm: nn.Module) -> TypeGuard[_BatchNorm]:
    """A batch-norm of torch itself, that nobody watches."""
    return type(norm) in (nn.BatchNorm1d, nn.BatchNorm2d) and not is_watched(norm)


def is_watched(module: nn.Module) -> bool:
    """Whether a hook waits for a call of the module."""
    return bool(module._forward_hooks) or watches_inputs(module)


def watches_inputs(module: nn.Module) -> bool:
    """Whether a hook sees or changes what goes into the module, or the gradients at its ends."""
    return any((module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks))


def _over_batches(norm: Callable[[Tensor], Tensor], x: Tensor, channel_dim: int) -> Tensor:
    """The norm as the modules take it: tokens `[R, C]` or maps `[R, C, h, w]`."""
    ahead = _num_batch_dims(x, channel_dim)
    return norm(x.flatten(0, ahead - 1)).unflatten(0, x.shape[:ahead])


def _num_batch_dims(x: Tensor, channel_dim: int) -> int:
    return x.ndim + channel_dim


def _normalisation(
    norm: _BatchNorm, x: Tensor, channel_dim: int, part: slice
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """Scale and shift of each channel; mean and inverse deviation too where they are the batch's own."""
    own = norm.training or norm.running_mean is None
    if own:
        mean, variance = _statistics(norm, x, channel_dim, part)
    else:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        mean, variance = norm.running_mean[part], norm.running_var[part]
    # In at least single precision, as the kernels compute: a norm held in 16 bits would lose its scale's last digits.
    wide = torch.promote_types(variance.dtype, torch.float32)
    mean, variance = mean.to(wide), variance.to(wide)
    inverse = torch.rsqrt(variance + norm.eps)
    scale = inverse if norm.weight is None else norm.weight[part] * inverse
    shift = -mean * scale if norm.bias is None else norm.bias[part] - mean * scale
    return scale, shift, mean if own else None, inverse if own else None


@torch.no_grad()
def _statistics(norm: _BatchNorm, x: Tensor, channel_dim: int, part: slice) -> tuple[Tensor, Tensor]:
    """Mean and (biased) variance of the batch; the running ones move as in `nn.BatchNorm1d.forward`."""
    momentum = _next_momentum(norm, part)
    rows = x.flatten(0, _num_batch_dims(x, channel_dim) - 1)
    running_mean, running_var = (
        None if kept is None else kept[part] for kept in (norm.running_mean, norm.running_var)
    )
    mean, variance = torch.batch_norm_update_stats(rows, running_mean, running_var, momentum)
    return mean, variance


def _next_momentum(norm: _BatchNorm, part: slice) -> float:
    """How much the running statistics move towards this batch's; the batch is counted with the last channel."""
    seen = norm.num_batches_tracked
    if not norm.training or seen is None:
        return norm.momentum or 0.0
    # None: a plain mean over the batches seen, as in nn.BatchNorm1d
    momentum = 1.0 / (int(seen) + 1) if norm.momentum is None else norm.momentum
    if part.stop in (None, norm.num_features):
        seen.add_(1)
    return momentum
