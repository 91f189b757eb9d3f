"""The one layer of all expansions: projections, heads grouped by their support points, an output map."""

from collections.abc import Callable, Sequence
from itertools import groupby

import torch
from jaxtyping import Float
from spikingjelly.activation_based import functional
from torch import Tensor, nn

from snnpd.attention.base import Attention
from snnpd.attention.views import HeadView, Observed
from snnpd.errors import UsageError
from snnpd.expansion import (
    Everywhere,
    Expansion,
    Kernel,
    Normaliser,
    Points,
    PrimalState,
    Reach,
    Transform,
    evaluate,
    stream,
)
from snnpd.expansion.forms import check_form
from snnpd.projections import Projection, fire_in_parts
from snnpd.shapes import check_heads, merge_heads, split_heads

Transforms = tuple[Transform, ...]
Code = Callable[[], nn.Module]
_AS_PROJECTED = nn.Identity()


class HeadGroup(Observed):
    """The heads that share their support points: transform, then code (neurons or nothing), then expand.

    The transforms act on what the projections give: features of an ANN, membrane potentials of a spiking
    layer, *before* its neurons, so that queries and keys that meet the kernel are spikes.
    """

    def __init__(self, num_heads: int, expansion: Expansion, codes: tuple[Code, Code, Code]) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.expansion = expansion
        self.query, self.key, self.value = (code() for code in codes)
        # transforms with state of their own (running statistics) are part of the model
        self.transforms = nn.ModuleList(t for t in expansion.transforms if isinstance(t, nn.Module))

    def forward(self, points: Points, form: str = "auto") -> Float[Tensor, "T B h N E"]:
        """Σ_j κ(q_i, k_j)/h(q_i) v_j for the heads of this group, from coded points."""
        heads = evaluate(self.expansion, points, form)
        if self.watchers:
            self.show(HeadView(heads, self.expansion, points))
        return heads

    @property
    def codes(self) -> tuple[nn.Module, nn.Module, nn.Module]:
        """What codes queries, keys and values."""
        return self.query, self.key, self.value

    def code(self, points: Points) -> Points:
        """Transformed and coded points: what meets the kernel."""
        moved = self.expansion.transform(points)
        return Points(self.query(moved.q), self.key(moved.k), self.value(moved.v), moved.mask)


class ExpansionAttention(Attention):
    """Attention as a declaration: kernel, normaliser, the transforms of each head, reach, codes, projections.

    Not used by itself: a layer of the literature is a subclass that only declares. `form` says how the expansion
    is evaluated (see `snnpd.expansion.evaluate`); "auto" takes the cheapest.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        kernel: Kernel,
        normaliser: Normaliser,
        transforms: Sequence[Transforms],
        codes: tuple[Code, Code, Code],
        qkv: Projection,
        out: nn.Module,
        reach: Reach | None = None,
        form: str = "auto",
    ) -> None:
        super().__init__(dim, num_heads)
        self.qkv, self.out, self.form = qkv, out, form
        self.groups = nn.ModuleList(
            HeadGroup(len(list(heads)), Expansion(kernel, normaliser, shared, reach or Everywhere()), codes)
            for shared, heads in groupby(transforms)
        )
        for group in self.head_groups:
            check_form(group.expansion, form, dim // num_heads)

    def attend(
        self, x: Tensor, mask: Tensor | None, context: Tensor | None, context_mask: Tensor | None
    ) -> Tensor:
        """Projections, heads, output map."""
        points = self._points(x, mask, context, context_mask)
        heads = [group(some, self.form) for group, some in zip(self.head_groups, points, strict=True)]
        return self.out(merge_heads(heads[0] if len(heads) == 1 else torch.cat(heads, dim=2)), mask)

    @torch.no_grad()
    def stream(
        self, x: Float[Tensor, "T B n C"], state: Sequence[PrimalState] | None = None
    ) -> tuple[Float[Tensor, "T B n C"], list[PrimalState]]:
        """The outputs of the next few tokens of a causal layer, and the state for those that follow.

        The state has the same size whatever the number of tokens seen. Each token brings all of its T steps, so
        the neurons start anew with every call.

        Example:
            >>> from snnpd.attention import create_attention
            >>> layer = create_attention("linear", 8, 2, causal=True).eval()
            >>> x, state, seen = torch.randn(1, 3, 5, 8), None, []
            >>> for token in x.split(1, dim=2):
            ...     y, state = layer.stream(token, state)
            ...     seen.append(y)
            >>> torch.allclose(torch.cat(seen, 2), layer(x), atol=1e-6)
            True

        Raises:
            UsageError: the layer is in training mode, not causal, or its kernel has no finite feature map.
        """
        if self.training:
            raise UsageError(f"{type(self).__name__}.stream is for inference; call eval() first")
        functional.reset_net(self)
        parts = [split_heads(part, self.num_heads) for part in self.qkv(x).chunk(3, -1)]
        sizes = [group.num_heads for group in self.head_groups]
        heads, after = [], []
        for index, group in enumerate(self.head_groups):
            q, k, v = (part.split(sizes, dim=2)[index] for part in parts)
            points = group.code(Points(q, k, v))
            some, new = stream(group.expansion, points, None if state is None else state[index])
            heads.append(some)
            after.append(new)
        y = self.out(merge_heads(torch.cat(heads, dim=2)))
        functional.reset_net(self)
        return y, after

    def _points(
        self, x: Tensor, mask: Tensor | None, context: Tensor | None, context_mask: Tensor | None
    ) -> list[Points]:
        """What meets the kernel, of each group of heads."""
        key_mask = mask if context is None else context_mask
        key_mask = None if key_mask is None else key_mask.unsqueeze(1)
        groups = self.head_groups
        # Nothing stands between the projections and the codes: neurons see whole tokens, behind their batch-norm.
        is_direct = len(groups) == 1 and not groups[0].expansion.transforms
        codes = groups[0].codes if is_direct else [_AS_PROJECTED] * 3
        tokens = self._project(codes, x, mask, context, context_mask)
        q, k, v = (split_heads(part, self.num_heads) for part in tokens)
        if is_direct:
            return [Points(q, k, v, key_mask)]
        sizes = [group.num_heads for group in groups]
        parts = zip(groups, *(part.split(sizes, dim=2) for part in (q, k, v)), strict=True)
        return [group.code(Points(q, k, v, key_mask)) for group, q, k, v in parts]

    def _project(
        self,
        codes: Sequence[nn.Module],
        x: Tensor,
        mask: Tensor | None,
        context: Tensor | None,
        context_mask: Tensor | None,
    ) -> Sequence[Tensor]:
        """Queries, keys and values as tokens, each through its code."""
        if context is None:
            return fire_in_parts(self.qkv, codes, x, mask)
        q = self.qkv.columns(x, mask, slice(0, self.dim))
        kv = self.qkv.columns(context, context_mask, slice(self.dim, 3 * self.dim))
        return [code(part) for code, part in zip(codes, (q, *kv.chunk(2, -1)), strict=True)]

    @property
    def head_groups(self) -> list[HeadGroup]:
        """The heads, grouped by their support points."""
        return [group for group in self.groups if isinstance(group, HeadGroup)]

    def extra_repr(self) -> str:
        """Kernel and normaliser, as declared."""
        first = self.head_groups[0].expansion
        return f"dim={self.dim}, num_heads={self.num_heads}, kernel={first.kernel}, normaliser={first.normaliser}"


def every_head(dim: int, num_heads: int, *transforms: Transform) -> list[Transforms]:
    """The same transforms for each head."""
    check_heads(dim, num_heads)
    return [transforms] * num_heads
