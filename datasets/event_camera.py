"""A simulated event camera: each pixel fires whenever its log-intensity has moved by a threshold."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnpd.datasets.events import EVENT_DTYPE, Events
from snnpd.errors import UsageError

_MAX_SIDE = 2**15


def simulate_events(
    video: ArrayLike,
    times_us: ArrayLike,
    *,
    threshold: float | tuple[float, float] = 0.25,
    eps: float = 0.1,
    log_intensity: bool = False,
) -> Events:
    """The events of a video, a structured array (x, y, t, p) sorted by t.

    Between two frames the log-intensity L runs linearly. A pixel remembers the level of its last event (at
    first, L of the first frame) and fires each time that L has moved from it by the threshold.

    Equation: with memory m, n = floor(|L(t1) − m| / θ) events fire between t0 and t1, the k-th when
        L = m ± k θ, at t0 + (m ± k θ − L(t0)) / (L(t1) − L(t0)) · (t1 − t0); then m ← m ± n θ.
    Source: Rebecq et al., ESIM, 2018: the ideal camera, without noise or refractory time.
    Shapes:
        video: `[F, H, W]`, linear intensity from 0 upwards, or its logarithm if `log_intensity`.
        times_us: `[F]`, ascending.
    Units:
        threshold in natural-log units, one for both or (brighter, darker); `eps` is added to linear
        intensity.

    Raises:
        UsageError: shapes, times or values that are no video.
    """
    levels = np.asarray(video, dtype=np.float64)
    times = np.asarray(times_us, dtype=np.float64)
    _check(levels, times)
    brighter, darker = threshold if isinstance(threshold, tuple) else (threshold, threshold)
    if not (brighter > 0 and darker > 0):
        raise UsageError(f"contrast threshold is {threshold}; give a number above 0, or two")
    width = levels.shape[2]
    levels = levels.reshape(len(levels), -1)
    if not log_intensity:
        if not levels.min() + eps > 0:
            raise UsageError(
                f"intensity goes down to {levels.min()} with eps {eps}; their sum must be above 0"
            )
        levels = np.log(levels + eps)
    memory = levels[0].copy()
    parts = [np.empty(0, dtype=EVENT_DTYPE)]
    for frame in range(1, len(levels)):
        before, after = levels[frame - 1], levels[frame]
        moved = after - memory
        fired = np.flatnonzero((moved >= brighter) | (moved <= -darker))
        step = np.where(moved[fired] > 0, brighter, -darker)
        count = np.floor(moved[fired] / step).astype(np.int64)
        # One row an event: `of` is its pixel's place in `fired`, `k` its number within the pixel, from 1.
        of = np.repeat(np.arange(len(fired)), count)
        k = np.arange(1, len(of) + 1) - np.repeat(np.cumsum(count) - count, count)
        level = memory[fired][of] + k * step[of]
        fraction = (level - before[fired][of]) / (after - before)[fired][of]
        parts.append(_events(fired[of], width, times[frame - 1 : frame + 1], fraction, step[of] > 0))
        memory[fired] += count * step
    return np.concatenate(parts)


def _events(
    pixel: NDArray[np.int64],
    width: int,
    interval: NDArray[np.float64],
    fraction: NDArray[np.float64],
    brighter: NDArray[np.bool_],
) -> Events:
    """The events of one frame interval, sorted by time; at one moment, by pixel."""
    events = np.empty(len(pixel), dtype=EVENT_DTYPE)
    events["y"], events["x"] = np.divmod(pixel, width)
    start, stop = interval
    # Rounding may put a crossing that falls on a frame a hair outside of its interval.
    events["t"] = np.rint(start + np.clip(fraction, 0.0, 1.0) * (stop - start))
    events["p"] = brighter
    return events[np.argsort(events["t"], kind="stable")]


def _check(video: NDArray[np.float64], times: NDArray[np.float64]) -> None:
    if video.ndim != 3 or times.shape != video.shape[:1]:
        raise UsageError(f"video {video.shape} with times {times.shape}; expected [F, H, W] and [F]")
    if max(video.shape[1:]) > _MAX_SIDE:
        raise UsageError(
            f"a sensor of {video.shape[1]} × {video.shape[2]} pixels; each side must be {_MAX_SIDE} at most"
        )
    if not np.isfinite(video).all():
        raise UsageError("the video has values that are not finite; mend the frames")
    if not (np.diff(times) > 0).all():
        raise UsageError("frame times do not ascend; sort the frames and drop those of equal time")
