"""The one attention layer: projections, heads grouped by their support points, an expansion, an output map."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from snnpd.errors import UsageError
from snnpd.expansion import Expansion, Kernel, Normaliser, Points, Transform
from snnpd.shapes import check_heads, merge_heads, split_heads

Transforms = tuple[Transform, ...]
Code = Callable[[], nn.Module]


class HeadGroup(nn.Module):
    """The heads that share their support points: transform, then code (neurons or nothing), then expand.

    The transforms act on what the projections give: features of an ANN, membrane potentials of a spiking
    layer, *before* its neurons, so that queries and keys that meet the kernel are spikes.
    """

    def __init__(self, num_heads: int, expansion: Expansion, query: Code, key: Code, value: Code) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.expansion = expansion
        self.query, self.key, self.value = query(), key(), value()
        self.map_sink: list[Tensor] | None = None

    def forward(
        self,
        q: Float[Tensor, "T B h N D"],
        k: Float[Tensor, "T B h M D"],
        v: Float[Tensor, "T B h M E"],
        mask: Bool[Tensor, "B 1 M"] | None,
    ) -> Float[Tensor, "T B h N E"]:
        """Σ_j κ(q_i, k_j)/h(q_i) v_j for the heads of this group."""
        moved = self.expansion.transform(Points(q, k, v, mask))
        points = Points(self.query(moved.q), self.key(moved.k), self.value(moved.v), moved.mask)
        weights = self.expansion.weights(points)
        if self.map_sink is not None:
            self.map_sink.append(weights.detach())
        return weights @ points.v


class ExpansionAttention(nn.Module):
    """Self-attention as a declaration: kernel, normaliser, the transforms of each head, codes, projections.

    Not used by itself: a layer of the literature is a subclass that only declares.

    Shapes: x `[T, B, N, C]` to `[T, B, N, C]`; mask `[B, N]`, True where a token is real.

    Raises:
        UsageError: `dim` is no multiple of `num_heads`, or the input has another width.
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
        qkv: nn.Module,
        out: nn.Module,
    ) -> None:
        super().__init__()
        self.dim, self.num_heads = dim, num_heads
        self.qkv, self.out = qkv, out
        self.groups = nn.ModuleList(
            HeadGroup(len(list(heads)), Expansion(kernel, normaliser, shared), *codes)
            for shared, heads in groupby(transforms)
        )

    def forward(
        self, x: Float[Tensor, "T B N C"], mask: Bool[Tensor, "B N"] | None = None
    ) -> Float[Tensor, "T B N C"]:
        """The attention output of every token at every time step."""
        if x.shape[-1] != self.dim:
            raise UsageError(f"attention of width {self.dim} got tokens of width {x.shape[-1]}")
        q, k, v = (split_heads(part, self.num_heads) for part in self.qkv(x, mask).chunk(3, -1))
        key_mask = None if mask is None else mask.unsqueeze(1)
        sizes = [group.num_heads for group in self.head_groups]
        parts = zip(self.head_groups, *(part.split(sizes, dim=2) for part in (q, k, v)), strict=True)
        heads = [group(q, k, v, key_mask) for group, q, k, v in parts]
        return self.out(merge_heads(heads[0] if len(heads) == 1 else torch.cat(heads, dim=2)), mask)

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


@contextmanager
def record_attention(model: nn.Module) -> Iterator[dict[str, list[Tensor]]]:
    """Records the attention maps of every expansion layer while the context lasts.

    Gives a dict: layer name to one `[T, B, h, N, M]` tensor per group of heads and forward pass.

    Example:
        >>> from snnpd.attention import SoftmaxAttention
        >>> layer = SoftmaxAttention(8, 2)
        >>> with record_attention(layer) as maps:
        ...     _ = layer(torch.randn(1, 3, 5, 8))
        >>> maps[""][0].shape
        torch.Size([1, 3, 2, 5, 5])
    """
    layers = {name: m for name, m in model.named_modules() if isinstance(m, ExpansionAttention)}
    maps: dict[str, list[Tensor]] = {name: [] for name in layers}
    before = {group: group.map_sink for layer in layers.values() for group in layer.head_groups}
    try:
        for name, layer in layers.items():
            for group in layer.head_groups:
                group.map_sink = maps[name]
        yield maps
    finally:
        for group, sink in before.items():
            group.map_sink = sink
