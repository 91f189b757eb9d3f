"""From the frames of a video to the log-intensities that a sensor sees."""

import numpy as np
from jaxtyping import Float, Shaped
from numpy.typing import ArrayLike

from snnpd.errors import UsageError

MAX_SIDE = 2**15
# Microseconds up to here are exact in float64: 285 years.
_MAX_TIME_US = 2.0**53
_LUMA = (0.299, 0.587, 0.114)
_WHITE = 255

Array = Shaped[np.ndarray, "..."]


def grey(frame: Array) -> Float[np.ndarray, "H W"]:
    """Intensity `[H, W]` of a frame `[H, W]` or `[C, H, W]` with one colour or three: Rec. 601's luma of these.

    Unsigned bytes become parts of 255.
    """
    if frame.ndim == 3 and len(frame) == 3:
        red, green, blue = (weight * grey(colour) for weight, colour in zip(_LUMA, frame, strict=True))
        return red + green + blue
    levels = np.ascontiguousarray(frame[0] if frame.ndim == 3 else frame, dtype=np.float64)
    return levels / _WHITE if frame.dtype == np.uint8 else levels


def log_levels(levels: Float[np.ndarray, "..."], eps: float | None) -> Float[np.ndarray, "..."]:
    """log(levels + eps), or `levels` themselves if `eps` is None: they are logarithms already.

    Raises:
        UsageError: values that are not finite or have no logarithm.
    """
    if not np.isfinite(levels).all():
        raise UsageError("the video has values that are not finite; mend the frames")
    if eps is None:
        return levels
    lowest = levels.min()
    if lowest + eps <= 0:
        raise UsageError(f"intensity goes down to {lowest} with eps {eps}; their sum must be above 0")
    return np.log(levels + eps)


def as_numbers(values: ArrayLike, what: str) -> Array:
    """The values as an array of real numbers.

    Raises:
        UsageError: rows of different lengths, or no numbers.
    """
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise UsageError(f"{what} is no array ({error}); give rows of one length") from error
    if array.dtype.kind not in "buif":
        raise UsageError(f"{what} holds {array.dtype}; give real numbers")
    return array


def check_image(image: Array, what: str, axes: str = "") -> None:
    """Raises UsageError unless the last axes are those of a frame that fits on a sensor; `axes` come before them."""
    ndim = 2 + axes.count(",")
    fits = image.ndim == ndim or (image.ndim == ndim + 1 and image.shape[-3] in (1, 3))
    if not fits or 0 in image.shape:
        raise UsageError(f"{what} {image.shape}; expected [{axes}H, W], or [{axes}3, H, W] in colour")
    height, width = image.shape[-2:]
    if max(height, width) > MAX_SIDE:
        raise UsageError(f"a sensor of {height} × {width} pixels; each side must be {MAX_SIDE} at most")


def check_times(times_us: Float[np.ndarray, "F"], before_us: float | None) -> None:
    """Raises UsageError unless frame times ascend, from the one before if there is one."""
    if not (np.abs(times_us) <= _MAX_TIME_US).all():
        raise UsageError("frame times are not finite or beyond 2^53 µs; give microseconds")
    earlier = times_us[:0] if before_us is None else np.array([before_us])
    if not (np.diff(times_us, prepend=earlier) > 0).all():
        raise UsageError("frame times do not ascend; sort the frames and drop those of equal time")
