"""Attention weights written out from the equations, without the library."""

import math

import torch
from torch import Tensor

from tests.attention.subjects import Subject


def dense_heads(subject: Subject, q: Tensor, k: Tensor) -> Tensor:
    """κ/h of coded queries and keys: softmax, scaled linear, or 2^(score - γ)."""
    scores = torch.einsum("tbhnd,tbhmd->tbhnm", q, k)
    if not subject.is_spiking:
        values = torch.exp(scores / math.sqrt(q.shape[-1]))
        return values / values.sum(-1, keepdim=True)
    if subject.attention == "ssa":
        return subject.options.get("scale", 0.125) * scores
    scores = torch.floor(scores / 2 ** subject.options.get("score_shift", 0))
    rounding = subject.options.get("rounding", "ceil")
    log_sum = torch.log2((2.0**scores).sum(-1, keepdim=True))
    near = log_sum.round()
    exact = torch.where((log_sum - near).abs() < 1e-9, near, log_sum)
    gamma = {"ceil": exact.ceil(), "dyadic": exact.ceil(), "round": near, "sum": log_sum}[rounding]
    weights = 2.0 ** (scores - gamma)
    if rounding == "dyadic":
        first_best = torch.zeros_like(scores).scatter(-1, scores.argmax(-1, keepdim=True), 1.0)
        weights = weights + first_best * (1 - weights.sum(-1, keepdim=True))
    return weights
