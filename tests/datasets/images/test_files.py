"""Decoding: every mode that cameras and editors write, and files that are no sound image."""

import io
import tracemalloc
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import snnpd.datasets.images.files as image_files
from snnpd.datasets.images.files import read_image, shown
from snnpd.errors import UsageError
from tests.datasets.images.pictures import encoded, picture, png_header

COLOUR = picture(0)
GREY = COLOUR[..., 0]
ALPHA = np.dstack([COLOUR, np.full((24, 24), 7, np.uint8)])
REPEATED = np.repeat(GREY[..., None], 3, axis=2)


def palette() -> bytes:
    image = Image.fromarray(GREY // 64).convert("P")
    image.putpalette([level for n in range(256) for level in (n * 60 % 256, 255 - n, n)])
    stream = io.BytesIO()
    image.save(stream, "PNG", transparency=0)
    return stream.getvalue()


LEVEL = (GREY // 64).astype(int)
OF_PALETTE = np.stack([LEVEL * 60 % 256, 255 - LEVEL, LEVEL], axis=2)


@pytest.mark.parametrize(
    ("content", "expected", "tolerance"),
    [
        (encoded(COLOUR, "PNG"), COLOUR, 0),
        (encoded(COLOUR, "BMP"), COLOUR, 0),
        (encoded(COLOUR, "PPM"), COLOUR, 0),
        (encoded(COLOUR, "TIFF"), COLOUR, 0),
        (encoded(COLOUR, "JPEG", quality=100, subsampling=0), COLOUR, 4),
        (encoded(GREY, "PNG"), REPEATED, 0),
        (encoded(GREY, "JPEG", quality=100), REPEATED, 3),
        (encoded(ALPHA, "PNG"), COLOUR, 0),
        (encoded(COLOUR, "JPEG", mode="CMYK", quality=100), COLOUR, 6),
        (encoded(GREY.astype(np.uint16) * 256 + 99, "PNG"), REPEATED, 0),
        (encoded(GREY.astype(np.uint16) * 256 + 99, "TIFF"), REPEATED, 0),
        (encoded(GREY > 127, "PNG"), np.where(REPEATED > 127, 255, 0), 0),
        (palette(), OF_PALETTE, 0),
    ],
)
def test_every_mode_becomes_rgb(tmp_path: Path, content: bytes, expected: np.ndarray, tolerance: int) -> None:
    path = tmp_path / "image.JPEG"
    path.write_bytes(content)
    image = read_image(path)
    assert image.mode == "RGB"
    difference = np.abs(np.asarray(image).astype(int) - expected)
    assert np.median(difference) <= tolerance
    assert difference.max() <= 8 * tolerance


JPEG = encoded(COLOUR)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty: found 0 bytes"),
        (b"<html>404</html>", "no image: found 16 bytes that are none of JPEG, PNG"),
        (JPEG[:200], "no image|damaged image"),
        (JPEG[: len(JPEG) // 2], "damaged image .Truncated"),
        (JPEG[:-60], "damaged image .image file is truncated"),
        (encoded(COLOUR, "PNG")[:-200], "damaged image"),
        (png_header(0, 5), "no image|damaged image"),
        (png_header(24, 24), "damaged image"),
        (b"P6 0 4 255\n", "no image|damaged image"),
        (png_header(30000, 30000), "a decompression bomb, or too large .* at most 89,478,485 pixels"),
        (png_header(12000, 12000), "a decompression bomb, or too large an image: 12000 × 12000 pixels"),
        # Pillow would hand PostScript to an interpreter: no suffix brings that about.
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "no image"),
        (encoded(GREY.astype(np.float32), "TIFF"), "pixels of mode 'F' have no known range"),
    ],
)
def test_no_sound_image(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "image.JPEG"
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(UsageError, match=message) as caught:
        read_image(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 2**20
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_the_limit_is_told_before_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(encoded(COLOUR, "PNG"))
    monkeypatch.setattr(image_files, "MAX_PIXELS", 24 * 24)
    assert read_image(path).size == (24, 24)
    monkeypatch.setattr(image_files, "MAX_PIXELS", 24 * 24 - 1)
    with pytest.raises(UsageError, match="too large an image: 24 × 24 pixels"):
        read_image(path)


def test_a_missing_file_and_odd_names(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"two\\nlines.png: cannot be read .No such file") as caught:
        read_image(tmp_path / "two\nlines.png")
    assert "\n" not in str(caught.value)
    assert shown(b"caf\xe9/\xc3\xa9.png".decode("utf-8", "surrogateescape")) == r"caf\udce9/é.png"


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_damage_gives_an_image_or_a_usage_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(
        data.draw(st.sampled_from([encoded(COLOUR, form) for form in ("JPEG", "PNG", "TIFF", "BMP")]))
    )
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "fuzz.JPEG"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    # Any other error fails the test, and so does any warning.
    with suppress(UsageError):
        assert read_image(path).mode == "RGB"
