"""Videos on disk to events, a frame at a time: folders of pictures and `.npy` files."""

import math
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np

from snnpd.datasets.events import Events
from snnpd.datasets.images.files import IMAGE_SUFFIXES, read_image, shown
from snnpd.datasets.simulator.event_camera import EventCamera
from snnpd.errors import UsageError

IDEAL = EventCamera()


def events_of_video(
    path: str | Path, fps: float, *, camera: EventCamera = IDEAL, index: int = 0
) -> Iterator[Events]:
    """The events up to each frame in turn, frame k at k / `fps` seconds; `index` is the number of the recording.

    One frame is in memory at a time. `path` is a folder of pictures, in the order of the numbers in their names, or a
    `.npy` file `[F, H, W]` or `[F, 3, H, W]`, where unsigned bytes are parts of 255.

    Raises:
        UsageError: no such video, a damaged frame when it comes, or frames of different sizes.
    """
    if not isinstance(fps, int | float) or not (fps > 0 and math.isfinite(fps)):
        raise UsageError(f"fps is {fps!r}; give the frames a second, above 0")
    return camera.stream(read_frames(path), (number * 1e6 / fps for number in count()), index=index)


def read_frames(path: str | Path) -> Iterator[np.ndarray]:
    """The frames of a video, `[H, W]` or `[3, H, W]`, as they are asked for."""
    path = Path(path)
    if path.is_dir():
        names = [file for file in path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES]
        if not names:
            raise UsageError(f"{shown(path)}: found no picture in it; expected {', '.join(IMAGE_SUFFIXES)}")
        pictures = sorted(names, key=lambda file: _natural(file.name))
        return (np.asarray(read_image(picture)).transpose(2, 0, 1) for picture in pictures)
    if not path.exists():
        raise UsageError(f"{shown(path)}: no such file or folder; give a folder of pictures or a .npy file")
    if path.suffix.lower() != ".npy":
        raise UsageError(
            f"{shown(path)}: no folder of pictures and no .npy file; `ffmpeg -i VIDEO FOLDER/%06d.png` makes pictures"
        )
    return iter(_open_npy(path))


def _open_npy(path: Path) -> np.ndarray:
    """The frames, mapped: a length that the file does not have is refused, and nothing is unpickled."""
    try:
        video = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UsageError(f"{shown(path)}: cannot be read as .npy ({reason}); save it again") from error
    if not isinstance(video, np.ndarray) or video.ndim not in (3, 4) or 0 in video.shape:
        raise UsageError(
            f"{shown(path)}: holds {getattr(video, 'shape', 'an archive')}; expected [F, H, W] or [F, 3, H, W]"
        )
    return video


def _natural(name: str) -> list[tuple[int, str]]:
    """Numbers compare as numbers: frame 9 comes before frame 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]
