"""Reach: which support points a query sees by its position, whatever stands there."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool
from torch import Tensor

from snnpd.errors import UsageError


class Reach(ABC):
    """An index set for each query. Queries and support points lie in the same sequence unless all are reached.

    Source: docs/math/transforms.md#t6-reach.
    """

    is_causal: ClassVar[bool] = False

    @abstractmethod
    def allowed(self, num_queries: int, num_keys: int, device: torch.device) -> Bool[Tensor, "N M"] | None:
        """Where query i may see support point j; None where it sees all of them."""

    def check(self, num_queries: int, num_keys: int) -> None:
        """Raises UsageError where positions in two sequences would be compared."""
        if num_queries != num_keys:
            raise UsageError(
                f"{self} compares positions, but {num_queries} queries meet {num_keys} support points; "
                "across two sequences only full attention has a meaning"
            )

    def _offsets(self, num_queries: int, num_keys: int, device: torch.device) -> Tensor:
        """i - j for all pairs."""
        self.check(num_queries, num_keys)
        index = torch.arange(num_queries, device=device)
        return index[:, None] - index


@dataclass(frozen=True)
class Everywhere(Reach):
    """Every query sees every support point."""

    def check(self, num_queries: int, num_keys: int) -> None:
        """Nothing to refuse: no position is compared."""

    def allowed(self, num_queries: int, num_keys: int, device: torch.device) -> None:
        """None: nothing is out of reach."""
        return


@dataclass(frozen=True)
class Causal(Reach):
    """A query sees its own token and those before it."""

    is_causal: ClassVar[bool] = True

    def allowed(self, num_queries: int, num_keys: int, device: torch.device) -> Bool[Tensor, "N M"]:
        """j ≤ i."""
        return self._offsets(num_queries, num_keys, device) >= 0


@dataclass(frozen=True)
class Window(Reach):
    """A query sees the tokens at most `radius` places away; radius 0 is the token itself.

    With `grid` = (rows, columns) the tokens lie in an image row by row, and places are counted along each side.

    Source: local attention, e.g. Beltagy et al. 2020 (Longformer), section 3.1.
    """

    radius: int
    grid: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.radius < 0:
            raise UsageError(f"window: radius {self.radius} must be 0 or more")

    def allowed(self, num_queries: int, num_keys: int, device: torch.device) -> Bool[Tensor, "N M"]:
        """|i - j| ≤ radius, per side of the grid."""
        offsets = self._offsets(num_queries, num_keys, device)
        if self.grid is None:
            return offsets.abs() <= self.radius
        rows, columns = self.grid
        if rows * columns != num_keys:
            raise UsageError(f"window: a grid of {rows} x {columns} does not hold {num_keys} tokens")
        index = torch.arange(num_keys, device=device)
        row, column = index // columns, index % columns
        near = [(side[:, None] - side).abs() <= self.radius for side in (row, column)]
        return near[0] & near[1]


@dataclass(frozen=True)
class CausalWindow(Reach):
    """A query sees its own token and the `radius` tokens before it."""

    radius: int
    is_causal: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.radius < 0:
            raise UsageError(f"causal window: radius {self.radius} must be 0 or more")

    def allowed(self, num_queries: int, num_keys: int, device: torch.device) -> Bool[Tensor, "N M"]:
        """0 ≤ i - j ≤ radius."""
        offsets = self._offsets(num_queries, num_keys, device)
        return (offsets >= 0) & (offsets <= self.radius)


@dataclass(frozen=True)
class Strided(Reach):
    """A query sees the tokens at most `stride` places away and every token a multiple of `stride` away.

    Source: strided sparse attention, Child et al. 2019 (arXiv 1904.10509), section 4.2, both of its heads' sets
    joined; `causal` keeps the tokens up to the query, as in the paper.
    """

    stride: int
    causal: bool = True

    def __post_init__(self) -> None:
        if self.stride < 1:
            raise UsageError(f"strided reach: stride {self.stride} must be 1 or more")

    @property
    def is_causal(self) -> bool:  # type: ignore[override]
        """Whether later tokens are out of reach."""
        return self.causal

    def allowed(self, num_queries: int, num_keys: int, device: torch.device) -> Bool[Tensor, "N M"]:
        """|i - j| ≤ stride, or i - j a multiple of stride."""
        offsets = self._offsets(num_queries, num_keys, device)
        near = (offsets.abs() <= self.stride) | (offsets % self.stride == 0)
        return near & (offsets >= 0) if self.causal else near
