"""Attention weights written out from the equations, without the library."""

import math

import torch
from torch import Tensor

from tests.attention.subjects import Subject


def dense_heads(subject: Subject, q: Tensor, k: Tensor) -> Tensor:
    """κ/h of coded queries and keys: positive values over their sum, scaled linear, or 2^(score - γ)."""
    scores = torch.einsum("tbhnd,tbhmd->tbhnm", q, k)
    seen = reached(subject, q.shape[-2], k.shape[-2])
    rows = subject.options.get("normaliser")
    if not subject.is_bipolar and subject.attention != "ssa" and rows is None:
        values = positive_kernel(subject.attention, q, k, scores) * seen
        return values / values.sum(-1, keepdim=True)
    if subject.attention == "ssa" or rows == "none":
        return subject.options.get("scale", 0.125) * scores * seen
    scores = torch.floor(scores / 2 ** subject.options.get("score_shift", 0)).masked_fill(
        seen == 0, -math.inf
    )
    rounding = {"softmax": "sum", "dyadic": "dyadic"}.get(rows, subject.options.get("rounding", "ceil"))
    log_sum = torch.log2((2.0**scores).sum(-1, keepdim=True))
    near = log_sum.round()
    exact = torch.where((log_sum - near).abs() < 1e-9, near, log_sum)
    gamma = {"ceil": exact.ceil(), "dyadic": exact.ceil(), "round": near, "sum": log_sum}[rounding]
    weights = 2.0 ** (scores - gamma)
    if rounding == "dyadic":
        first_best = torch.zeros_like(scores).scatter(-1, scores.argmax(-1, keepdim=True), 1.0)
        weights = weights + first_best * (1 - weights.sum(-1, keepdim=True))
    return weights


def positive_kernel(attention: str, q: Tensor, k: Tensor, scores: Tensor) -> Tensor:
    """κ of the layers whose rows are divided by their sum."""
    if attention.endswith(("uniform", "identity")):
        return torch.ones_like(scores)
    if attention == "linear":
        phi = [torch.where(x > 0, x + 1, torch.exp(x)) for x in (q, k)]
        return torch.einsum("tbhnd,tbhmd->tbhnm", *phi)
    return torch.exp(scores / math.sqrt(q.shape[-1]))


def reached(subject: Subject, num_queries: int, num_keys: int) -> Tensor:
    """1 where a query may see a key by its position, 0 elsewhere."""
    seen = torch.ones(num_queries, num_keys, dtype=torch.float64)
    for i in range(num_queries):
        for j in range(num_keys):
            distance = abs(i - j)
            near = {
                "local": distance <= subject.options.get("radius", 0),
                "sparse": distance <= subject.options.get("stride", 1)
                or distance % subject.options.get("stride", 1) == 0,
                "identity": i == j,
                "spiking_identity": i == j,
            }.get(subject.attention, True)
            if not near or (subject.options.get("causal") and j > i):
                seen[i, j] = 0
    return seen
