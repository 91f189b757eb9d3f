"""Tables from MATLAB's version 5 files: arrays of structures, of which some fields are wanted."""

import io
import math
from collections.abc import Sequence
from pathlib import Path

from snnpd.datasets.images.mat_files import (
    MATRIX,
    DamagedError,
    Order,
    Piece,
    gather,
    read_numbers,
    read_tag,
    walk_mat,
)
from snnpd.errors import UsageError

_STRUCTURE, _TEXT = 2, 4
_NUMERIC = range(6, 16)
# A row and a field that is wanted have to be small, whatever a header claims.
_MAX_ROWS, _MAX_VALUE = 100_000, 4096
_CHUNK = 1 << 16

Row = tuple[str | float, ...]


def read_table(path: Path, name: str, fields: Sequence[str]) -> list[Row]:
    """The `fields` of all rows of the array of structures `name`, each a text or a number.

    Source: MathWorks, MAT-File Format, version 5.

    Raises:
        UsageError: missing, truncated or damaged file, another version, or no such table in it.
    """
    found: list[list[Row]] = []

    def visit(piece: Piece, order: Order) -> bool:
        kind, num_rows = _read_header(piece, order)
        if read_numbers(piece, order, 64).tobytes() == name.encode() and kind == _STRUCTURE:
            found.append(_read_rows(piece, order, num_rows, fields))
        return bool(found)

    walk_mat(path, visit)
    if not found:
        raise UsageError(f"{path}: found no table {name!r} in it; fetch the file again")
    return found[0]


def _read_header(piece: Piece, order: Order) -> tuple[int, int]:
    """The class of an array, and how many elements it has."""
    flags = int(read_numbers(piece, order, 16, integers=True)[0])
    return flags & 0xFF, math.prod(int(size) for size in read_numbers(piece, order, 256, integers=True))


def _read_rows(piece: Piece, order: Order, num_rows: int, fields: Sequence[str]) -> list[Row]:
    width = int(read_numbers(piece, order, 8, integers=True)[0])
    text = read_numbers(piece, order, _MAX_VALUE).tobytes()
    if width < 1 or not 0 <= num_rows <= _MAX_ROWS:
        raise DamagedError(f"damaged: found {num_rows} rows, at most {_MAX_ROWS} are read")
    names = [text[at : at + width].split(b"\0")[0].decode("latin1") for at in range(0, len(text), width)]
    missing = [repr(field) for field in fields if field not in names]
    if missing:
        raise DamagedError(f"found no field {' and no field '.join(missing)} in the table")
    rows = []
    for _ in range(num_rows):
        values = {name: _read_value(piece, order, name in fields) for name in names}
        rows.append(tuple(values[field] for field in fields))
    return rows


def _read_value(piece: Piece, order: Order, wanted: bool) -> str | float:
    kind, size = read_tag(gather(piece, 8), order)
    if kind != MATRIX or (wanted and size > _MAX_VALUE):
        raise DamagedError(f"damaged: found {size} bytes of type {kind} where a field should stand")
    if not wanted:
        for at in range(0, size, _CHUNK):
            gather(piece, min(_CHUNK, size - at))
        return ""
    inside = io.BytesIO(gather(piece, size)).read
    kind, _ = _read_header(inside, order)
    # The name, which is empty within a structure.
    read_numbers(inside, order, 64)
    numbers = read_numbers(inside, order, _MAX_VALUE)
    if kind == _TEXT and numbers.dtype.kind != "f":
        return "".join(map(chr, numbers.astype("u2").tolist()))
    if kind not in _NUMERIC or not numbers.size:
        raise DamagedError(f"damaged: found an array of class {kind} where a text or a number should stand")
    return float(numbers[0])
