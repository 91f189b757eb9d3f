"""Arrays from `.npz` files, in no more memory than the bytes that are there can fill."""

import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from snnpd.errors import UsageError


def read_npz(path: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """The arrays `names` of a file that `numpy.savez` or `savez_compressed` wrote; nothing is unpickled.

    Bytes become text, as UTF-8.

    Raises:
        UsageError: no such file, no zip, an array that is missing, damaged or of Python objects.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return {name: _array(archive, name) for name in names}
    except KeyError as error:
        raise UsageError(f"{path}: {error.args[0]}; expected the arrays {', '.join(names)}") from error
    # A damaged file, above all a damaged header, which numpy parses as Python, can fail anywhere, with any error.
    except Exception as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"{path}: truncated or damaged .npz file ({reason}); write it again") from error


def _array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    member = archive.getinfo(f"{name}.npy")
    # Deflate grows a byte to at most 1,032; other methods have no such bound.
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name} is compressed in another way than numpy does")
    with archive.open(member) as stream:
        version = npy.read_magic(stream)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran_order, dtype = read_header(stream)
        if dtype.hasobject:
            raise ValueError(f"{name} holds Python objects, which are not read")
        size = math.prod(shape) * dtype.itemsize
        content = stream.read(size + 1)
    if len(content) != size or not dtype.itemsize:
        raise ValueError(
            f"{name} is said to be {dtype} of shape {list(shape)}, {size} bytes, but they are not there"
        )
    flat: NDArray[Any] = np.frombuffer(content, dtype=dtype)
    if dtype.kind == "S":
        flat = np.char.decode(flat, "utf-8")
    if dtype.kind == "U":
        # Numbers that are no characters would only raise later, wherever somebody looks at them.
        "".join(flat.tolist()).encode()
    return flat.reshape(shape[::-1]).T if fortran_order else flat.reshape(shape)
