"""Addition-only spiking self-attention (A²OS²A): binary queries, rectified keys, ternary values."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from snnpd.attention.layer import every_head
from snnpd.attention.spiking import NeuronChoice, SpikingAttention, neuron_maker
from snnpd.expansion import Causal, Constant, Linear


class AdditionOnlyAttention(SpikingAttention):
    """A²OS²A: the linear kernel between spikes and analog keys, no scale, no softmax.

    Equation: f(q) = Σ_j (q·k_j) v_j with q in {0, 1}, k = ReLU(·), v in {-1, 0, 1}; then an output neuron and
    projection. q picks the entries of k that are added, v adds, subtracts or leaves out what they sum to.

    Source: Guo et al. 2025 (arXiv 2503.00226); there is no published code, and the text at hand does not give the
    threshold of the output neuron: `out_threshold` ½ is that of Spikformer, whose place the layer takes.
    See docs/math/spiking.md#p8-addition-only-attention.

    Options: `neuron` makes queries and output spikes, `value_neuron` the values, each by name with its `..._options` or
    by a callable; `causal` and `form` as in `SpikingSelfAttention`.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        neuron: NeuronChoice = "lif",
        neuron_options: Mapping[str, Any] | None = None,
        value_neuron: NeuronChoice = "ternary_lif",
        value_neuron_options: Mapping[str, Any] | None = None,
        out_threshold: float = 0.5,
        causal: bool = False,
        form: str = "auto",
    ) -> None:
        query = neuron_maker(neuron, neuron_options)
        super().__init__(
            dim,
            num_heads,
            kernel=Linear(),
            normaliser=Constant(1.0),
            transforms=every_head(dim, num_heads),
            codes=(query, nn.ReLU, neuron_maker(value_neuron, value_neuron_options)),
            neuron=neuron,
            neuron_options=neuron_options,
            out_threshold=out_threshold,
            reach=Causal() if causal else None,
            form=form,
        )
