"""The two formats of CIFAR on disk, read without running anything that they say."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnpd.datasets.images.pickle_files import Noted, RefusedError, walk_pickle
from snnpd.errors import UsageError

IMAGE_SHAPE = (3, 32, 32)
_PIXELS = 3 * 32 * 32
# How numpy writes an array, and Python 3 bytes for Python 2.
_NAMES = {
    ("numpy.core.multiarray", "_reconstruct"): "array",
    ("numpy._core.multiarray", "_reconstruct"): "array",
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): "dtype",
    ("_codecs", "encode"): "encode",
}

Arrays = tuple[NDArray[np.uint8], NDArray[np.int64]]


def read_binary(path: Path, num_labels: int) -> Arrays:
    """Images `[B, 3, 32, 32]` and labels `[B]` of a binary file: records of `num_labels` bytes and an image.

    The last label byte of a record counts: CIFAR-100 writes the coarse class first, then the fine one.

    Raises:
        UsageError: missing or empty file, or one that ends within a record.
    """
    data = _read(path)
    record = num_labels + _PIXELS
    if not data or len(data) % record:
        raise UsageError(
            f"{path}: {'truncated' if data else 'empty'}: found {len(data)} bytes, expected a positive "
            f"multiple of {record} ({num_labels} label + {_PIXELS} pixel bytes); unpack the archive again"
        )
    records = np.frombuffer(data, dtype=np.uint8).reshape(-1, record)
    return records[:, num_labels:].reshape(-1, *IMAGE_SHAPE), records[:, num_labels - 1].astype(np.int64)


def read_python(path: Path, label_key: bytes) -> Arrays:
    """Images `[B, 3, 32, 32]` and labels `[B]` of a file of the python version.

    Such files are pickles, and Python's reader of them runs any code that they name. It is not used: the steps of
    a pickle are walked, and what numpy would have been called with is noted.

    Raises:
        UsageError: a file that is missing, damaged, or asks for a name that no array needs.
    """
    try:
        content = walk_pickle(_read(path), _NAMES)
        fields = {_bytes(key): value for key, value in content.items()}
        pixels = _array(fields[b"data"])
        labels = np.array([_integer(value) for value in fields[label_key]], dtype=np.int64)
        images = pixels.reshape(-1, *IMAGE_SHAPE)
    except UsageError:
        raise
    except RefusedError as error:
        raise UsageError(
            f"{path}: refused: found the name {str(error)!r}, expected nothing but numpy arrays; this is no CIFAR "
            f"file, do not open it elsewhere either"
        ) from error
    # A damaged pickle can fail anywhere, with any error.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UsageError(
            f"{path}: damaged: found no dictionary with b'data' (bytes of {_PIXELS} an image) and "
            f"{label_key!r} ({reason}); unpack the archive again"
        ) from error
    if len(images) != len(labels) or not len(images):
        raise UsageError(
            f"{path}: found {len(images)} images and {len(labels)} labels, expected one label for each image "
            f"and at least one; unpack the archive again"
        )
    return images, labels


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); unpack the archive again") from error


def _bytes(value: str | bytes) -> bytes:
    return value.encode("latin1") if isinstance(value, str) else value


def _array(note: Any) -> NDArray[np.uint8]:
    """The bytes that numpy's pickling protocol describes: (version, shape, dtype, Fortran order, raw)."""
    if not isinstance(note, Noted) or note.name != "array" or note.state is None:
        raise ValueError("b'data' is no array")
    _, shape, dtype, fortran_order, raw = note.state
    if dtype.name != "dtype" or dtype.arguments[0] not in ("u1", "uint8") or fortran_order:
        raise ValueError("b'data' is no C-ordered array of unsigned bytes")
    return np.frombuffer(_bytes(raw), dtype=np.uint8).reshape(shape)


def _integer(value: Any) -> int:
    if not isinstance(value, int):
        raise ValueError(f"{type(value).__name__} among the labels")
    return value
