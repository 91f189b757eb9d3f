"""Unpacks the compressed packets of AEDAT 4, never to more than a fixed multiple of what they take packed."""

from collections.abc import Callable
from typing import Any

from snnpd.datasets.readers.flatbuffer import DamagedError
from snnpd.errors import UsageError

# LZ4 reaches 255; events shrink to a fifth at best.
_MOST_RATIO = 256
_CHUNK = 1 << 20
# Zstandard's decoders must support windows of 8 MiB; they take that much memory.
_MOST_WINDOW = 1 << 23


def unpack(packed: memoryview, compression: str, where: str) -> bytes | memoryview:
    """The bytes that were packed by `compression`: none, lz4 or zstd.

    Raises:
        DamagedError: not packed like this, cut short, or unpacking to much more than events can.
        UsageError: the package that unpacks it is not installed.
    """
    if compression == "none":
        return packed
    piece = (_lz4_pieces if compression == "lz4" else _zstd_pieces)(packed, where)
    limit = _MOST_RATIO * len(packed)
    data = bytearray()
    while more := piece(_CHUNK):
        data += more
        if len(data) > limit:
            raise DamagedError(f"a packet of {len(packed)} bytes unpacks to more than {limit}")
    return memoryview(data)


def _lz4_pieces(packed: memoryview, where: str) -> Callable[[int], bytes]:
    try:
        import lz4.frame
    except ImportError as error:
        raise _missing("lz4", where) from error
    stream = lz4.frame.LZ4FrameDecompressor()
    rest: Any = packed

    def piece(most: int) -> bytes:
        nonlocal rest
        if stream.eof:
            return b""
        try:
            more = stream.decompress(rest, most)
        except (RuntimeError, EOFError, MemoryError) as error:
            raise DamagedError(f"a packet is no LZ4 ({error})") from error
        rest = b""
        if not more and not stream.eof:
            raise DamagedError("a packet's LZ4 frame is cut short")
        return more

    return piece


def _zstd_pieces(packed: memoryview, where: str) -> Callable[[int], bytes]:
    try:
        import zstandard
    except ImportError as error:
        raise _missing("zstandard", where) from error
    stream = zstandard.ZstdDecompressor(max_window_size=_MOST_WINDOW).stream_reader(packed)

    def piece(most: int) -> bytes:
        try:
            return stream.read(most)
        except (zstandard.ZstdError, MemoryError) as error:
            raise DamagedError(f"a packet is no Zstandard ({error})") from error

    return piece


def _missing(package: str, where: str) -> UsageError:
    return UsageError(f"{where}: unpacking it needs {package}; pip install 'snnpd[events]'")
