"""Rules 1 to 3: linear maps and convolutions of activations with weights."""

import torch
from torch import Tensor

from snnpd.energy.rules_products import product
from snnpd.energy.rules_reductions import layer_norm
from snnpd.energy.scene import Call, Scene
from snnpd.energy.signals import Signal
from snnpd.energy.sums import sums_along
from snnpd.energy.taps import reached_taps
from snnpd.errors import UsageError

ROLE = "linear"


def matrix_product(scene: Scene, call: Call) -> Signal | None:
    """mm, bmm, mv and their kin with an added bias: a linear map, or a product of two activations."""
    has_bias = call.name in ("addmm", "baddbmm", "addmv")
    a, b = call.args[1:3] if has_bias else call.args[:2]
    b = b.t() if call.name == "linear" else b
    left, right = scene.signals[a], scene.signals[b]
    added = scene.signals[call.args[0]] if has_bias else None
    if added is not None:
        scene.count("residual", "ac", added, scene.per_row(call.result.numel(), added))
    if left is None and right is None:
        assert added is not None
        return added.analog()
    if left is not None and right is not None:
        return product(scene, a, b, left, right)
    if left is not None:
        return _linear(scene, a, left, fan_out=b.shape[-1] if b.ndim > 1 else 1, weight=b)
    assert right is not None
    return _linear(scene, b, right, fan_out=a.shape[-2], weight=a)


def _linear(scene: Scene, x: Tensor, signal: Signal, fan_out: int, weight: Tensor) -> Signal:
    inputs = scene.per_row(x.numel(), signal)
    outputs = inputs // weight.shape[-2] * fan_out if weight.ndim > 1 else fan_out
    _map(scene, x, signal, fan_out, inputs * fan_out, outputs, weight.numel())
    return signal.analog(folds=True)


def _map(
    scene: Scene, x: Tensor, signal: Signal, fan_out: int, dense: int, outputs: int, weights: int
) -> None:
    """A map in which each input reaches `fan_out` outputs."""
    scene.dense(dense, scene.per_row(x.numel(), signal), weights, outputs)
    if not signal.is_events:
        _count_dense(scene, signal, dense, outputs, weights, x.numel())
        return
    events = scene.units(x, signal)
    spiking = events if signal.peak == 1 else scene.nonzeros(x, signal)
    inputs = scene.per_row(x.numel(), signal)
    skipped = dense - spiking * fan_out
    _count_events(scene, signal, events * fan_out, skipped, spiking, inputs, outputs, weights)


def convolution(scene: Scene, call: Call) -> Signal | None:
    """aten.convolution: taps beyond the border and between strides are not reached."""
    x, weight, _, stride, padding, dilation, transposed, _, groups = call.args[:9]
    signal = scene.signals[x]
    if signal is None or transposed:
        made = scene.signals[weight]
        name = "transposed convolution" if made is None else "convolution with computed weights"
        scene.ledger.add_unpriced(scene.layer, name, call.result.numel())
        known = signal or made
        return None if known is None else known.analog()
    signal = _of_maps(scene, signal, x, weight.ndim)
    x = x.unsqueeze(0) if x.ndim < weight.ndim else x
    reach = torch.ones((), dtype=torch.int64)
    for axis, size in enumerate(x.shape[2:]):
        taps = reached_taps(size, weight.shape[2 + axis], stride[axis], padding[axis], dilation[axis])
        reach = reach.unsqueeze(-1) * taps
    fan_out = weight.shape[0] // groups
    rows = scene.rows(signal)
    maps = x.shape[0] // rows
    dense = int(reach.sum()) * x.shape[1] * fan_out * maps
    outputs = call.result.numel() // rows
    scene.dense(dense, x.numel() // rows, weight.numel(), outputs)
    if not signal.is_events:
        _count_dense(scene, signal, dense, outputs, weight.numel(), x.numel())
        return signal.analog(folds=True)
    reach = reach.to(x.device)
    events = _per_row(sums_along(x, 1, (1,), signal) * reach, rows) * fan_out
    silent = events
    spiking = scene.nonzeros(x, signal)
    if signal.peak > 1:
        silent = _per_row(sums_along(x, 0, (1,), signal) * reach, rows) * fan_out
    inputs = x.numel() // rows
    _count_events(scene, signal, events, dense - silent, spiking, inputs, outputs, weight.numel())
    return signal.analog(folds=True)


def _of_maps(scene: Scene, signal: Signal, x: Tensor, ndim: int) -> Signal:
    """The signal of what a convolution takes for a batch: its first axis, that of time steps and samples.

    Raises:
        UsageError: that axis is neither, as in a layer that runs on one sample at a time.
    """
    rows = len(x) if x.ndim == ndim else 1
    if rows % scene.rows(signal) == 0:
        return signal
    if rows % scene.batch_size == 0:
        return signal.with_steps(1)
    raise UsageError(
        f"{scene.layer}: a convolution of {rows} maps in a batch of {signal.steps} time steps x {scene.batch_size} "
        "samples; a layer that runs on parts of a batch can be counted with batches of one"
    )


def _per_row(counts: Tensor, rows: int) -> Tensor:
    return counts.reshape(rows, -1).sum(-1)


def _count_dense(scene: Scene, signal: Signal, dense: int, outputs: int, weights: int, numel: int) -> None:
    scene.count(ROLE, "mac", signal, dense)
    inputs = numel // scene.rows(signal)
    scene.access("input", "read", dense, signal, inputs)
    scene.access("weight", "read", dense, signal, weights)
    scene.access("output", "write", outputs, signal, outputs)


def _count_events(
    scene: Scene,
    signal: Signal,
    events: Tensor,
    skipped: Tensor,
    spiking: Tensor,
    inputs: int,
    outputs: int,
    weights: int,
) -> None:
    scene.count(ROLE, "ac", signal, events, skipped)
    scene.access("input", "read", spiking, signal, inputs, bits=signal.width)
    scene.access("weight", "read", events, signal, weights)
    scene.access("accumulator", "read", events, signal, outputs)
    scene.access("accumulator", "write", events, signal, outputs)


def batch_norm(scene: Scene, call: Call) -> Signal | None:
    """Behind a linear map a batch-norm goes into its weights; elsewhere it scales and shifts each element."""
    signal = scene.signals[call.args[0]]
    assert signal is not None
    if call.name.endswith("no_stats") or (len(call.args) > 5 and call.args[5]):
        return layer_norm(scene, call)  # statistics of the data itself
    if not signal.folds:
        scene.count("norm", "mac", signal, scene.per_row(call.args[0].numel(), signal))
    return signal.analog()
