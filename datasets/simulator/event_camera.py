"""A simulated event camera: each pixel fires whenever its log-intensity has moved by a threshold."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from snnpd.datasets.events import Events
from snnpd.datasets.seeding import check_seed, permutation, rng_for
from snnpd.datasets.simulator.intensity import as_numbers, check_image, check_times, grey
from snnpd.datasets.simulator.noise import ShotNoise
from snnpd.datasets.simulator.pixels import Circuit
from snnpd.datasets.simulator.sensors import SensorArray, join, to_events
from snnpd.errors import UsageError

# Each use of the seed draws from its own stream.
_MISMATCH, _NOISE, _LEAK, _HOT = 0x5E50, 0x5E51, 0x5E52, 0x5E53
# No mismatch takes a threshold below this part of what it was meant to be.
_LOWEST_THRESHOLD = 0.1


def _in_range(value: object, *, above: float | None = None, most: float = math.inf) -> bool:
    """Whether it is a finite number up to `most`, from 0 upwards or above a number."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        return False
    return bool((value >= 0 if above is None else value > above) and value <= most and math.isfinite(value))


@dataclass(frozen=True)
class EventCamera:
    """An event camera: by default the ideal one, each further option adds an imperfection of real ones.

    Between two frames the log-intensity L = log(intensity + eps) runs linearly. A pixel remembers the level of its last
    event (at first, L of the first frame) and fires each time that L has moved from it by the threshold.

    `threshold_sigma`: each pixel has thresholds of its own for brighter and darker, normal around `threshold` (and a
    tenth of it at least): a fixed pattern of the sensor, the same in every recording.
    `refractory_us`: after an event a pixel is dead for so long; it is held in reset, so that its memory is L at the end
    of that time.
    `cutoff_hz`: L passes a first-order low-pass before all else, exact at the frames, straight between them. In the
    dark the cut-off is `dark_cutoff` of that and rises with the new frame's intensity, which is 1 at white.
    `shot_noise_hz`: each pixel fires at random, Poisson in time, as often brighter as darker; such an event begins the
    memory anew with L of its moment.
    `leak_hz`: memories sink, so that a pixel in front of a still scene fires brighter at this rate; at the start each
    pixel stands at a random part of the way. `hot_pixels`, a share of all and always the same ones, leak at `hot_hz`.
    `resolution_us`: time stamps are rounded to multiples of it.

    Everything random is a function of `seed` and of the number of the recording.

    Source: Rebecq et al., ESIM, 2018 (ideal pixel, linear in between); Hu, Liu & Delbruck, v2e, 2021 (mismatch,
        low-pass, with dark_cutoff 20/275, shot noise, leak, hot pixels; here no noise depends on intensity); reset in
        the refractory time as in Lichtsteiner, Posch & Delbruck, 2008.
    Units:
        threshold (one for both, or (brighter, darker)) and threshold_sigma in natural-log units; eps as intensity.

    Raises:
        UsageError: an option out of its range.
    """

    threshold: float | tuple[float, float] = 0.25
    threshold_sigma: float = 0.0
    refractory_us: float = 0.0
    cutoff_hz: float | None = None
    shot_noise_hz: float = 0.0
    leak_hz: float = 0.0
    hot_pixels: float = 0.0
    hot_hz: float = 50.0
    dark_cutoff: float = 1.0
    resolution_us: int = 1
    eps: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        pair = self.thresholds
        if not (len(pair) == 2 and all(_in_range(value, above=0) for value in pair)):
            raise UsageError(f"contrast threshold is {self.threshold}; give a number above 0, or two")
        for name in ("threshold_sigma", "refractory_us", "shot_noise_hz", "leak_hz", "hot_hz", "eps"):
            if not _in_range(getattr(self, name)):
                raise UsageError(f"{name} is {getattr(self, name)}; give a number from 0 upwards")
        if self.cutoff_hz is not None and not _in_range(self.cutoff_hz, above=0):
            raise UsageError(f"cutoff_hz is {self.cutoff_hz}; give a number above 0, or None for no low-pass")
        if not _in_range(self.hot_pixels, most=1):
            raise UsageError(f"hot_pixels is {self.hot_pixels}; give their share of all pixels, from 0 to 1")
        if not _in_range(self.dark_cutoff, above=0, most=1):
            raise UsageError(
                f"dark_cutoff is {self.dark_cutoff}; give a share of cutoff_hz, above 0, up to 1"
            )
        if not _in_range(self.resolution_us, above=0) or self.resolution_us % 1:
            raise UsageError(f"resolution_us is {self.resolution_us}; give whole microseconds, at least 1")
        check_seed(self.seed)

    @property
    def thresholds(self) -> tuple[float, ...]:
        """The thresholds for (brighter, darker)."""
        return tuple(self.threshold) if isinstance(self.threshold, Sequence) else (self.threshold,) * 2

    def record(
        self, video: ArrayLike, times_us: ArrayLike, *, index: int = 0, log_intensity: bool = False
    ) -> Events:
        """The events of a video, sorted by time; `index` is the number of the recording.

        Shapes:
            video: `[F, H, W]`, intensity from 0 upwards (its logarithm if `log_intensity`), or `[F, 3, H, W]` in
                colour, of which it sees the luma; unsigned bytes are taken as parts of 255.
            times_us: `[F]`, ascending.

        Raises:
            UsageError: shapes, times or values that are no video.
        """
        return Recorder(self, index=index, log_intensity=log_intensity).see(video, times_us)

    def stream(
        self, frames: Iterable[ArrayLike], times_us: Iterable[float], *, index: int = 0
    ) -> Iterator[Events]:
        """The events up to each frame in turn, from frames `[H, W]` or `[3, H, W]` that are drawn one by one.

        Raises:
            UsageError: as `record`, when the frame comes; or fewer times than frames.
        """
        recorder, times = Recorder(self, index=index), iter(times_us)
        for number, frame in enumerate(frames):
            time_us = next(times, None)
            if time_us is None:
                raise UsageError(
                    f"frame {number} comes after the last of {number} times; give each frame its time"
                )
            yield recorder.see(as_numbers(frame, "frame")[None], [time_us])

    def sensors(
        self, height: int, width: int, indices: Sequence[int], *, log_intensity: bool = False
    ) -> SensorArray:
        """Sensors of this camera side by side, one for each number of a recording."""
        if min(indices) < 0:
            raise UsageError(f"index is {min(indices)}; give the number of the recording, from 0 upwards")
        size = height * width
        normal = rng_for(self.seed, _MISMATCH).standard_normal((2, size)) if self.threshold_sigma else 0.0
        meant = np.array(self.thresholds)[:, None]
        pair = np.maximum(
            np.broadcast_to(meant + self.threshold_sigma * normal, (2, size)), _LOWEST_THRESHOLD * meant
        )
        brighter, darker = np.tile(pair, len(indices))
        leak_hz = self._leaks(size)
        circuit = Circuit(
            brighter, darker, self.refractory_us, self.cutoff_hz, np.tile(leak_hz, len(indices))
        )
        keys = [(self.seed, _NOISE, index) for index in indices]
        leaked = [(leak_hz > 0) * rng_for(self.seed, _LEAK, index).random(size) for index in indices]
        return SensorArray(
            circuit,
            eps=None if log_intensity else self.eps,
            dark_cutoff=self.dark_cutoff,
            resolution_us=self.resolution_us,
            noise=ShotNoise(self.shot_noise_hz, size, keys) if self.shot_noise_hz else None,
            phase=np.concatenate(leaked) if leak_hz.any() else None,
        )

    def _leaks(self, size: int) -> Float[np.ndarray, "P"]:
        """The rate at which each pixel of a sensor leaks."""
        leak_hz = np.full(size, float(self.leak_hz))
        leak_hz[permutation(size, self.seed, _HOT)[: round(self.hot_pixels * size)]] = self.hot_hz
        return leak_hz


class Recorder:
    """A recording under way: shown the frames of a video in portions of any size, it gives the events of each."""

    def __init__(self, camera: EventCamera, *, index: int = 0, log_intensity: bool = False):
        self.camera = camera
        self.index = index
        self.log_intensity = log_intensity
        self.shape: tuple[int, ...] | None = None
        self.time_us: float | None = None

    def see(self, video: ArrayLike, times_us: ArrayLike) -> Events:
        """The events from the last frame of the call before up to the last of this one; arrays as for `record`."""
        frames = as_numbers(video, "video")
        times = as_numbers(times_us, "times").astype(np.float64)
        if frames.ndim not in (3, 4) or times.shape != frames.shape[:1]:
            raise UsageError(f"video {frames.shape} with times {times.shape}; expected [F, H, W] and [F]")
        check_image(frames, "video", "F, ")
        check_times(times, self.time_us)
        height, width = shape = frames.shape[-2:]
        if self.shape is None:
            self.shape = shape
            self.array = self.camera.sensors(height, width, [self.index], log_intensity=self.log_intensity)
        elif shape != self.shape:
            raise UsageError(f"a frame of {shape} pixels after one of {self.shape}; give all frames one size")
        parts = [
            self.array.show(grey(frame)[None], float(time)) for frame, time in zip(frames, times, strict=True)
        ]
        self.time_us = float(times[-1])
        # Columns first: numpy joins records field by field, which takes longer than making them.
        return to_events(join(parts), width)


def simulate_events(
    video: ArrayLike,
    times_us: ArrayLike,
    *,
    threshold: float | tuple[float, float] = 0.25,
    eps: float = 0.1,
    log_intensity: bool = False,
) -> Events:
    """The events of a video before the ideal camera, sorted by time: `EventCamera.record` without imperfections.

    Raises:
        UsageError: shapes, times or values that are no video.
    """
    return EventCamera(threshold, eps=eps).record(video, times_us, log_intensity=log_intensity)
