"""Spikingformer-style networks: potentials on the residual path, spikes into every projection."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from torch import nn

from snnpd.attention.spiking import neuron_maker
from snnpd.attention.table import SPIKING, attention_maker
from snnpd.blocks import FeedForward, PreActivationBlock
from snnpd.models.backbone import CIFAR, SMALL, TINY, Backbone, build_stem, stage_widths
from snnpd.projections import LinearNorm


def spikingformer(
    *,
    dim: int,
    depth: int,
    num_heads: int,
    pools: Sequence[bool],
    input_shape: Sequence[int] = (3, 32, 32),
    num_classes: int = 10,
    attention: str | Callable[..., nn.Module] = "bsa",
    attention_options: dict[str, Any] | None = None,
    neuron: str | Callable[[], nn.Module] = "lif",
    neuron_options: dict[str, Any] | None = None,
    position: str = "conv",
    position_options: dict[str, Any] | None = None,
    mlp_ratio: float = 4.0,
    dropout: float = 0.0,
) -> Backbone:
    """A spiking transformer with pre-activation residuals.

    Args:
        dim: width C; `depth` blocks of `num_heads` heads.
        pools: one entry a stem convolution, True where a max-pool halves the image (not used for series).
        input_shape: `(channels, height, width)` of an image or an event frame, `(tokens, channels)` of a series.
        attention: a spiking attention by name, or a class that is called as
            `(dim, num_heads, neuron=neuron, neuron_options=neuron_options)`; both with `attention_options`.
        neuron: the neuron of all layers but bipolar queries and keys (their `point_neuron` is an attention option),
            by name with `neuron_options`, or a callable that makes one (SpikingJelly's, in multi-step mode).
        position: what tells the tokens their positions: "conv", a convolution over neighbours; for series also
            "bochner" or "mercer", an encoding of the time stamps that the network is called with (`times`), both
            with `position_options` (periods in the unit of the stamps).

    Source: Spikingformer, Zhou et al. 2023 (arXiv 2304.11954).

    Raises:
        UsageError: unknown attention, neuron, position or option; sides or widths that do not divide.
    """
    make = neuron_maker(neuron, neuron_options)
    stem = build_stem(input_shape, stage_widths(dim, pools), dim, make, position, position_options)
    options = {"neuron": neuron, "neuron_options": neuron_options} | (attention_options or {})
    attend = attention_maker(attention, SPIKING, stem.grid, **options)
    hidden = int(dim * mlp_ratio)
    blocks = [
        PreActivationBlock(
            make(),
            attend(dim, num_heads, index),
            FeedForward(make(), LinearNorm(dim, hidden), make(), LinearNorm(hidden, dim)),
            dropout,
        )
        for index in range(depth)
    ]
    return Backbone(stem, blocks, make(), dim, num_classes)


spikingformer_tiny = partial(spikingformer, **TINY)
spikingformer_small = partial(spikingformer, **SMALL)
spikingformer_cifar = partial(spikingformer, **CIFAR)
