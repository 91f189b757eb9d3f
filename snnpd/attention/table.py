"""The attention layers by the names that configurations use."""

from typing import Any

from snnpd.attention.layer import ExpansionAttention
from snnpd.registry import accepted_options, create, resolve

ANALOG: dict[str, str] = {
    "softmax": "snnpd.attention.analog:SoftmaxAttention",
    "attention_bn": "snnpd.attention.analog:AttentionBN",
    "attention_sh": "snnpd.attention.analog:AttentionSH",
    "attention_bn_sh": "snnpd.attention.analog:AttentionBNSH",
}
SPIKING: dict[str, str] = {
    "ssa": "snnpd.attention.spiking:SpikingSelfAttention",
    "bsa": "snnpd.attention.spiking:BipolarSelfAttention",
    "bipolar_bn": "snnpd.attention.spiking:BipolarBN",
    "bipolar_sh": "snnpd.attention.spiking:BipolarSH",
    "bipolar_bn_sh": "snnpd.attention.spiking:BipolarBNSH",
}
ATTENTIONS: dict[str, str] = ANALOG | SPIKING


def create_attention(name: str, dim: int, num_heads: int, **options: Any) -> ExpansionAttention:
    """An attention layer by name.

    Raises:
        UsageError: unknown name or option, with the nearest ones; heads that do not divide the width.
    """
    layer: ExpansionAttention = create("attention", name, ATTENTIONS, dim, num_heads, **options)
    return layer


def list_attentions() -> list[str]:
    """The names that `create_attention` takes."""
    return sorted(ATTENTIONS)


def pools_its_heads(name: str) -> bool:
    """Whether the layer pools tokens, and so wants to know their image grid."""
    return "grid" in accepted_options(resolve("attention", name, ATTENTIONS))
