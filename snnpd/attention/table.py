"""The attention layers by the names that configurations use."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from snnpd.attention.base import Attention
from snnpd.errors import UsageError
from snnpd.registry import accepted_options, create, resolve

ANALOG: dict[str, str] = {
    "softmax": "snnpd.attention.analog:SoftmaxAttention",
    "linear": "snnpd.attention.analog:LinearAttention",
    "local": "snnpd.attention.analog:LocalAttention",
    "sparse": "snnpd.attention.analog:SparseAttention",
    "attention_bn": "snnpd.attention.analog:AttentionBN",
    "attention_sh": "snnpd.attention.analog:AttentionSH",
    "attention_bn_sh": "snnpd.attention.analog:AttentionBNSH",
    "primal": "snnpd.attention.primal:PrimalAttention",
    "cat": "snnpd.attention.circulant:CircularAttention",
    "cat_alter": "snnpd.attention.circulant:cat_alter",
    "cat_averaged_key": "snnpd.attention.circulant:AveragedKeyCAT",
    "rpc": "snnpd.attention.robust:RobustAttention",
    "hyla": "snnpd.attention.hyla:HypernetworkAttention",
    "between_datapoints": "snnpd.attention.datapoints:between_datapoints",
    "uniform": "snnpd.attention.controls:UniformAttention",
    "identity": "snnpd.attention.controls:IdentityAttention",
    "frozen_softmax": "snnpd.attention.controls:FrozenSoftmax",
}
SPIKING: dict[str, str] = {
    "ssa": "snnpd.attention.spiking:SpikingSelfAttention",
    "sdsa1": "snnpd.attention.spike_driven:SpikeDriven1",
    "sdsa3": "snnpd.attention.spike_driven:SpikeDriven3",
    "token_qk": "snnpd.attention.qk_gates:TokenQK",
    "channel_qk": "snnpd.attention.qk_gates:ChannelQK",
    "dssa": "snnpd.attention.dual_spike:DualSpikeAttention",
    "a2os2a": "snnpd.attention.a2os2a:AdditionOnlyAttention",
    "bsa": "snnpd.attention.spiking:BipolarSelfAttention",
    "bsa_ablation": "snnpd.attention.ablation:BipolarAblation",
    "bipolar_bn": "snnpd.attention.spiking:BipolarBN",
    "bipolar_sh": "snnpd.attention.spiking:BipolarSH",
    "bipolar_bn_sh": "snnpd.attention.spiking:BipolarBNSH",
    "spiking_cat": "snnpd.attention.circulant:SpikingCircular",
    "spiking_primal": "snnpd.attention.primal:SpikingPrimal",
    "spiking_uniform": "snnpd.attention.controls:SpikingUniform",
    "spiking_identity": "snnpd.attention.controls:SpikingIdentity",
    "frozen_bsa": "snnpd.attention.controls:FrozenBipolar",
}
ATTENTIONS: dict[str, str] = ANALOG | SPIKING


def create_attention(name: str, dim: int, num_heads: int, **options: Any) -> Attention:
    """An attention layer by name.

    Raises:
        UsageError: unknown name or option, with the nearest ones; heads that do not divide the width.
    """
    layer: Attention = create("attention", name, ATTENTIONS, dim, num_heads, **options)
    return layer


def attention_maker(
    attention: str | Callable[..., nn.Module],
    allowed: Mapping[str, str],
    grid: tuple[int, int] | None = None,
    **options: Any,
) -> Callable[..., nn.Module]:
    """What makes attention layers of (width, heads, layer index): a name among `allowed`, or the user's own class.

    `grid`, rows and columns of image tokens, and `layer_index`, the place in the network, go to the layers that
    take them (pooled heads and windows; layers that alternate over depth).

    Raises:
        UsageError: the name is not among `allowed`; the nearest ones are given.
    """
    if isinstance(attention, str) and attention in ATTENTIONS and attention not in allowed:
        kind, network = (
            ("ANN twins", "vit_tiny_twin")
            if attention in ANALOG
            else ("spiking networks", "spikingformer_tiny")
        )
        raise UsageError(
            f"attention {attention!r} is one of {kind}; take such a network, {network} for example"
        )
    target = resolve("attention", attention, allowed) if isinstance(attention, str) else attention
    accepted = accepted_options(target)
    if "grid" in accepted:
        options.setdefault("grid", grid)

    def make(dim: int, num_heads: int, layer_index: int = 0) -> nn.Module:
        place = {"layer_index": layer_index} if "layer_index" in accepted else {}
        if isinstance(attention, str):
            return create_attention(attention, dim, num_heads, **options, **place)
        return attention(dim, num_heads, **options, **place)

    return make


def list_attentions() -> list[str]:
    """The names that `create_attention` takes."""
    return sorted(ATTENTIONS)
