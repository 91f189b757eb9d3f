"""The public formats, written byte by byte."""

import gzip
import pickle
import struct
from pathlib import Path

import numpy as np


def idx_bytes(array: np.ndarray) -> bytes:
    return (
        struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()
    )


def write_idx_folder(folder: Path, num_classes: int = 10, zipped: bool = False, size: int = 12) -> Path:
    rng = np.random.default_rng(0)
    for part, num in (("train", 10 * num_classes), ("t10k", 2 * num_classes)):
        images = rng.integers(0, 256, size=(num, size, size))
        labels = np.arange(num) % num_classes
        for name, array in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", labels)):
            content = idx_bytes(array)
            path = folder / (f"{name}.gz" if zipped else name)
            path.write_bytes(gzip.compress(content) if zipped else content)
    return folder


def cifar_arrays(num_classes: int, num: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    pixels = np.random.default_rng(seed).integers(0, 256, size=(num, 3072), dtype=np.uint8)
    return pixels, np.arange(num) % num_classes


def binary_batch(pixels: np.ndarray, *labels: np.ndarray) -> bytes:
    columns = [column.astype(np.uint8)[:, None] for column in labels]
    return np.hstack([*columns, pixels]).tobytes()


def python2_batch(pixels: np.ndarray, labels: np.ndarray, key: bytes) -> bytes:
    """The opcodes that Python 2 wrote into the official files (protocol 2, strings for bytes)."""

    def string(text: bytes) -> bytes:
        return b"U" + bytes([len(text)]) + text

    def number(value: int) -> bytes:
        return b"J" + struct.pack("<i", value)

    raw = b"T" + struct.pack("<i", pixels.size) + pixels.tobytes()
    empty = (
        b"cnumpy.core.multiarray\n_reconstruct\n"
        + b"cnumpy\nndarray\n"
        + b"K\x00\x85"
        + string(b"b")
        + b"\x87R"
    )
    dtype = b"cnumpy\ndtype\n" + string(b"u1") + b"K\x00K\x01\x87R"
    dtype += b"(K\x03" + string(b"|") + b"NNN" + number(-1) + number(-1) + b"K\x00tb"
    shape = number(pixels.shape[0]) + number(pixels.shape[1]) + b"\x86"
    array = empty + b"(K\x01" + shape + dtype + b"\x89" + raw + b"tb"
    numbers = b"](" + b"".join(number(int(label)) for label in labels) + b"e"
    return b"\x80\x02}(" + string(b"data") + array + string(key) + numbers + b"u."


def python3_batch(pixels: np.ndarray, labels: np.ndarray, key: bytes) -> bytes:
    return pickle.dumps({b"data": pixels, key: labels.tolist()}, protocol=2)


def write_ts(path: Path, cases: list[tuple[np.ndarray, str]], classes: str = "low high") -> Path:
    bodies = []
    for series, name in cases:
        channels = [",".join(f"{value:.6f}" for value in channel) for channel in series]
        bodies.append(":".join([*channels, name]))
    return write_ts_text(path, bodies, classes)


def write_ts_text(path: Path, bodies: list[str], classes: str = "low high", timed: bool = False) -> Path:
    lines = ["#Toy", "@problemName Toy", f"@timeStamps {str(timed).lower()}", "@univariate false"]
    lines += ["@equalLength false", f"@classLabel true {classes}", "@data"]
    path.write_text("\n".join([*lines, *bodies]) + "\n")
    return path
