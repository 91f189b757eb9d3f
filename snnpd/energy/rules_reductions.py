"""Rules 9, 10, 13 and 14: pools, sums over tokens, normalisations and softmax."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from snnpd.energy.rules_products import product
from snnpd.energy.scene import Call, Scene
from snnpd.energy.signals import Signal
from snnpd.energy.sums import leading
from snnpd.energy.taps import reached_taps

ROLE = "pool"


def total(scene: Scene, call: Call) -> Signal | None:
    """sum and mean over some axes; over time too."""
    x = call.args[0]
    signal = scene.signals[x]
    assert signal is not None
    dims = call.argument(1, "dim") or range(x.ndim)
    dims = [dim % x.ndim for dim in ([dims] if isinstance(dims, int) else dims)]
    terms = math.prod(x.shape[dim] for dim in dims)
    over_time = 0 in dims and x.shape[0] == signal.steps
    after = signal.with_steps(1) if over_time else signal
    if terms == 1:
        return after
    return _added(scene, x, signal, after, terms, is_mean=call.name == "mean")


def _added(
    scene: Scene, x: Tensor, signal: Signal, after: Signal, terms: int, is_mean: bool, fan_out: int = 1
) -> Signal:
    dense = scene.per_row(x.numel(), signal)
    if not signal.is_events:
        scene.count(ROLE, "ac", signal, dense)
        return after.analog(folds=signal.folds and not is_mean)
    low, high = signal.letters
    result = after.events(low * terms, high * terms, signal.scale / (terms if is_mean else 1))
    done = scene.nonzeros(x, signal)
    scene.count(ROLE, "ac", signal, done * fan_out, (dense - done) * fan_out, bits=result.width)
    return result


def running_sum(scene: Scene, call: Call) -> Signal | None:
    """An addition for each element."""
    x = call.args[0]
    signal = scene.signals[x]
    assert signal is not None
    length = x.shape[call.argument(1, "dim")]
    low, high = signal.letters if signal.is_events else (0, 0)
    result = signal.events(low * length, high * length, signal.scale) if signal.is_events else signal.analog()
    bits = result.width if result.is_events else None
    scene.count(ROLE, "ac", signal, scene.per_row(x.numel(), signal), bits=bits)
    return result


def max_pool(scene: Scene, call: Call) -> Signal | None:
    """A comparison for each tap of a window but the first."""
    x = call.args[0]
    signal = scene.signals[x]
    assert signal is not None
    taps = _taps(call, x)
    maps = x[(..., *[0] * len(taps))].numel() // scene.rows(signal)
    windows = scene.per_row(call.result.numel(), signal)
    compares = math.prod(int(axis.sum()) for axis in taps) * maps - windows
    scene.count(ROLE, "compare", signal, compares, bits=signal.width if signal.is_events else None)
    return replace(signal, folds=False)


def average_pool(scene: Scene, call: Call) -> Signal | None:
    """Each element is added in every window that holds it; the division is a constant."""
    x = call.args[0]
    signal = scene.signals[x]
    assert signal is not None
    taps = _taps(call, x)
    reach = torch.ones((), dtype=torch.int64)
    for axis in taps:
        reach = reach.unsqueeze(-1) * axis
    rows = scene.rows(signal)
    dense = int(reach.sum()) * (x.numel() // reach.numel() // rows)
    if not signal.is_events:
        scene.count(ROLE, "ac", signal, dense)
        return signal.analog()
    window = math.prod(_pair(call.args[1], len(taps)))
    low, high = signal.letters
    result = signal.events(low * window, high * window, signal.scale / window)
    done = leading((x != 0) * reach.to(x.device), rows).flatten(1).sum(-1)
    scene.count(ROLE, "ac", signal, done, dense - done, bits=result.width)
    is_even = all(int(axis.min()) == int(axis.max()) for axis in taps) or call.argument(5, "", True)
    return result if is_even and call.argument(6, "divisor_override") is None else result.analog()


def _taps(call: Call, x: Tensor) -> list[Tensor]:
    axes = call.result.ndim - 2 if call.name.startswith(("max_pool1d", "avg_pool1d")) else 2
    axes = 3 if "3d" in call.name else (1 if "1d" in call.name else 2)
    kernel = _pair(call.args[1], axes)
    stride = _pair(call.argument(2, "stride") or kernel, axes)
    padding = _pair(call.argument(3, "padding", 0), axes)
    dilation = _pair(call.argument(4, "dilation", 1) if call.name.startswith("max") else 1, axes)
    sizes = x.shape[-axes:], call.result.shape[-axes:]
    return [
        reached_taps(size, kernel[i], stride[i], padding[i], dilation[i], outputs)
        for i, (size, outputs) in enumerate(zip(*sizes, strict=True))
    ]


def _pair(value: int | Sequence[int], axes: int) -> list[int]:
    values = [value] if isinstance(value, int) else list(value)
    return values * axes if len(values) == 1 else values


def layer_norm(scene: Scene, call: Call) -> Signal | None:
    """Mean, variance, and two multiplications of each element."""
    x = call.args[0]
    signal = scene.signals[x]
    assert signal is not None
    elements = scene.per_row(x.numel(), signal)
    scene.count("norm", "ac", signal, 2 * elements)
    scene.count("norm", "mac", signal, 2 * elements)
    scene.ledger.add_unpriced(scene.layer, "1/sqrt", call.out[-1].numel())
    return signal.analog()


def softmax(scene: Scene, call: Call) -> Signal | None:
    """The largest, a difference, an exponential, a sum and a quotient for each element."""
    signal = scene.signals[call.args[0]]
    assert signal is not None
    _softmax(scene, signal, call.result.numel())
    return signal.analog()


def _softmax(scene: Scene, signal: Signal, numel: int) -> None:
    elements = numel // scene.rows(signal)
    scene.count("norm", "compare", signal, elements)
    scene.count("norm", "ac", signal, 2 * elements)
    scene.count("norm", "mac", signal, elements)
    scene.ledger.add_unpriced(scene.layer, "exp", numel)


def fused_attention(scene: Scene, call: Call) -> Signal | None:
    """Softmax attention in one kernel: scores, softmax and values, each by its rule."""
    q, k, v = call.args[:3]
    signals = [scene.signals[x] for x in (q, k, v)]
    known = next(signal for signal in signals if signal is not None)
    left, right, values = (known.analog() if signal is None else signal for signal in signals)
    product(scene, q, k.transpose(-1, -2), left, right)
    weights = torch.empty(*q.shape[:-1], k.shape[-2], device="meta")
    _softmax(scene, known, weights.numel())
    return product(scene, weights, v, known.analog(), values)


RULES: dict[str, Callable[[Scene, Call], Signal | None]] = {
    "sum": total,
    "mean": total,
    "cumsum": running_sum,
    **dict.fromkeys(("max_pool2d_with_indices", "max_pool3d_with_indices", "max_pool1d"), max_pool),
    **dict.fromkeys(("avg_pool1d", "avg_pool2d", "avg_pool3d"), average_pool),
    **dict.fromkeys(("native_layer_norm", "native_group_norm"), layer_norm),
    **dict.fromkeys(("_softmax", "_log_softmax", "_safe_softmax"), softmax),
    **dict.fromkeys(
        (
            "_scaled_dot_product_flash_attention_for_cpu",
            "_scaled_dot_product_flash_attention",
            "_scaled_dot_product_efficient_attention",
            "_scaled_dot_product_cudnn_attention",
            "_scaled_dot_product_fused_attention_overrideable",
            "_scaled_dot_product_attention_math",
        ),
        fused_attention,
    ),
}
