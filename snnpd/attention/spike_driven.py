"""Spike-driven self-attention: no attention map, one state that all queries share."""

from collections.abc import Mapping, Sequence
from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor

from snnpd.attention.base import Attention
from snnpd.attention.rep_projection import JoinedProjections, RepProjection
from snnpd.attention.spiking import NeuronChoice, SpikingSelfAttention, neuron_maker
from snnpd.attention.views import HeadView, Observed
from snnpd.errors import UsageError
from snnpd.projections import LinearNorm
from snnpd.shapes import merge_heads, split_heads


class SpikeDriven1(Attention, Observed):
    """SDSA-1: each channel of the queries is let through where its keys and values spiked together.

    Equation: w = SN(Σ_j k_j ⊙ v_j) of threshold ½, f(q) = q ⊙ w, then the output projection; O(N C). Channels do not
    mix, so the number of heads changes nothing. `causal` sums over the tokens up to the query, with a neuron each.
    See docs/math/spiking.md#p3-spike-driven-self-attention-sdsa-1.

    Source: Spike-driven Transformer, Yao et al. 2023 (arXiv 2307.01694), as in its code. That halves the currents of
    all neurons (here neuron_options={"decay_input": True}), max-pools the spikes of event data and has the first
    neuron and the residual sum inside the layer; here these are the block's.

    Options: `neuron` makes the neurons, by name with `neuron_options` or by a callable; `weight_threshold` is that of
    the neuron on the sum. Up to one it makes of binary spikes a logical or, which keeps no charge and so has no use
    for a learned decay. A product of spikes is a spike, so no neuron stands before the output projection.

    Raises:
        UsageError: causal attention to a context, which has no common order with the tokens.
    """

    no_expansion = (
        "a neuron stands between the primal weight W = sum_j v_j k_j and the query; without it each channel would be "
        "a one-dimensional expansion with the linear kernel"
    )

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        neuron: NeuronChoice = "lif",
        neuron_options: Mapping[str, Any] | None = None,
        weight_threshold: float = 0.5,
        causal: bool = False,
    ) -> None:
        super().__init__(dim, num_heads)
        self.causal = causal
        self.q, self.kv, self.out = LinearNorm(dim, dim), LinearNorm(dim, 2 * dim), LinearNorm(dim, dim)
        code = neuron_maker(neuron, neuron_options)
        self.query, self.key, self.value = code(), code(), code()
        self.weight_neuron = neuron_maker(neuron, neuron_options, threshold=weight_threshold)()

    def attend(
        self, x: Tensor, mask: Tensor | None, context: Tensor | None, context_mask: Tensor | None
    ) -> Tensor:
        """The queries, channel by channel, where the weight spikes."""
        if self.causal and context is not None:
            raise UsageError(
                "causal spike-driven attention compares places in one sequence; leave out the context, or causal"
            )
        source, source_mask = (x, mask) if context is None else (context, context_mask)
        currents = (self.q(x, mask), *self.kv(source, source_mask).chunk(2, -1))
        q, k, v = (split_heads(current, self.num_heads) for current in currents)
        weight = self.primal_weight(self.key(k), self.value(v), source_mask)
        heads = self.query(q) * self.weight_neuron(weight)
        if self.watchers:
            self.show(HeadView(heads))
        return self.out(merge_heads(heads), mask)

    def primal_weight(
        self, k: Float[Tensor, "T B H M D"], v: Float[Tensor, "T B H M D"], mask: Bool[Tensor, "B M"] | None
    ) -> Float[Tensor, "T B H #M D"]:
        """W = Σ_j v_j k_j of each channel, over the real tokens; if causal, of those up to each token.

        Equation: the primal weight W = Σ_j v_j Φ(k_j)ᵀ of points of width one and Φ = identity; see
        docs/math/spiking.md#p3-spike-driven-self-attention-sdsa-1.
        """
        products = k * v if mask is None else (k * v).masked_fill(~mask[:, None, :, None], 0)
        return products.cumsum(-2) if self.causal else products.sum(-2, keepdim=True)


class SpikeDriven3(SpikingSelfAttention):
    """SDSA-3: spiking self-attention whose projections, the last one too, are re-parameterised convolutions.

    Equation: f(q) = ⅛ Σ_j (q·k_j) v_j, evaluated as q (kᵀ v) where that is cheaper; then a neuron of threshold ½ and
    the output projection.

    Source: Meta-SpikeFormer, Yao et al. 2024 (arXiv 2404.03663), as in its code. That halves the currents of all
    neurons (here neuron_options={"decay_input": True}) and has the first neuron and the residual sum inside the
    layer; here these are the block's. See `RepProjection` for the convolutions, and
    docs/math/spiking.md#p4-sdsa-3.

    Options of `SpikingSelfAttention`; `grid`, rows and columns of image tokens (None: a sequence). With `causal` the
    convolutions see no later tokens either. Neighbours matter, so permuted tokens do not give permuted outputs.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        grid: Sequence[int] | None = None,
        causal: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(dim, num_heads, causal=causal, **options)
        parts = [RepProjection(dim, dim, grid=grid, causal=causal) for _ in range(3)]
        self.qkv = JoinedProjections(parts, dim)
        self.out.project = RepProjection(dim, dim, grid=grid, causal=causal)
