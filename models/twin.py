"""The ANN twins: same stem, widths, depths and parameter count (±1 %) as the spiking networks."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from torch import nn

from snnpd.attention.table import ANALOG, attention_maker
from snnpd.blocks import FeedForward, PreActivationBlock
from snnpd.errors import unknown
from snnpd.models.backbone import CIFAR, SMALL, TINY, Backbone, build_stem, stage_widths
from snnpd.projections import PlainLinear

ACTIVATIONS: dict[str, type[nn.Module]] = {"gelu": nn.GELU, "relu": nn.ReLU}


def vit_twin(
    *,
    dim: int,
    depth: int,
    num_heads: int,
    pools: Sequence[bool],
    input_shape: Sequence[int] = (3, 32, 32),
    num_classes: int = 10,
    attention: str | Callable[..., nn.Module] = "softmax",
    attention_options: dict[str, Any] | None = None,
    activation: str = "gelu",
    position: str = "conv",
    position_options: dict[str, Any] | None = None,
    mlp_ratio: float = 4.0,
    dropout: float = 0.0,
) -> Backbone:
    """The ANN of a spiking network's shape: layer-norm where a neuron leads a block, `activation` elsewhere.

    The stem keeps its batch-norms; the projections of the blocks have biases instead of batch-norms. Time steps
    are independent; one (T = 1) is enough for static data. Arguments as in `spikingformer`.

    Raises:
        UsageError: unknown attention, activation, position or option; sides or widths that do not divide.
    """
    if activation not in ACTIVATIONS:
        raise unknown("activation", activation, ACTIVATIONS)
    make = ACTIVATIONS[activation]
    stem = build_stem(input_shape, stage_widths(dim, pools), dim, make, position, position_options)
    attend = attention_maker(attention, ANALOG, stem.grid, **(attention_options or {}))
    hidden = int(dim * mlp_ratio)
    blocks = [
        PreActivationBlock(
            nn.LayerNorm(dim),
            attend(dim, num_heads, index),
            FeedForward(nn.LayerNorm(dim), PlainLinear(dim, hidden), make(), PlainLinear(hidden, dim)),
            dropout,
        )
        for index in range(depth)
    ]
    return Backbone(stem, blocks, nn.LayerNorm(dim), dim, num_classes)


vit_tiny_twin = partial(vit_twin, **TINY)
vit_small_twin = partial(vit_twin, **SMALL)
vit_cifar_twin = partial(vit_twin, **CIFAR)
