"""Videos on disk against the same frames in memory; what is no video; memory."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from snnpd.datasets.simulator.event_camera import EventCamera
from snnpd.datasets.simulator.videos import events_of_video
from snnpd.errors import UsageError

NOISY = EventCamera(0.2, shot_noise_hz=20.0, refractory_us=500.0, seed=1)


def film(frames: int = 12) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, size=(frames, 3, 5, 7), dtype=np.uint8)


@pytest.mark.parametrize("kind", ["pictures", "colours", "greys", "numbers"])
def test_files_give_the_events_of_their_frames(tmp_path: Path, kind: str) -> None:
    video = film() if kind in ("pictures", "colours") else film()[:, 0]
    path = tmp_path / "video.npy"
    if kind == "pictures":
        path = tmp_path
        # Not the order of their names as text.
        for number, frame in enumerate(video):
            Image.fromarray(frame.transpose(1, 2, 0)).save(path / f"frame{number + 1}.png")
        (path / "notes.txt").write_text("no frame")
    else:
        video = video / 255.0 if kind == "numbers" else video
        np.save(path, video)
    expected = NOISY.record(video, np.arange(12) * 40_000.0, index=3)
    assert len(expected) > 300
    parts = list(events_of_video(path, 25.0, camera=NOISY, index=3))
    assert len(parts) == 12
    assert np.array_equal(np.concatenate(parts), expected)


def peak_bytes(path: Path) -> int:
    tracemalloc.start()
    try:
        num = sum(len(events) for events in events_of_video(path, 1000.0, camera=EventCamera(0.2)))
        assert num > 3000
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    video = np.random.default_rng(0).random((12, 20, 24), dtype=np.float32)
    peaks = []
    for times in (1, 5):
        np.save(tmp_path / "video.npy", np.tile(video, (times, 1, 1)))
        peaks.append(peak_bytes(tmp_path / "video.npy"))
    assert peaks[1] < 1.2 * peaks[0]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("film.mp4", b"", "no folder of pictures and no .npy file; `ffmpeg"),
        ("none.npy", None, "none.npy: no such file or folder"),
        ("empty.npy", b"", "empty.npy: cannot be read as .npy"),
        ("text.npy", b"no array at all", "text.npy: cannot be read as .npy"),
        ("flat.npy", np.ones((3, 4)), r"holds \(3, 4\); expected \[F, H, W\]"),
        ("nothing.npy", np.ones((0, 3, 4)), r"holds \(0, 3, 4\); expected"),
        ("words.npy", np.full((2, 3, 4), "a"), "frame holds <U1; give real numbers"),
        ("claim.npy", (1 << 32, 3, 4), "claim.npy: cannot be read as .npy"),
        ("pictures", None, "found no picture in it"),
        ("damaged", b"\x89PNG\r\n\x1a\n", "0.png: "),
    ],
)
def test_what_is_no_video(tmp_path: Path, name: str, content: object, message: str) -> None:
    path = tmp_path / name
    if "." not in name:
        path.mkdir()
    if isinstance(content, np.ndarray):
        np.save(path, content)
    elif isinstance(content, tuple):
        with path.open("wb") as file:
            np.lib.format.write_array_header_1_0(
                file, {"descr": "<f8", "fortran_order": False, "shape": content}
            )
            file.write(bytes(100))
    elif isinstance(content, bytes):
        (path if "." in name else path / "0.png").write_bytes(content)
    with pytest.raises(UsageError, match=message) as caught:
        list(events_of_video(path, 25.0))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("fps", [0.0, -1.0, float("inf"), float("nan")])
def test_rates_that_cannot_be(tmp_path: Path, fps: float) -> None:
    with pytest.raises(UsageError, match=f"fps is {fps}"):
        events_of_video(tmp_path, fps)
