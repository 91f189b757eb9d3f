"""Attention layers, `[T, B, N, C]` to `[T, B, N, C]`: each a declaration over the expansion."""

from snnpd.attention.analog import AttentionBN, AttentionBNSH, AttentionSH, SoftmaxAttention
from snnpd.attention.base import Attention
from snnpd.attention.explain import explain
from snnpd.attention.layer import ExpansionAttention
from snnpd.attention.observe import HeadView, observe, record_attention
from snnpd.attention.spiking import (
    BipolarBN,
    BipolarBNSH,
    BipolarSelfAttention,
    BipolarSH,
    SpikingSelfAttention,
)
from snnpd.attention.table import create_attention, list_attentions

__all__ = [
    "Attention",
    "AttentionBN",
    "AttentionBNSH",
    "AttentionSH",
    "BipolarBN",
    "BipolarBNSH",
    "BipolarSH",
    "BipolarSelfAttention",
    "ExpansionAttention",
    "HeadView",
    "SoftmaxAttention",
    "SpikingSelfAttention",
    "create_attention",
    "explain",
    "list_attentions",
    "observe",
    "record_attention",
]
