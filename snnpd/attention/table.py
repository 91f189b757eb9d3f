"""The attention layers by the names that configurations use."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import nn

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


def attention_maker(
    attention: str | Callable[..., nn.Module],
    allowed: Mapping[str, str],
    grid: tuple[int, int] | None = None,
    **options: Any,
) -> Callable[[int, int], nn.Module]:
    """What makes attention layers of (width, heads): a name among `allowed`, or the user's own class.

    `grid`, rows and columns of image tokens, goes to the layers that take it (those that pool their heads).

    Raises:
        UsageError: the name is not among `allowed`; the nearest ones are given.
    """
    target = resolve("attention", attention, allowed) if isinstance(attention, str) else attention
    if "grid" in accepted_options(target):
        options.setdefault("grid", grid)
    if isinstance(attention, str):
        return partial(create_attention, attention, **options)
    return partial(attention, **options)


def list_attentions() -> list[str]:
    """The names that `create_attention` takes."""
    return sorted(ATTENTIONS)
