"""The attention × neuron pairs under contract, and layers whose neurons really fire."""

import copy
from dataclasses import dataclass, field
from typing import Any

import torch
from spikingjelly.activation_based import functional
from torch import Tensor, nn

from snnpd.attention import Attention, create_attention
from snnpd.attention.table import SPIKING

NUM_HEADS, DIM, TOKENS = 4, 16, 8  # four heads pool by 1, 1, 2, 2; windows of two tokens divide eight
NEURONS = ["if", "lif", "plif", "ternary_if", "ternary_lif", "integer_lif"]
POINT_NEURONS = ["ternary_if", "ternary_lif"]
ANN = ["softmax", "attention_bn", "attention_sh", "attention_bn_sh"]
# a window, a stride, a circulant, evenly spaced rows: all told by position
POSITIONAL = [
    "local",
    "sparse",
    "cat",
    "cat_averaged_key",
    "spiking_cat",
    "primal",
    "spiking_primal",
    "sdsa3",
]
BIPOLAR = ["bsa", "bipolar_bn", "bipolar_sh", "bipolar_bn_sh"]

# With eight tokens of four channels the scale of the paper lets nothing fire.
LIVELY: dict[str, dict[str, Any]] = {
    "sdsa1": {},
    "sdsa3": {"scale": 0.375},
    "token_qk": {},
    "channel_qk": {},
    "dssa": {},
    "a2os2a": {},
}
# A neuron of threshold 1/2 on counts of spikes keeps no charge, so a learned decay would have no gradient.
CHARGED: dict[str, dict[str, Any]] = LIVELY | {
    "sdsa1": {"weight_threshold": 1.5, "neuron_options": {"threshold": 0.5}},
    "token_qk": {"gate_threshold": 1.5},
    "channel_qk": {"gate_threshold": 2.5},
}

_calibrated: dict[str, Attention] = {}


@dataclass(frozen=True)
class Subject:
    """One attention with its options."""

    attention: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def is_spiking(self) -> bool:
        return self.attention in SPIKING

    @property
    def is_bipolar(self) -> bool:
        """Ternary queries and keys."""
        return self.attention.startswith("bipolar") or self.attention.endswith("bsa")

    @property
    def block(self) -> int:
        """Tokens may be permuted in blocks of this many."""
        return 2 if self.attention.endswith("sh") or self.attention == "dssa" else 1

    @property
    def is_equivariant(self) -> bool:
        """Not where positions count; dyadic Shiftmax breaks ties by position (test_shiftmax: rows without ties)."""
        is_positional = self.attention in POSITIONAL or self.options.get("causal", False)
        is_dyadic = "dyadic" in (self.options.get("rounding"), self.options.get("normaliser"))
        return not is_positional and not is_dyadic

    def __str__(self) -> str:
        return "-".join([self.attention, *map(str, self.options.values())])

    @property
    def mixes_samples(self) -> bool:
        """Samples are datapoints that look at each other, on purpose."""
        return self.attention == "between_datapoints"

    def make(self, dtype: torch.dtype = torch.float64) -> Attention:
        """A fresh copy of the layer in evaluation mode, its neurons made to fire."""
        key = str(self)
        if key not in _calibrated:
            _calibrated[key] = self.calibrate()
        return copy.deepcopy(_calibrated[key]).to(dtype)

    def calibrate(self) -> Attention:
        """The layer in evaluation mode, its batch-norms filled with statistics under which neurons fire."""
        torch.manual_seed(0)
        layer = create_attention(self.attention, DIM, NUM_HEADS, **self.options)
        for norm in (m for m in layer.modules() if isinstance(m, nn.BatchNorm1d)):
            norm.momentum = None  # a plain mean over the batches seen
        layer = layer.double()
        with torch.no_grad():
            for seed in range(3):
                functional.reset_net(layer)
                layer(self.tokens(seed=seed))
        functional.reset_net(layer)
        return layer.eval()

    def tokens(
        self, steps: int = 3, batch: int = 4, seed: int = 0, dtype: torch.dtype = torch.float64
    ) -> Tensor:
        """Binary spikes for a spiking layer, features for an ANN layer; values differ from step to step."""
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(steps, batch, TOKENS, DIM, generator=generator, dtype=torch.float64)
        return ((x > 0.4).double() if self.is_spiking else x).to(dtype)


EXPANSIONS = [
    *(Subject(name) for name in ANN),
    Subject("linear"),
    Subject("local", {"radius": 1}),
    Subject("sparse", {"stride": 3}),
    *(Subject(name) for name in ("uniform", "identity", "frozen_softmax")),
    *(Subject(name) for name in ("spiking_identity", "frozen_bsa")),
    Subject("spiking_uniform", {"out_threshold": 0.25}),
    *(Subject(name, {"causal": True}) for name in ("softmax", "linear", "bsa")),
    Subject("local", {"radius": 1, "causal": True}),
    Subject("sparse", {"stride": 3, "causal": True}),
    Subject("ssa", {"scale": 0.75, "causal": True}),
    Subject("attention_bn", {"statistics": "running", "causal": True}),
    Subject("bipolar_bn", {"statistics": "running", "causal": True}),
    Subject("bsa", {"features": "exact"}),
    *(Subject("ssa", {"neuron": neuron, "scale": 0.375}) for neuron in NEURONS),
    *(
        Subject(name, {"neuron": neuron, "point_neuron": point})
        for name in BIPOLAR
        for neuron in NEURONS
        for point in POINT_NEURONS
    ),
    *(Subject("bsa", {"rounding": r}) for r in ("round", "sum", "dyadic")),
    Subject("bsa", {"rounding": "ceil", "score_shift": 1}),
    *(
        Subject("bsa_ablation", {"points": points, "normaliser": rows})
        for points in ("binary", "ternary")
        for rows in ("softmax", "shiftmax", "dyadic")
    ),
    # products of a few real values, an eighth of them: the output neuron needs a lower threshold here
    *(
        Subject("bsa_ablation", {"points": points, "normaliser": "none", "out_threshold": 0.125})
        for points in ("binary", "ternary")
    ),
]
SYSTEMS = [
    *(Subject(name) for name in ("cat", "cat_averaged_key", "cat_alter", "rpc", "hyla")),
    Subject("cat_alter", {"layer_index": 0}),
    Subject("primal", {"rank": 1}),
    Subject("spiking_cat"),
    Subject("spiking_cat", {"rounding": "dyadic"}),
    Subject("spiking_primal"),
    Subject("between_datapoints"),
]
LITERATURE = [
    *(
        Subject(name, {**LIVELY[name], "neuron": neuron})
        for name in LIVELY
        for neuron in ("lif", "ternary_lif", "integer_lif")
    ),
    *(Subject(name, {**CHARGED[name], "neuron": "plif"}) for name in LIVELY),
]
SUBJECTS = [*EXPANSIONS, *SYSTEMS, *LITERATURE]
