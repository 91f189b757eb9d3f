"""Query-key attention of QKFormer: sums of query spikes open a gate for the keys; there are no values."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor

from snnpd.attention.base import Attention
from snnpd.attention.spiking import NeuronChoice, neuron_maker
from snnpd.attention.views import HeadView, Observed
from snnpd.projections import LinearNorm
from snnpd.shapes import merge_heads, split_heads


class GatedKeys(Attention, Observed):
    """Keys behind a gate of query spikes; the layers below say what the gate sums.

    Equation: A = SN(sum of q) of threshold ½, out = A ⊙ k in each head, then the output projection; O(N C).
    See docs/math/spiking.md#p6-query-key-gates.

    Source: QKFormer, Zhou et al. 2024 (arXiv 2403.16552), as in its code. That halves the currents of all neurons
    (here neuron_options={"decay_input": True}) and ends in a neuron, before a residual sum of spikes; here the residual
    sum runs over potentials and the next block begins with that neuron.

    Options: `neuron` makes the neurons, by name with `neuron_options` or by a callable; `gate_threshold` is that of
    the gate. Up to one it makes of binary spikes a logical or, which keeps no charge and so has no use for a learned
    decay. A product of spikes is a spike, so no neuron stands before the output projection.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        neuron: NeuronChoice = "lif",
        neuron_options: Mapping[str, Any] | None = None,
        gate_threshold: float = 0.5,
    ) -> None:
        super().__init__(dim, num_heads)
        self.qk, self.out = LinearNorm(dim, 2 * dim), LinearNorm(dim, dim)
        code = neuron_maker(neuron, neuron_options)
        self.query, self.key = code(), code()
        self.gate = neuron_maker(neuron, neuron_options, threshold=gate_threshold)()

    def attend(
        self, x: Tensor, mask: Tensor | None, context: Tensor | None, context_mask: Tensor | None
    ) -> Tensor:
        """The keys whose gate is open."""
        q, k = (split_heads(part, self.num_heads) for part in self.qk(x, mask).chunk(2, -1))
        heads = self.gate(self.gate_current(self.query(q), mask)) * self.key(k)
        if self.watchers:
            self.show(HeadView(heads))
        return self.out(merge_heads(heads), mask)

    @abstractmethod
    def gate_current(
        self, q: Float[Tensor, "T B H N D"], mask: Bool[Tensor, "B N"] | None
    ) -> Float[Tensor, "T B H #N #D"]:
        """What the gate's neuron sums up."""


class TokenQK(GatedKeys):
    """Token QK attention: a head of a token passes where enough of its own query channels spike.

    Equation: A_n = SN(Σ_d q_nd). Source and options: `GatedKeys`; docs/math/spiking.md#p6-query-key-gates.
    """

    no_context = "each token's gate is its own query; nothing is taken from other tokens"
    no_expansion = "it sums over channels, not over tokens: there are no support points"

    def gate_current(
        self, q: Float[Tensor, "T B H N D"], mask: Bool[Tensor, "B N"] | None
    ) -> Float[Tensor, "T B H N 1"]:
        """Σ_d q_nd."""
        return q.sum(-1, keepdim=True)


class ChannelQK(GatedKeys):
    """Channel QK attention: a channel of the keys passes where enough tokens' queries spike in it.

    Equation: A_d = SN(Σ_n q_nd), over the real tokens. Source and options: `GatedKeys`; the code published has only
    the token form, this one follows the paper. See docs/math/spiking.md#p6-query-key-gates.
    """

    no_context = (
        "its outputs are its own tokens' keys; with keys of another sequence they would be that one's tokens"
    )
    no_expansion = (
        "a neuron stands between the sum over tokens and the token it gates; without it each channel would be a "
        "one-dimensional expansion at k, with q for support points and all values one: nothing is fitted"
    )

    def gate_current(
        self, q: Float[Tensor, "T B H N D"], mask: Bool[Tensor, "B N"] | None
    ) -> Float[Tensor, "T B H 1 D"]:
        """Σ_n q_nd."""
        real = q if mask is None else q.masked_fill(~mask[:, None, :, None], 0)
        return real.sum(-2, keepdim=True)
