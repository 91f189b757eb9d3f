"""The transforms of scaled heads: each head pools its own number of tokens."""

from collections.abc import Sequence

from snnpd.attention.layer import Transforms
from snnpd.errors import UsageError
from snnpd.expansion import PooledHeads, Transform
from snnpd.shapes import check_heads


def default_factors(num_heads: int) -> list[int]:
    """Pool factors that double every two heads: 1, 1, 2, 2, 4, 4, 8, 8.

    Source: Attention-SH, Nguyen et al. 2023, recalled.
    """
    return [2 ** (head // 2) for head in range(num_heads)]


def pooled_heads(
    dim: int,
    num_heads: int,
    factors: Sequence[int] | None,
    grid: tuple[int, int] | None,
    *then: Transform,
) -> list[Transforms]:
    """Per head: pooling by its factor, then the transforms `then`.

    Raises:
        UsageError: as many factors as heads are wanted.
    """
    check_heads(dim, num_heads)
    chosen = default_factors(num_heads) if factors is None else list(factors)
    if len(chosen) != num_heads:
        raise UsageError(
            f"pooled heads: {len(chosen)} factors {chosen} for {num_heads} heads; give one a head"
        )
    grid = None if grid is None else (grid[0], grid[1])
    return [(PooledHeads(factor, grid), *then) for factor in chosen]
