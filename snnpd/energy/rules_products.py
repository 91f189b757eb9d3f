"""Rules 4 and 5: products of two activations."""

import torch
from torch import Tensor

from snnpd.energy.scene import Scene
from snnpd.energy.signals import Signal, combined
from snnpd.energy.sums import sums_along

ROLE = "product"


def product(scene: Scene, a: Tensor, b: Tensor, left: Signal, right: Signal) -> Signal:
    """Σ_k a_nk b_ke of each row: pairs of events that meet, events on words, or words on words."""
    signal = left if left.steps >= right.steps else right
    rows = scene.rows(signal)
    dense = a.numel() // rows * (b.shape[-1] if b.ndim > 1 else 1)
    scene.dense(dense, a.numel() // rows, b.numel() // rows, num_outputs(a, b, rows))
    if not left.is_events and not right.is_events:
        scene.count(ROLE, "mac", signal, dense)
        for operand in (a, b):
            scene.access("input", "read", dense, signal, operand.numel() // rows)
        scene.access("output", "write", num_outputs(a, b, rows), signal, num_outputs(a, b, rows))
        return signal.analog()
    if not (left.is_events and right.is_events):
        x, events, fan_out = (a, left, b.shape[-1]) if left.is_events else (b, right, a.shape[-2])
        other = b if left.is_events else a
        done = scene.units(x, events) * fan_out
        reached = done if events.peak == 1 else scene.nonzeros(x, events) * fan_out
        scene.count(ROLE, "ac", signal, done, dense - reached)
        accumulate(scene, signal, done, num_outputs(a, b, rows), other.numel() // rows, None, None)
        return signal.analog()
    low, high = combined(left, right, int.__mul__)
    result = signal.events(low * a.shape[-1], high * a.shape[-1], left.scale * right.scale)
    done, met = meeting(a, b.transpose(-1, -2), left, right, rows)
    scene.count(ROLE, "ac", signal, done, dense - met, bits=result.width)
    other, letters = (b, right) if left.peak <= right.peak else (a, left)
    outputs = num_outputs(a, b, rows)
    accumulate(scene, signal, done, outputs, other.numel() // rows, letters.width, result.width)
    return result


def meeting(a: Tensor, b: Tensor, left: Signal, right: Signal, rows: int) -> tuple[Tensor, Tensor]:
    """For a bᵀ of events: additions as the driver's unit events, and products of which neither factor is zero.

    Shapes:
        a `[..., N, K]`, b `[..., E, K]`, leading axes holding the rows; both results `[rows]`.
    """
    is_left = left.peak <= right.peak
    met_a, met_b = (sums_along(x, 0, (x.ndim - 2,), s) for x, s in ((a, left), (b, right)))
    met = met_a * met_b
    driver, signal = (a, left) if is_left else (b, right)
    if signal.peak == 1:
        done = met
    else:
        driving = sums_along(driver, 1, (driver.ndim - 2,), signal)
        done = driving * (met_b if is_left else met_a)
    return _rows(done, rows), _rows(met, rows)


def num_outputs(a: Tensor, b: Tensor, rows: int) -> int:
    """How many elements a row of a b has."""
    return a.numel() // a.shape[-1] // rows * (b.shape[-1] if b.ndim > 1 else 1)


def accumulate(
    scene: Scene,
    signal: Signal,
    done: Tensor,
    outputs: int,
    operands: int,
    operand_bits: int | None,
    bits: int | None,
) -> None:
    """What additions of one activation into sums move: the operand that is added, and the accumulator, twice."""
    scene.access("operand", "read", done, signal, operands, operand_bits)
    scene.access("accumulator", "read", done, signal, outputs, bits)
    scene.access("accumulator", "write", done, signal, outputs, bits)


def _rows(counts: Tensor, rows: int) -> Tensor:
    return counts.reshape(rows, -1).sum(-1) if counts.numel() else torch.zeros(rows, dtype=torch.int64)
