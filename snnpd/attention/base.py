"""What all attention layers share: tokens in and out, a mask, another sequence to look at, refusals in words."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from snnpd.attention.views import HeadView, Observed
from snnpd.errors import UsageError
from snnpd.expansion import Expansion, Points
from snnpd.shapes import check_heads

Tokens = Float[Tensor, "T B N C"]
TokenMask = Bool[Tensor, "B N"]


class Attention(nn.Module, ABC):
    """A layer from tokens to tokens; a subclass says in `attend` what each token takes from the others.

    `no_context` and `no_expansion` say in words why a layer has no cross-attention, or is no support vector
    expansion; they are empty where it has, or is.

    Shapes: x `[T, B, N, C]` to `[T, B, N, C]`; mask `[B, N]`, True where a token is real; context `[T, B, M, C]`,
    the sequence that keys and values come from (x itself if none is given), with its own mask `[B, M]`.

    Raises:
        UsageError: `dim` is no multiple of `num_heads`; tokens of another width; a context where none has a meaning.
    """

    no_context: ClassVar[str] = ""
    no_expansion: ClassVar[str] = ""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        check_heads(dim, num_heads)
        self.dim, self.num_heads = dim, num_heads

    def forward(
        self,
        x: Float[Tensor, "T B N C"],
        mask: Bool[Tensor, "B N"] | None = None,
        context: Float[Tensor, "T B M C"] | None = None,
        context_mask: Bool[Tensor, "B M"] | None = None,
    ) -> Float[Tensor, "T B N C"]:
        """The attention output of every token at every time step."""
        self._check(x, mask, context, context_mask)
        return self.attend(x, mask, context, context_mask)

    def expansions(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        context: Tensor | None = None,
        context_mask: Tensor | None = None,
    ) -> list[tuple[Expansion, Points]]:
        """The expansions that the layer evaluates at x, one a group of heads, with transformed and coded points.

        Neurons run and keep their state, as in `forward`: reset the layer before and after.

        Raises:
            UsageError: the layer is no support vector expansion, with the reason.
        """
        name = type(self).__name__
        if self.no_expansion:
            raise UsageError(f"{name} is no support vector expansion: {self.no_expansion}")
        views: list[HeadView] = []
        watched = [part for part in self.modules() if isinstance(part, Observed)]
        for part in watched:
            part.watchers.append(views.append)
        try:
            self(x, mask, context, context_mask)
        finally:
            for part in watched:
                part.watchers.pop()
        return [(v.expansion, v.points) for v in views if v.expansion and v.points]

    @abstractmethod
    def attend(
        self, x: Tensor, mask: Tensor | None, context: Tensor | None, context_mask: Tensor | None
    ) -> Tensor:
        """`forward` behind its checks; context None stands for x with its mask."""

    def _check(
        self, x: Tensor, mask: Tensor | None, context: Tensor | None, context_mask: Tensor | None
    ) -> None:
        name = type(self).__name__
        if x.ndim != 4:
            raise UsageError(
                f"{name} takes tokens [T, B, N, C], time first, got {list(x.shape)}; unsqueeze(0) adds one time step"
            )
        if x.shape[-1] != self.dim:
            raise UsageError(f"attention of width {self.dim} got tokens of width {x.shape[-1]}")
        _check_mask("mask", mask, x)
        if context is None:
            if context_mask is not None:
                raise UsageError(f"{name}: a context_mask without a context; give both, or `mask` alone")
            return
        if self.no_context:
            raise UsageError(f"{name} has no cross-attention: {self.no_context}")
        if context.shape[-1] != self.dim:
            raise UsageError(f"attention of width {self.dim} got a context of width {context.shape[-1]}")
        if context.ndim != 4 or context.shape[:2] != x.shape[:2]:
            raise UsageError(
                f"{name}: tokens {list(x.shape)} and context {list(context.shape)} want the same T and B; "
                "expand the one that is shared"
            )
        _check_mask("context_mask", context_mask, context)


def _check_mask(word: str, mask: Tensor | None, tokens: Tensor) -> None:
    if mask is not None and (mask.dtype != torch.bool or mask.shape != tokens.shape[1:3]):
        raise UsageError(
            f"{word} {list(mask.shape)} of {mask.dtype} for tokens {list(tokens.shape)}; "
            "give a boolean [B, N], True where a token is real"
        )
