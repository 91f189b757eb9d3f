"""The parts of a network on integers, one by one, each under its old name."""

from dataclasses import dataclass

from torch import Tensor, nn

from snnpd.attention import ExpansionAttention
from snnpd.attention.qk_gates import ChannelQK, GatedKeys, TokenQK
from snnpd.attention.spike_driven import SpikeDriven1
from snnpd.attention.spiking import SpikingOutput
from snnpd.blocks import ConvStem, FeedForward, PreActivationBlock, SeriesStem
from snnpd.blocks.stems import ConvNorm
from snnpd.energy.fixed_point.attention import FixedProductGroup, FixedShiftmaxGroup, is_primal, scale_of
from snnpd.energy.fixed_point.layers import FixedInput, of_events, of_words, with_parts
from snnpd.energy.fixed_point.network import (
    FixedAttention,
    FixedBlock,
    FixedConvStem,
    FixedNetwork,
    FixedSeriesStem,
)
from snnpd.energy.fixed_point.neuron import FixedNeuron, fixed_neuron
from snnpd.energy.fixed_point.words import Format
from snnpd.errors import UsageError
from snnpd.projections import LinearNorm


@dataclass(frozen=True)
class Builder:
    """The parts of `model` on integers, in given formats.

    Raises:
        UsageError: a part without an integer form, by its name.
    """

    model: nn.Module
    weight_bits: int
    source: Format
    potential: Format
    logits: Format

    def network(self, sample: Tensor) -> FixedNetwork:
        """The whole network, for inputs of the sample's size."""
        for name in ("stem", "blocks", "last", "head"):
            if not hasattr(self.model, name):
                raise UsageError(
                    f"{type(self.model).__name__} has no {name!r}; give a network with stem, blocks, last and head"
                )
        stem, blocks, last, head = (getattr(self.model, n) for n in ("stem", "blocks", "last", "head"))
        num_tokens = stem.grid[0] * stem.grid[1] if isinstance(stem, ConvStem) else sample.shape[2]
        return FixedNetwork(
            FixedInput(self.source),
            self.stem(stem),
            [self.block(block, num_tokens) for block in blocks],
            self.neuron(last),
            of_events(head, None, self.weight_bits, self.logits, 1 / num_tokens),
            num_tokens,
        ).eval()

    def where(self, part: nn.Module) -> str:
        """The name of a part of the network."""
        return next(name for name, module in self.model.named_modules() if module is part)

    def neuron(self, neuron: nn.Module, places: int = 0) -> FixedNeuron:
        """A neuron whose input is moved by `places`."""
        return fixed_neuron(neuron, self.where(neuron), self.potential, places)

    def linear(self, layer: nn.Module) -> nn.Module:
        """A projection of events."""
        if not isinstance(layer, LinearNorm):
            raise self.refused(layer, "a projection is to be linear map and batch-norm, LinearNorm")
        linear, norm = of_events(layer.linear, layer.norm, self.weight_bits, self.potential)
        return with_parts(layer, linear=linear, norm=norm)

    def conv(self, layer: nn.Module, is_first: bool = False) -> nn.Module:
        """A convolution, of words if it is the first, with its pool."""
        assert isinstance(layer, ConvNorm)
        if is_first:
            conv, norm = of_words(layer.conv, layer.norm, self.weight_bits, self.source, self.potential)
        else:
            conv, norm = of_events(layer.conv, layer.norm, self.weight_bits, self.potential)
        return with_parts(layer, conv=conv, norm=norm)

    def stem(self, stem: nn.Module) -> nn.Module:
        """The stem of images or of series."""
        if isinstance(stem, ConvStem):
            convs = [self.conv(conv, is_first=index == 0) for index, conv in enumerate(stem.convs)]
            activations = [self.neuron(activation) for activation in stem.activations]
            return FixedConvStem(convs, activations, self.conv(stem.position), self.potential)
        if isinstance(stem, SeriesStem):
            embedding = of_words(stem.linear, stem.norm, self.weight_bits, self.source, self.potential)
            neighbours = of_events(stem.conv, stem.position_norm, self.weight_bits, self.potential)
            return FixedSeriesStem(embedding, self.neuron(stem.activation), neighbours, self.potential)
        raise self.refused(stem, "a stem is to be one of images or of series with position 'conv'")

    def block(self, block: nn.Module, num_tokens: int) -> FixedBlock:
        """A residual block."""
        if not isinstance(block, PreActivationBlock) or not isinstance(block.feed_forward, FeedForward):
            raise self.refused(block, "blocks are to be PreActivationBlock with a FeedForward")
        half = block.feed_forward
        feed_forward = FeedForward(
            self.neuron(half.before),
            self.linear(half.widen),
            self.neuron(half.between),
            self.linear(half.narrow),
        )
        attention = self.attention(block.attention, num_tokens)
        return FixedBlock(self.neuron(block.before), attention, feed_forward, self.potential)

    def attention(self, layer: nn.Module, num_tokens: int) -> nn.Module:
        """An attention layer, by its kind."""
        fraction = self.potential.fraction
        if isinstance(layer, SpikeDriven1) and not layer.causal:
            codes = {name: self.neuron(getattr(layer, name)) for name in ("query", "key", "value")}
            maps = {name: self.linear(getattr(layer, name)) for name in ("q", "kv", "out")}
            return with_parts(
                layer, **codes, **maps, weight_neuron=self.neuron(layer.weight_neuron, fraction)
            )
        if isinstance(layer, GatedKeys) and type(layer) in (TokenQK, ChannelQK):
            codes = {"query": self.neuron(layer.query), "key": self.neuron(layer.key)}
            gate = self.neuron(layer.gate, fraction)
            return with_parts(layer, **codes, gate=gate, qk=self.linear(layer.qk), out=self.linear(layer.out))
        if isinstance(layer, ExpansionAttention) and isinstance(layer.out, SpikingOutput):
            return self.expansion(layer, layer.out, num_tokens)
        raise self.refused(layer, "offered are bsa, ssa, sdsa1, token_qk and channel_qk, none of them causal")

    def expansion(self, layer: ExpansionAttention, out: SpikingOutput, num_tokens: int) -> FixedAttention:
        """Shiftmax attention, or products of spikes."""
        scaled, heads = scale_of(layer, self.where(layer)), layer.head_groups[0]
        query, key = self.neuron(heads.query), self.neuron(heads.key)
        group: nn.Module
        if scaled.are_potentials:
            group, places = FixedShiftmaxGroup(query, key, nn.Identity(), self.potential), 0
        else:
            primal = is_primal(layer, heads, num_tokens)
            group = FixedProductGroup(query, key, self.neuron(heads.value), primal)
            places = self.potential.fraction + scaled.exponent
        spikes = with_parts(out, neuron=self.neuron(out.neuron, places), project=self.linear(out.project))
        return FixedAttention(self.linear(layer.qkv), group, spikes, layer.num_heads)

    def refused(self, part: nn.Module, reason: str) -> UsageError:
        """The error for a part without an integer form."""
        return UsageError(f"{self.where(part)}: {type(part).__name__} has no integer form: {reason}")
