"""Whole networks on integers, their parts under the names of the networks that they come from."""

from collections.abc import Iterable
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from snnpd.energy.fixed_point.layers import FixedInput
from snnpd.energy.fixed_point.neuron import FixedNeuron
from snnpd.energy.fixed_point.words import Format, ToPotential
from snnpd.errors import UsageError
from snnpd.expansion import Points
from snnpd.shapes import merge_heads, split_heads


class FixedConvStem(nn.Module):
    """`ConvStem` on integers.

    Shapes: x `[T, B, C_in, h, w]` to `[T, B, N, C]`.
    """

    def __init__(
        self,
        convs: Iterable[nn.Module],
        activations: Iterable[nn.Module],
        position: nn.Module,
        potential: Format,
    ) -> None:
        super().__init__()
        self.convs, self.activations = nn.ModuleList(convs), nn.ModuleList(activations)
        self.position, self.saturate = position, ToPotential(potential)

    def forward(self, x: Float[Tensor, "T B c h w"]) -> Float[Tensor, "T B N C"]:
        """Tokens as potentials, row by row."""
        for conv, activation in zip(self.convs[:-1], self.activations[:-1], strict=True):
            x = activation(conv(x))
        x = self.convs[-1](x)
        x = self.saturate(x + self.position(self.activations[-1](x)))
        return x.flatten(3).transpose(2, 3)


class FixedSeriesStem(nn.Module):
    """`SeriesStem` on integers.

    Shapes: x `[T, B, N, C_in]` to `[T, B, N, C]`.
    """

    def __init__(
        self,
        embedding: tuple[nn.Module, nn.Module],
        activation: nn.Module,
        neighbours: tuple[nn.Module, nn.Module],
        potential: Format,
    ) -> None:
        super().__init__()
        self.linear, self.norm = embedding
        self.activation = activation
        self.conv, self.position_norm = neighbours
        self.saturate = ToPotential(potential)

    def forward(self, x: Float[Tensor, "T B N c"]) -> Float[Tensor, "T B N C"]:
        """Tokens as potentials."""
        x = self.norm(self.linear(x))
        neighbours = self.conv(self.activation(x).flatten(0, 1).transpose(1, 2)).transpose(1, 2)
        return self.saturate(x + self.position_norm(neighbours.unflatten(0, x.shape[:2])))


class FixedAttention(nn.Module):
    """`ExpansionAttention` on integers: projections, codes, one group of heads, output map.

    Shapes: x `[T, B, N, C]` to `[T, B, N, C]`.
    """

    def __init__(self, qkv: nn.Module, group: nn.Module, out: nn.Module, num_heads: int) -> None:
        super().__init__()
        self.qkv, self.groups, self.out = qkv, nn.ModuleList([group]), out
        self.num_heads = num_heads

    def forward(self, x: Float[Tensor, "T B N C"]) -> Float[Tensor, "T B N C"]:
        """Potentials for the residual sum."""
        group: Any = self.groups[0]
        q, k, v = self.qkv(x).chunk(3, -1)
        coded = group.query(q), group.key(k), group.value(v)
        q, k, v = (split_heads(tokens, self.num_heads) for tokens in coded)
        return self.out(merge_heads(group(Points(q, k, v))))


class FixedBlock(nn.Module):
    """`PreActivationBlock` on integers: both residual sums saturate.

    Shapes: x `[T, B, N, C]` to `[T, B, N, C]`.
    """

    def __init__(
        self, before: nn.Module, attention: nn.Module, feed_forward: nn.Module, potential: Format
    ) -> None:
        super().__init__()
        self.before, self.attention, self.feed_forward = before, attention, feed_forward
        self.saturate = ToPotential(potential)

    def forward(self, x: Float[Tensor, "T B N C"]) -> Float[Tensor, "T B N C"]:
        """The potentials after both halves."""
        x = self.saturate(x + self.attention(self.before(x)))
        return self.saturate(x + self.feed_forward(x))


class FixedNetwork(nn.Module):
    """A network whose numbers are all integers, held in float64.

    The head sums the spikes of all tokens; that it means them stands in its weights. Logits are worth
    2^-`logit_fraction` each.

    Shapes: x `[T, B, ...]`, the input of the network that it comes from, to `[T, B, K]`.

    Raises:
        UsageError: another number of tokens than the head's weights were divided by.
    """

    def __init__(
        self,
        source: FixedInput,
        stem: nn.Module,
        blocks: Iterable[nn.Module],
        last: FixedNeuron,
        head: tuple[nn.Module, ToPotential],
        num_tokens: int,
    ) -> None:
        super().__init__()
        self.input, self.stem, self.blocks = source, stem, nn.ModuleList(blocks)
        self.last, self.num_tokens = last, num_tokens
        self.head, self.saturate = head

    @property
    def logit_fraction(self) -> int:
        """The number of binary places of the logits."""
        return self.saturate.potential.fraction

    def forward(self, x: Float[Tensor, "T B *sample"]) -> Float[Tensor, "T B K"]:
        """Logits per time step, as integers."""
        tokens = self.stem(self.input(x))
        if tokens.shape[2] != self.num_tokens:
            raise UsageError(
                f"{tokens.shape[2]} tokens for a network in fixed point whose head means {self.num_tokens}; "
                "convert it with a sample of that size"
            )
        for block in self.blocks:
            tokens = block(tokens)
        return self.saturate(self.head(self.last(tokens).sum(2)))
