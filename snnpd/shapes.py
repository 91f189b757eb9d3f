"""Shape words used in every signature, and the two reshapes that all attention layers share.

Letters: T time steps, B batch, N tokens (queries), M support points (keys), H heads, D head width of
queries and keys, E head width of values, C model width. Time is always the first axis.
"""

from jaxtyping import Float
from torch import Tensor

from snnpd.errors import UsageError

Tokens = Float[Tensor, "T B N C"]
Heads = Float[Tensor, "T B H N D"]


def split_heads(tokens: Float[Tensor, "T B N C"], num_heads: int) -> Float[Tensor, "T B H N D"]:
    """The channels of each token cut into `num_heads` equal heads.

    Raises:
        UsageError: the width is no multiple of the number of heads.
    """
    check_heads(tokens.shape[-1], num_heads)
    return tokens.unflatten(-1, (num_heads, -1)).transpose(-2, -3)


def merge_heads(heads: Float[Tensor, "T B H N D"]) -> Float[Tensor, "T B N C"]:
    """The inverse of `split_heads`."""
    return heads.transpose(-2, -3).flatten(-2)


def check_heads(dim: int, num_heads: int) -> None:
    """Raises UsageError unless `dim` is a positive multiple of `num_heads`."""
    if num_heads < 1 or dim < 1 or dim % num_heads:
        raise UsageError(
            f"width {dim} is not divisible by {num_heads} heads; choose num_heads among its divisors"
        )
