"""Bipolar attention with its parts exchanged one at a time: letters of queries and keys, kernel and normaliser."""

from collections.abc import Mapping
from typing import Any, Literal, get_args

from torch import nn

from snnpd.attention.layer import every_head
from snnpd.attention.spiking import NeuronChoice, SpikingAttention, neuron_maker
from snnpd.errors import unknown
from snnpd.expansion import Constant, Exponential, Kernel, Linear, Normaliser, Shiftmax

PointLetters = Literal["binary", "ternary"]
NormaliserName = Literal["none", "softmax", "shiftmax", "dyadic"]

_NEURONS: dict[str, str] = {"binary": "lif", "ternary": "ternary_lif"}
# What SSA's code divides by; as there, it does not depend on the head's width.
_NO_NORMALISER = Constant(8.0)
_BASE_2 = Exponential(base=2, scale=1.0)
_FORMS: dict[str, tuple[Kernel, Normaliser]] = {
    "none": (Linear(), _NO_NORMALISER),
    "softmax": (_BASE_2, Shiftmax("sum")),
    "shiftmax": (_BASE_2, Shiftmax()),
    "dyadic": (_BASE_2, Shiftmax("dyadic")),
}


class BipolarAblation(SpikingAttention):
    """Queries and keys of `points` letters, real values, and one of four normalisers.

    `points="ternary", normaliser="shiftmax"` is bipolar self-attention. All but "none", which has the linear kernel
    and SSA's constant, share the kernel 2^(q·k) and differ in h alone: "softmax" divides by the exact row sum (softmax
    of q·k at temperature 1/ln 2), "shiftmax" by the next power of two, "dyadic" completes the rows of the latter.

    Source: the ablation of BSA; values are real in all eight, so that one thing changes at a time (SSA's are spikes).
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        points: str = "ternary",
        normaliser: str = "shiftmax",
        neuron: NeuronChoice = "lif",
        neuron_options: Mapping[str, Any] | None = None,
        out_threshold: float = 0.5,
    ) -> None:
        if points not in _NEURONS:
            raise unknown("points", points, get_args(PointLetters))
        if normaliser not in _FORMS:
            raise unknown("normaliser", normaliser, get_args(NormaliserName))
        kernel, rows = _FORMS[normaliser]
        code = neuron_maker(_NEURONS[points], None)
        super().__init__(
            dim,
            num_heads,
            kernel=kernel,
            normaliser=rows,
            transforms=every_head(dim, num_heads),
            codes=(code, code, nn.Identity),
            neuron=neuron,
            neuron_options=neuron_options,
            out_threshold=out_threshold,
        )
