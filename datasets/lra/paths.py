"""Drawn path-finding tasks: are the two marked ends those of one dashed path, or of two?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from snnpd.datasets.seeding import rng_for
from snnpd.errors import UsageError

Picture = NDArray[np.uint8]
Points = NDArray[np.float64]

# Of 255: a dash, a marker.
DASH, MARKER = 160, 255
# Blank pixels between two paths; the gap between two dashes of one is 1 or 2.
CLEARANCE = 4

# The most by which the distances between marked ends may differ, had the picture been marked for the other class.
_ALIKE = 0.5

_STEPS_PER_DASH = 3
_MAX_TURN = 0.35
_NUM_WALKS = 64
_MOST_TRIES = 300


@dataclass(frozen=True)
class PathDrawing:
    """Pictures `[size, size]` with two long dashed paths of `num_dashes`, and `num_distractors` short ones.

    A path is a smooth random walk; a dash and its gap are 3 pixels long. No path comes within 4 pixels of
    another. Discs mark both ends of one long path (class 1), or one end of each (class 0). Every picture could
    have been marked for either class with its discs equally far apart, so that their distance tells nothing.

    Source: the task is that of Linsley et al., "Learning long-range spatial dependencies with horizontal gated
    recurrent units", NeurIPS 2018; the drawing is ours, and easier: fewer and shorter distractors.

    Raises:
        UsageError: paths that do not fit into a picture.
    """

    size: int = 32
    num_dashes: int = 7
    num_distractors: int = 2

    def __post_init__(self) -> None:
        if self.size < 16 or self.num_dashes < 2 or self.num_distractors < 0:
            raise UsageError(
                f"size is {self.size}, num_dashes {self.num_dashes}, num_distractors {self.num_distractors}; give "
                "at least 16, 2 and 0"
            )

    def draw(self, label: int, *key: int) -> Picture:
        """A picture of class `label`, a function of `key`."""
        rng = rng_for(*key)
        for _ in range(_MOST_TRIES):
            picture = self._try(rng, label)
            if picture is not None:
                return picture
        raise UsageError(
            f"two paths of {self.num_dashes} dashes and {self.num_distractors} distractors do not fit into "
            f"{self.size} × {self.size} pixels; make the picture larger or the paths fewer and shorter"
        )

    def _try(self, rng: np.random.Generator, label: int) -> Picture | None:
        taken = np.zeros((self.size, self.size), dtype=bool)
        picture = np.zeros((self.size, self.size), dtype=np.uint8)
        paths: list[Points] = []
        for length in [self.num_dashes] * 2 + [max(self.num_dashes // 3, 1)] * self.num_distractors:
            path = self._place(rng, length, taken, beside=paths[0] if len(paths) == 1 else None)
            if path is None:
                return None
            picture[_pixels(_dashes(path))] = DASH
            taken |= binary_dilation(self._area(path), np.ones((3, 3)), iterations=CLEARANCE - 1)
            paths.append(path)
        ends = _ends_by_class(paths[0], paths[1])
        assert ends is not None, "the second path was chosen so"
        for end in ends[label]:
            picture[self._disc(end)] = MARKER
        return picture

    def _place(
        self, rng: np.random.Generator, num_dashes: int, taken: NDArray[np.bool_], beside: Points | None
    ) -> Points | None:
        """A path clear of what is taken and of the border, to be marked with `beside`; None if none was found."""
        # A path ends with a dash, as it begins: its ends look alike.
        walks = _walks(rng, num_dashes * _STEPS_PER_DASH - 2, self.size)
        inside = walks[((walks >= 1.5) & (walks <= self.size - 2.5)).all((1, 2))]
        for path in inside[~taken[_pixels(inside)].any(1)]:
            clear = not _meets_itself(path) and not (self._area(path) & taken).any()
            if clear and (beside is None or _ends_by_class(beside, path)):
                return path
        return None

    def _area(self, path: Points) -> NDArray[np.bool_]:
        """Where a path is or might be marked."""
        area = np.zeros((self.size, self.size), dtype=bool)
        area[_pixels(path)] = True
        return area | self._disc(path[0]) | self._disc(path[-1])

    def _disc(self, centre: Points) -> NDArray[np.bool_]:
        places = np.arange(self.size)
        disc: NDArray[np.bool_] = (places[:, None] - centre[0]) ** 2 + (places - centre[1]) ** 2 <= 1.5**2
        return disc


def _walks(rng: np.random.Generator, num_steps: int, size: int) -> Points:
    """Walks `[W, num_steps + 1, 2]` of points one pixel apart whose direction changes little by little."""
    turns = rng.uniform(-_MAX_TURN, _MAX_TURN, (_NUM_WALKS, num_steps))
    angles = rng.uniform(0, 2 * np.pi, (_NUM_WALKS, 1)) + np.cumsum(turns, axis=1)
    begins = rng.uniform(2, size - 3, (_NUM_WALKS, 1, 2))
    steps = np.stack([np.sin(angles), np.cos(angles)], axis=-1)
    return np.concatenate([begins, begins + np.cumsum(steps, axis=1)], axis=1)


def _ends_by_class(one: Points, other: Points) -> tuple[Points, Points] | None:
    """The ends to be marked for class 0 and for class 1, equally far apart; None if no choice of them is."""
    joined = one[[0, -1]]
    apart = [np.stack([mine, theirs]) for mine in joined for theirs in other[[0, -1]]]
    distance = np.linalg.norm(joined[0] - joined[1])
    differences = [abs(np.linalg.norm(ends[0] - ends[1]) - distance) for ends in apart]
    best = int(np.argmin(differences))
    return (apart[best], joined) if differences[best] <= _ALIKE else None


def _meets_itself(path: Points) -> bool:
    distances = np.linalg.norm(path[:, None] - path, axis=-1)
    apart = np.abs(np.subtract.outer(np.arange(len(path)), np.arange(len(path)))) > 6
    return bool((distances[apart] < 5).any())


def _dashes(path: Points) -> Points:
    """The points that are drawn: two of three."""
    return path[np.arange(len(path)) % _STEPS_PER_DASH != _STEPS_PER_DASH - 1]


def _pixels(points: Points) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    rounded = np.rint(points).astype(np.int64)
    return rounded[..., 0], rounded[..., 1]
