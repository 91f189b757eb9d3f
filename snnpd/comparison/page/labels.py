"""Places of labels beside the marks of a scatter plot, free of each other at every width of the page."""

from collections.abc import Iterator, Sequence
from itertools import product
from math import cos, pi, sin
from typing import NamedTuple

LABEL_WIDTH, LABEL_HEIGHT, MARK = 17.0, 14.0, 15.0
_RADII = (16, 26, 38, 52, 68, 86)
_ANGLES = [i * pi / 8 for i in (14, 2, 10, 6, 13, 3, 11, 5, 15, 1, 9, 7, 12, 4, 0, 8)]


class Box(NamedTuple):
    """A box about (x + dx, y + dy); x moves with the width of the page, all else is in pixels."""

    x: float
    y: float
    dx: float
    dy: float
    width: float
    height: float


def place_labels(points: Sequence[tuple[float, float]], height: float) -> list[tuple[float, float]]:
    """How far from its mark the middle of each label stands, in pixels; marks are points of a narrow page.

    A wider page pulls marks apart. Two boxes that are clear of each other vertically, or horizontally in the
    order of their marks, stay so; labels are placed so that every pair is.
    """
    taken = [Box(x, y, 0.0, 0.0, MARK, MARK) for x, y in points]
    places = []
    for x, y in points:
        boxes = [Box(x, y, dx, dy, LABEL_WIDTH, LABEL_HEIGHT) for dx, dy in _around()]
        inside = [box for box in boxes if LABEL_HEIGHT / 2 <= y + box.dy <= height - LABEL_HEIGHT / 2]
        best = min(inside, key=lambda box: sum(not _is_clear(box, other) for other in taken))
        taken.append(best)
        places.append((best.dx, best.dy))
    return places


def _around() -> Iterator[tuple[float, float]]:
    for radius, angle in product(_RADII, _ANGLES):
        yield radius * cos(angle), radius * sin(angle)


def _is_clear(one: Box, other: Box) -> bool:
    if abs(one.y + one.dy - other.y - other.dy) >= (one.height + other.height) / 2:
        return True
    gap = (other.x + other.dx) - (one.x + one.dx)
    wanted = (one.width + other.width) / 2
    if one.x == other.x:
        return abs(gap) >= wanted
    return (gap if other.x > one.x else -gap) >= wanted
