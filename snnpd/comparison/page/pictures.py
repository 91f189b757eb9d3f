"""Matrices as small PNG pictures inside the page, a pixel a number."""

import struct
from base64 import b64encode
from collections.abc import Sequence
from math import isfinite
from zlib import compress, crc32

from snnpd.energy.page.markup import Html, element

Matrix = Sequence[Sequence[float]]

LEVELS = 40
# The mid-tones of both colours stand out from light paper and from dark.
_POSITIVE, _NEGATIVE = (66, 133, 204), (214, 122, 38)


def signed_picture(matrix: Matrix, peak: float, says: str) -> Html:
    """Zero is the paper, `peak` full blue, -`peak` full orange."""
    scale = LEVELS / peak if peak else 0.0
    pixels = [[LEVELS + round(v * scale) if isfinite(v) else LEVELS for v in line] for line in matrix]
    colours = [_NEGATIVE if i < LEVELS else _POSITIVE for i in range(2 * LEVELS + 1)]
    alphas = [round(255 * abs(i - LEVELS) / LEVELS) for i in range(2 * LEVELS + 1)]
    return _image(pixels, colours, alphas, says)


def grey_picture(matrix: Matrix, says: str) -> Html:
    """The least value black, the greatest white."""
    low, high = extremes([matrix])
    scale = 255 / (high - low) if high > low else 0.0
    pixels = [[round((v - low) * scale) if isfinite(v) else 0 for v in line] for line in matrix]
    return _image(pixels, [(i, i, i) for i in range(256)], [], says)


def extremes(matrices: Sequence[Matrix]) -> tuple[float, float]:
    """The least and the greatest number in the matrices, those left out that are not finite."""
    values = [value for matrix in matrices for line in matrix for value in line if isfinite(value)]
    return (min(values), max(values)) if values else (0.0, 0.0)


def shrunk(matrix: Matrix, side: int) -> Matrix:
    """The matrix with blocks averaged, as few as leave no more than `side` lines and columns."""
    block = -(-max(len(matrix), len(matrix[0])) // side)
    if block == 1:
        return matrix
    return [
        [
            sum(values := [v for line in matrix[i : i + block] for v in line[j : j + block]]) / len(values)
            for j in range(0, len(matrix[0]), block)
        ]
        for i in range(0, len(matrix), block)
    ]


def png(pixels: Sequence[Sequence[int]], colours: Sequence[tuple[int, ...]], alphas: Sequence[int]) -> bytes:
    """A PNG file with a palette.

    Source: W3C, Portable Network Graphics (PNG) Specification, third edition, sections 10 and 11.
    """
    header = struct.pack(">IIBBBBB", len(pixels[0]), len(pixels), 8, 3, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"PLTE", bytes(part for colour in colours for part in colour))]
    chunks += [(b"tRNS", bytes(alphas))] if alphas else []
    lines = b"".join(b"\0" + bytes(line) for line in pixels)
    chunks += [(b"IDAT", compress(lines, 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc32(kind + data))
        for kind, data in chunks
    )


def _image(
    pixels: Sequence[Sequence[int]], colours: Sequence[tuple[int, ...]], alphas: Sequence[int], says: str
) -> Html:
    width, height = len(pixels[0]), len(pixels)
    address = f"data:image/png;base64,{b64encode(png(pixels, colours, alphas)).decode()}"
    picture = element("image", href=address, width=width, height=height)
    return element(
        "svg",
        element("title", says),
        picture,
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_label=says,
        class_="picture",
        style=f"aspect-ratio:{width}/{height}",
    )
