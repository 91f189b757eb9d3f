"""Image files and the trees they lie in, as the public sets are laid out on disk."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

WNIDS = ("n01443537", "n02124075", "n03444034", "n04067472")


def picture(seed: int, height: int = 24, width: int = 24) -> np.ndarray:
    """Random blocks: survives JPEG, and no two are alike."""
    blocks = np.random.default_rng(seed).integers(0, 256, size=(-(-height // 4), -(-width // 4), 3))
    return np.kron(blocks, np.ones((4, 4, 1)))[:height, :width].astype(np.uint8)


def encoded(array: np.ndarray, form: str = "JPEG", mode: str | None = None, **options: Any) -> bytes:
    stream = io.BytesIO()
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(stream, form, **options)
    return stream.getvalue()


def write_picture(path: Path, seed: int, height: int = 24, width: int = 24) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    form = "PNG" if path.suffix == ".png" else "JPEG"
    path.write_bytes(encoded(picture(seed, height, width), form))
    return path


def write_classes(folder: Path, num: int, first_seed: int, names: tuple[str, ...] = WNIDS) -> Path:
    """`<folder>/<class>/<class>_<number>.JPEG`, `num` of each class, every fifth a PNG."""
    for label, name in enumerate(names):
        for number in range(num):
            suffix = ".png" if number % 5 == 4 else ".JPEG"
            write_picture(folder / name / f"{name}_{number}{suffix}", first_seed + 1000 * label + number)
    return folder


def written_once(factory: pytest.TempPathFactory, name: str, write: Callable[[Path], object]) -> Path:
    """A tree that several tests read and none changes."""
    root = factory.getbasetemp() / name
    if not root.exists():
        root.mkdir()
        write(root)
    return root


def png_header(width: int, height: int) -> bytes:
    """A PNG of that size according to its header, with hardly any pixels in it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(100)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")
