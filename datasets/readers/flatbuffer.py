"""As much of flatbuffers as AEDAT 4 needs, with every offset checked against the bytes that are there."""

import struct
from typing import NamedTuple

_NUMBER_SIZE = 4


class DamagedError(Exception):
    """Says what is wrong with the content of a file."""


def root_table(data: bytes | memoryview, offset: int, identifier: bytes) -> tuple["Table", int]:
    """The table of a buffer that begins with its size, and the offset of what follows the buffer.

    Raises:
        DamagedError: the buffer is cut short or not of this kind.
    """
    start = offset + _NUMBER_SIZE
    end = start + _read(data, offset, "<I")
    if end > len(data):
        raise DamagedError(
            f"a buffer at byte {offset} announces {end - start} bytes, {len(data) - start} are there"
        )
    found = bytes(data[start + 4 : start + 8])
    if found != identifier:
        raise DamagedError(f"a buffer of kind {found!r} where {identifier!r} should stand")
    buffer = memoryview(data)[start:end]
    return Table(buffer, _read(buffer, 0, "<I")), end


class Table(NamedTuple):
    """A table at an offset of its buffer; fields are numbered in the order of the schema."""

    buffer: memoryview
    start: int

    def number(self, field: int, code: str, default: int) -> int:
        """An integer; `code` is struct's."""
        place = self._place(field)
        return default if place is None else _read(self.buffer, place, code)

    def string(self, field: int) -> str:
        """A string, empty if it is not there."""
        return bytes(self.structs(field, 1)).decode("utf-8", "replace")

    def structs(self, field: int, size: int) -> memoryview:
        """The bytes of a vector of structs (or of single bytes) of this size, none if it is not there."""
        place = self._place(field)
        if place is None:
            return self.buffer[:0]
        place += _read(self.buffer, place, "<I")
        count = _read(self.buffer, place, "<I")
        start = place + _NUMBER_SIZE
        if count * size > len(self.buffer) - start:
            raise DamagedError(
                f"a vector announces {count} elements, {len(self.buffer) - start} bytes are there"
            )
        return self.buffer[start : start + count * size]

    def _place(self, field: int) -> int | None:
        """Where the field's value stands, from the table of offsets that the table points back to."""
        offsets = self.start - _read(self.buffer, self.start, "<i")
        entry = 4 + 2 * field
        if entry + 2 > _read(self.buffer, offsets, "<H"):
            return None
        place = _read(self.buffer, offsets + entry, "<H")
        return self.start + place if place else None


def _read(data: bytes | memoryview, offset: int, code: str) -> int:
    if not 0 <= offset <= len(data) - struct.calcsize(code):
        raise DamagedError(f"an offset leads to byte {offset} of {len(data)}")
    return struct.unpack_from(code, data, offset)[0]
