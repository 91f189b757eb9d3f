"""The pixels against an oracle that follows each of them alone, from one thing that happens to the next."""

import math
from typing import Any

import numpy as np
import pytest

from snnpd.datasets.simulator.pixels import Circuit, Fired, PixelArray

Shots = list[tuple[float, bool]]


def follow(
    levels: np.ndarray, times: np.ndarray, shots: Shots, phase: float, circuit: dict[str, Any]
) -> list[tuple[float, bool]]:
    """The events of one pixel: wherever it stands, what comes next is a crossing, a shot, waking up or a frame."""
    up, down, dead_time = circuit["brighter"], circuit["darker"], circuit["refractory_us"]
    leak = circuit["leak_hz"] * 1e-6 * up
    y, memory, set_at, dead = levels[0], levels[0] - phase * up, times[0], -math.inf
    events: list[tuple[float, bool]] = []
    for x0, x1, t0, t1 in zip(levels, levels[1:], times, times[1:], strict=False):
        end = x1
        if circuit["cutoff_hz"] is not None:
            tau = 1e6 / (2 * math.pi * circuit["cutoff_hz"])
            lag = tau * (x1 - x0) / (t1 - t0)
            end = x1 - lag + (y - x0 + lag) * math.exp(-(t1 - t0) / tau)
        slope = (end - y) / (t1 - t0)
        now = t0
        for stop, shot in [*((t, p) for t, p in shots if t0 < t <= t1), (t1, None)]:
            while now < stop:
                if dead > now:
                    now = min(dead, stop)
                    memory, set_at = y + slope * (now - t0), now
                    continue
                moved = y + slope * (now - t0) - memory + leak * (now - set_at)
                climb = slope + leak
                wanted = up if climb > 0 else -down
                crossing = now + (wanted - moved) / climb if climb else math.inf
                now = min(crossing, stop)
                if crossing <= stop:
                    events.append((now, climb > 0))
                    memory, set_at, dead = y + slope * (now - t0), now, now + dead_time
            if shot is not None and dead <= now:
                events.append((now, shot))
                memory, set_at, dead = y + slope * (now - t0), now, now + dead_time
        y = end
    return events


def draw_shots(rng: np.random.Generator, num: int, num_pixels: int, stop: float) -> Fired:
    return Fired(
        rng.integers(num_pixels, size=num), np.sort(rng.uniform(0.0, stop, num)), rng.random(num) < 0.5
    )


@pytest.mark.parametrize("refractory_us", [0.0, 150.0, 2500.0])
@pytest.mark.parametrize("leak_hz", [0.0, 300.0])
@pytest.mark.parametrize("cutoff_hz", [None, 120.0])
@pytest.mark.parametrize("num_shots", [0, 400])
def test_against_pixels_followed_alone(
    refractory_us: float, leak_hz: float, cutoff_hz: float | None, num_shots: int
) -> None:
    rng = np.random.default_rng(0)
    num = 40
    levels, times = rng.normal(size=(15, num)), np.cumsum(rng.uniform(500.0, 4000.0, size=15))
    brighter, darker = rng.uniform(0.1, 0.4, size=(2, num))
    # Longer still than the refractory time, so that a pixel may be dead from one frame to after the next.
    times[7:] += 6000.0
    shots = draw_shots(rng, num_shots, num, times[-1])
    phase = rng.random(num)
    pixels = PixelArray(
        levels[0],
        times[0],
        Circuit(brighter, darker, refractory_us, cutoff_hz, leak_hz),
        phase if leak_hz else None,
    )
    ours: list[list[tuple[float, bool]]] = [[] for _ in range(num)]
    for frame in range(1, 15):
        within = (shots.time_us > times[frame - 1]) & (shots.time_us <= times[frame])
        fired = pixels.show(levels[frame], times[frame], Fired(*(column[within] for column in shots)))
        for pixel, time_us, bright in zip(*fired, strict=True):
            ours[pixel].append((float(time_us), bool(bright)))
    total = 0
    for pixel in range(num):
        circuit = {
            "brighter": brighter[pixel], "darker": darker[pixel],
            "refractory_us": refractory_us, "leak_hz": leak_hz, "cutoff_hz": cutoff_hz,
        }  # fmt: skip
        own = [(t, p) for at, t, p in zip(*shots, strict=True) if at == pixel]
        theirs = follow(levels[:, pixel], times, own, phase[pixel] if leak_hz else 0.0, circuit)
        assert [p for _, p in ours[pixel]] == [p for _, p in theirs]
        np.testing.assert_allclose([t for t, _ in ours[pixel]], [t for t, _ in theirs], rtol=0, atol=1e-5)
        total += len(theirs)
    assert total > 5 * num


@pytest.mark.parametrize("refractory_us", [0.0, 1.0])
def test_a_step_that_only_rounding_left_to_go_is_made_on_a_flat_line(refractory_us: float) -> None:
    """Up by whole thresholds: where rounding hid the last from the first interval, the next one has no slope."""
    rng = np.random.default_rng(0)
    base, theta = rng.uniform(size=(2, 5000))
    steps = rng.integers(1, 8, size=5000)
    pixels = PixelArray(base, 0.0, Circuit(theta, theta, refractory_us))
    fired = [pixels.show(base + steps * theta, 1000.0 * turn) for turn in (1, 2, 3)]
    missing = steps - sum(np.bincount(part.pixel, minlength=5000) for part in fired)
    assert set(missing) <= {0, 1}
    for turn, part in enumerate(fired):
        assert ((part.time_us >= 1000.0 * turn) & (part.time_us <= 1000.0 * (turn + 1))).all()
    assert refractory_us or len(fired[1].pixel) > 10
