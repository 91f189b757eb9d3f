"""The two formats of CIFAR on disk, read without running anything that they say."""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnpd.errors import UsageError

IMAGE_SHAPE = (3, 32, 32)
_PIXELS = 3 * 32 * 32

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

    Such files are pickles, and a pickle can run any code. Here every name that it may ask for stands for a
    placeholder that only notes what it was called with; any other name is refused.

    Raises:
        UsageError: a file that is missing, damaged, or asks for a name that no array needs.
    """
    try:
        content = _NotingUnpickler(io.BytesIO(_read(path)), path).load()
        fields = {_plain(key): value for key, value in content.items()}
        pixels = _array(fields[b"data"])
        labels = np.array([_integer(value) for value in fields[label_key]], dtype=np.int64)
        images = pixels.reshape(-1, *IMAGE_SHAPE)
    except UsageError:
        raise
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


class _Note:
    """Stands for a name in a pickle: keeps its arguments and the state it was given, and does nothing."""

    def __init__(self, name: str, arguments: tuple[Any, ...] = ()):
        self.name = name
        self.arguments = arguments
        self.state: Any = None

    def __call__(self, *arguments: Any) -> "_Note":
        return _Note(self.name, arguments)

    def __setstate__(self, state: Any) -> None:
        self.state = state


_ADMITTED = {
    ("numpy.core.multiarray", "_reconstruct"): "array",
    ("numpy._core.multiarray", "_reconstruct"): "array",
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): "dtype",
    ("_codecs", "encode"): "encode",
}


class _NotingUnpickler(pickle.Unpickler):
    def __init__(self, stream: io.BytesIO, path: Path):
        super().__init__(stream, encoding="bytes")
        self.path = path

    def find_class(self, module: str, name: str) -> _Note:
        if (module, name) not in _ADMITTED:
            raise UsageError(
                f"{self.path}: refused: found the name {f'{module}.{name}'!r}, expected nothing but numpy "
                f"arrays; this is no CIFAR file, do not open it elsewhere either"
            )
        return _Note(_ADMITTED[module, name])


def _plain(value: Any) -> Any:
    """Bytes as Python 3 writes them at protocol 2: a call of `_codecs.encode(text, "latin1")`."""
    if isinstance(value, _Note) and value.name == "encode":
        text, encoding = value.arguments
        if encoding not in ("latin1", b"latin1"):
            raise ValueError(f"bytes written in {encoding!r}")
        return text.encode("latin1")
    return value


def _array(note: Any) -> NDArray[np.uint8]:
    """The bytes that numpy's pickling protocol describes: (version, shape, dtype, Fortran order, raw)."""
    if not isinstance(note, _Note) or note.name != "array":
        raise ValueError("b'data' is no array")
    _, shape, dtype, fortran_order, raw = note.state
    if _plain(dtype.arguments[0]) not in ("u1", b"u1", "uint8", b"uint8") or fortran_order:
        raise ValueError("b'data' is no C-ordered array of unsigned bytes")
    return np.frombuffer(_plain(raw), dtype=np.uint8).reshape(shape)


def _integer(value: Any) -> int:
    if not isinstance(value, int):
        raise ValueError(f"{type(value).__name__} among the labels")
    return value
