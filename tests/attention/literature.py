"""Spiking attentions of the literature in evaluation mode, written out from their equations without the library."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from snnpd.attention.a2os2a import AdditionOnlyAttention
from snnpd.attention.dual_spike import DualSpikeAttention
from snnpd.attention.qk_gates import ChannelQK, TokenQK
from snnpd.attention.rep_projection import RepProjection
from snnpd.attention.spike_driven import SpikeDriven1, SpikeDriven3
from tests.attention.subjects import DIM, NUM_HEADS, TOKENS

WIDTH = DIM // NUM_HEADS


def lif(current: Tensor, threshold: float = 1.0, is_ternary: bool = False) -> Tensor:
    """Decay ½, inclusive threshold, hard reset to 0."""
    state, spikes = torch.zeros_like(current[0]), []
    for x in current:
        u = 0.5 * state + x
        spikes.append((u >= threshold).to(x) - is_ternary * (u <= -threshold).to(x))
        state = torch.where(spikes[-1] != 0, torch.zeros_like(u), u)
    return torch.stack(spikes)


def normed(norm: nn.BatchNorm1d, y: Tensor) -> Tensor:
    return (y - norm.running_mean) / torch.sqrt(norm.running_var + norm.eps) * norm.weight + norm.bias


def project(projection: nn.Module, x: Tensor) -> Tensor:
    """A linear map and its batch-norm; a re-parameterised convolution neighbour by neighbour."""
    if not isinstance(projection, RepProjection):
        return normed(projection.norm, x @ projection.linear.weight.T)
    taps = projection.depthwise.weight.squeeze(1)
    y, border = (project(projection.inner, tokens) for tokens in (x, torch.zeros_like(x[:, :, :1])))
    if projection.neighbourhood.grid is None:
        left = 2 if projection.neighbourhood.causal else 1
        line = torch.cat([*[border] * left, y, *[border] * (2 - left)], 2)
        mixed = sum(line[:, :, i : i + x.shape[2]] * taps[:, i] for i in range(3))
    else:
        rows, columns = projection.neighbourhood.grid
        image = border.unsqueeze(2).repeat(1, 1, rows + 2, columns + 2, 1)
        image[:, :, 1:-1, 1:-1] = y.unflatten(2, (rows, columns))
        parts = [
            image[:, :, i : i + rows, j : j + columns] * taps[:, i, j] for i in range(3) for j in range(3)
        ]
        mixed = sum(parts).flatten(2, 3)
    return project(projection.outer, mixed)


def heads_of(tokens: Tensor) -> Tensor:
    return tokens.unflatten(-1, (NUM_HEADS, WIDTH)).transpose(2, 3)


def tokens_of(heads: Tensor) -> Tensor:
    return heads.transpose(2, 3).flatten(-2)


def before(tokens: Tensor, causal: bool) -> Tensor:
    """Sums over all tokens, or over those up to each."""
    parts = [tokens[:, :, : n + 1].sum(2) for n in range(tokens.shape[2])]
    return torch.stack(parts if causal else [parts[-1]], 2)


def sdsa1(layer: SpikeDriven1, x: Tensor) -> Tensor:
    q = lif(project(layer.q, x))
    k, v = (lif(part) for part in project(layer.kv, x).split(DIM, -1))
    return project(layer.out, q * lif(before(k * v, layer.causal), 0.5))


def sdsa3(layer: SpikeDriven3, x: Tensor) -> Tensor:
    threshold = layer.groups[0].query.spec.threshold
    q, k, v = (heads_of(lif(project(part, x), threshold)) for part in layer.qkv.parts)
    scale = 1 / layer.groups[0].expansion.normaliser.value
    weights = torch.einsum("tbhnd,tbhmd->tbhnm", q, k) * scale
    if layer.groups[0].expansion.reach.is_causal:
        weights = weights.tril()
    return project(layer.out.project, tokens_of(lif(weights @ v, 0.5)))


def token_qk(layer: TokenQK, x: Tensor) -> Tensor:
    q, k = (heads_of(lif(part)) for part in project(layer.qk, x).split(DIM, -1))
    return project(layer.out, tokens_of(lif(torch.einsum("tbhnd->tbhn", q), 0.5)[..., None] * k))


def channel_qk(layer: ChannelQK, x: Tensor) -> Tensor:
    q, k = (heads_of(lif(part)) for part in project(layer.qk, x).split(DIM, -1))
    return project(layer.out, tokens_of(lif(torch.einsum("tbhnd->tbhd", q), 0.5)[..., None, :] * k))


def a2os2a(layer: AdditionOnlyAttention, x: Tensor) -> Tensor:
    q, k, v = (heads_of(part) for part in project(layer.qkv, x).split(DIM, -1))
    q, k, v = lif(q), torch.where(k > 0, k, 0.0), lif(v, is_ternary=True)
    weights = torch.einsum("tbhnd,tbhmd->tbhnm", q, k)
    if layer.groups[0].expansion.reach.is_causal:
        weights = weights.tril()
    return project(layer.out.project, tokens_of(lif(weights @ v, 0.5)))


def dssa(layer: DualSpikeAttention, x: Tensor) -> Tensor:
    p, taps = layer.patch, layer.kv.linear.weight
    lines = x.flatten(0, 1).transpose(1, 2)
    if layer.grid is None:
        filled = F.pad(lines, (0, -TOKENS % p))
        y = F.conv1d(filled, taps.unflatten(-1, (p, DIM)).transpose(1, 2), stride=p)
    else:
        rows, columns = layer.grid
        filled = F.pad(lines.unflatten(-1, layer.grid), (0, -columns % p, 0, -rows % p))
        y = F.conv2d(filled, taps.unflatten(-1, (p, p, DIM)).permute(0, 3, 1, 2), stride=p).flatten(2)
    y = normed(layer.kv.norm, y.transpose(1, 2)).unflatten(0, x.shape[:2])
    k, v = (heads_of(part) for part in y.split(DIM, -1))
    c_1 = 1 / (layer.query_rate.rate * WIDTH).sqrt()[:, None, None]
    c_2 = 1 / (layer.map_rate.rate * k.shape[-2]).sqrt()[:, None, None]
    attention = lif(c_1 * torch.einsum("tbhnd,tbhmd->tbhnm", heads_of(x), k))
    return project(layer.out.project, tokens_of(lif(c_2 * attention @ v)))


TRUTHS = {truth.__name__: truth for truth in (sdsa1, sdsa3, token_qk, channel_qk, dssa, a2os2a)}
