"""Attention between datapoints: the samples of a batch look at each other, then each looks into itself."""

from collections.abc import Callable, Mapping
from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor, nn

from snnpd.attention.base import Attention
from snnpd.attention.spiking import neuron_maker
from snnpd.attention.table import create_attention
from snnpd.errors import UsageError, unknown

ROWS = ("per_token", "flattened")


class BetweenDatapoints(Attention):
    """Attention over the batch axis, then any attention layer within each row.

    Each row of the batch is a datapoint. **Its output depends on its batch mates, on purpose**: batches are part of
    the model, in evaluation too, and the output is equivariant to permutations of them. Labels must never be in the
    input, neither a row's own nor those of the rows that are to be predicted: the layer would copy them.

    Equation: y = code(x + ABD(x)), output ABA(y). ABD is the layer `between` with rows for tokens: all tokens of
        a row side by side, width N C ("flattened"; N fixed, padded tokens zero), or the n-th tokens of all rows
        for each n, width C ("per_token"; padded tokens are not seen).

    Source: Non-Parametric Transformers, Kossen et al., NeurIPS 2021 (arXiv 2106.02584), where rows
        are flattened; "per_token", for sequences of any length, is ours.
        See docs/math/systems.md#c13-two-attentions-in-a-row.

    Raises:
        UsageError: layers of a wrong width; flattened rows of a wrong number of tokens.
    """

    no_expansion = "it is two attentions in a row, `between` and `within`; ask them"

    def __init__(
        self,
        between: Attention,
        within: Attention,
        *,
        rows: str = "per_token",
        code: Callable[[], nn.Module] = nn.Identity,
    ) -> None:
        super().__init__(within.dim, within.num_heads)
        if rows not in ROWS:
            raise unknown("rows", rows, ROWS)
        if (rows == "per_token" and between.dim != within.dim) or between.dim % within.dim:
            raise UsageError(
                f"between datapoints: {rows} rows of tokens of width {within.dim} met a layer of width {between.dim}; "
                "per_token wants the same width, flattened a multiple"
            )
        self.between, self.within, self.rows, self.code = between, within, rows, code()

    def attend(
        self, x: Tensor, mask: Tensor | None, context: Tensor | None, context_mask: Tensor | None
    ) -> Tensor:
        """Between the rows, then within each; a context is for the layer within."""
        attend = self._per_token if self.rows == "per_token" else self._flattened
        return self.within(self.code(x + attend(x, mask)), mask, context, context_mask)

    def _per_token(
        self, x: Float[Tensor, "T B N C"], mask: Bool[Tensor, "B N"] | None
    ) -> Float[Tensor, "T B N C"]:
        columns = self.between(x.transpose(1, 2), None if mask is None else mask.T)
        return columns.transpose(1, 2)

    def _flattened(
        self, x: Float[Tensor, "T B N C"], mask: Bool[Tensor, "B N"] | None
    ) -> Float[Tensor, "T B N C"]:
        num_tokens = self.between.dim // self.dim
        if x.shape[2] != num_tokens:
            raise UsageError(
                f"between datapoints: flattened rows of {num_tokens} tokens got {x.shape[2]}; use rows='per_token'"
            )
        if mask is not None:
            x = x.masked_fill(~mask.unsqueeze(-1), 0)
        has_tokens = None if mask is None else mask.any(-1).unsqueeze(0)
        flat = self.between(x.flatten(2).unsqueeze(1), has_tokens)
        return flat.squeeze(1).unflatten(-1, (num_tokens, self.dim))

    def extra_repr(self) -> str:
        """How rows become tokens."""
        return f"rows={self.rows}"


def between_datapoints(
    dim: int,
    num_heads: int,
    *,
    inner: str = "softmax",
    inner_options: Mapping[str, Any] | None = None,
    between: str = "softmax",
    between_options: Mapping[str, Any] | None = None,
    rows: str = "per_token",
    num_tokens: int | None = None,
    neuron: str | None = None,
    neuron_options: Mapping[str, Any] | None = None,
) -> BetweenDatapoints:
    """Attention between the samples of a batch, then within each, by the names of two layers.

    `neuron` makes the spikes that a spiking inner layer wants.

    Raises:
        UsageError: unknown names or options; flattened rows without `num_tokens`.
    """
    if rows == "flattened" and not num_tokens:
        raise UsageError(
            "between datapoints: rows='flattened' has a width of num_tokens tokens; give num_tokens"
        )
    width = dim * (num_tokens or 1) if rows == "flattened" else dim
    return BetweenDatapoints(
        create_attention(between, width, num_heads, **(between_options or {})),
        create_attention(inner, dim, num_heads, **(inner_options or {})),
        rows=rows,
        code=nn.Identity if neuron is None else neuron_maker(neuron, neuron_options),
    )
