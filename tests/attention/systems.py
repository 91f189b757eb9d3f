"""Attention systems that are no (kernel, normaliser) pair, calibrated so that their neurons fire."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from spikingjelly.activation_based import functional
from torch import Tensor, nn

from snnpd.attention.base import Attention
from snnpd.attention.circulant import AveragedKeyCAT, CircularAttention, SpikingCircular, cat_alter
from snnpd.attention.datapoints import between_datapoints
from snnpd.attention.hyla import HypernetworkAttention
from snnpd.attention.primal import PrimalAttention, SpikingPrimal
from snnpd.attention.robust import RobustAttention

DIM, HEADS, TOKENS, WIDTH = 16, 4, 8, 4


@dataclass(frozen=True)
class System:
    """A layer, and what it does to the order of tokens: "permutes" along, "shifts" twice as far, or "knows" it."""

    make: Callable[[], Attention]
    order: str
    is_spiking: bool = False


SYSTEMS = {
    "cat": System(lambda: CircularAttention(DIM, HEADS), "shifts"),
    "cat-dense": System(lambda: CircularAttention(DIM, HEADS, form="dense"), "shifts"),
    "cat-causal": System(lambda: CircularAttention(DIM, HEADS, causal=True, form="dense"), "knows"),
    "cat_alter-0": System(lambda: cat_alter(DIM, HEADS), "permutes"),
    "cat_alter-1": System(lambda: cat_alter(DIM, HEADS, layer_index=1), "shifts"),
    "cat_averaged_key": System(lambda: AveragedKeyCAT(DIM, HEADS), "shifts"),
    "primal": System(
        lambda: PrimalAttention(DIM, HEADS, rank=1), "knows"
    ),  # ten rows: more than there are tokens
    "primal-code": System(lambda: PrimalAttention(DIM, HEADS, rank=3, variant="code"), "knows"),
    "rpc": System(lambda: RobustAttention(DIM, HEADS), "permutes"),
    "rpc-code": System(lambda: RobustAttention(DIM, HEADS, reference_code=True, sparsity=0.1), "permutes"),
    "hyla": System(lambda: HypernetworkAttention(DIM, HEADS), "permutes"),
    "hyla-identity": System(lambda: HypernetworkAttention(DIM, HEADS, value_network="identity"), "permutes"),
    "spiking_cat": System(lambda: SpikingCircular(DIM, HEADS), "shifts", True),
    "spiking_cat-dyadic": System(
        lambda: SpikingCircular(DIM, HEADS, rounding="dyadic", score_shift=1), "knows", True
    ),
    "spiking_cat-causal": System(
        lambda: SpikingCircular(DIM, HEADS, causal=True, form="dense"), "knows", True
    ),
    "spiking_primal": System(lambda: SpikingPrimal(DIM, HEADS), "knows", True),
}
MIXES_ROWS = {
    "per_token": System(lambda: between_datapoints(DIM, HEADS), "permutes"),
    "flattened": System(
        lambda: between_datapoints(DIM, HEADS, rows="flattened", num_tokens=TOKENS, inner="linear"), "knows"
    ),
    "spiking": System(
        lambda: between_datapoints(
            DIM, HEADS, inner="bsa", between="bsa", neuron="lif", neuron_options={"threshold": 0.5}
        ),
        "permutes",
        True,
    ),
}
_calibrated: dict[str, Attention] = {}


def system(name: str) -> System:
    return SYSTEMS.get(name) or MIXES_ROWS[name]


def tokens(name: str, steps: int = 3, batch: int = 4, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(steps, batch, TOKENS, DIM, generator=generator, dtype=torch.float64)
    return (x > 0.4).double() if system(name).is_spiking else x


def make(name: str, dtype: torch.dtype = torch.float64) -> Attention:
    """A fresh copy in evaluation mode, its batch-norms filled with statistics under which neurons fire."""
    if name not in _calibrated:
        torch.manual_seed(0)
        layer = system(name).make().double()
        for norm in (m for m in layer.modules() if isinstance(m, nn.BatchNorm1d)):
            norm.momentum = None
        with torch.no_grad():
            for seed in range(3):
                run(layer, tokens(name, seed=seed))
        functional.reset_net(layer)
        _calibrated[name] = layer.eval()
    return copy.deepcopy(_calibrated[name]).to(dtype)


def run(layer: nn.Module, x: Tensor, mask: Tensor | None = None) -> Tensor:
    functional.reset_net(layer)
    return layer(x, mask)


def outputs_of(layer: nn.Module, parts: dict[str, nn.Module], x: Tensor) -> dict[str, Tensor]:
    seen: dict[str, Tensor] = {}
    for name, part in parts.items():
        part.register_forward_hook(lambda _m, _a, out, name=name: seen.__setitem__(name, out.detach()))
    run(layer, x)
    return seen
