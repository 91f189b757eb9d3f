"""The fused bipolar attention against PyTorch's own attention, alternating in one process."""

import math
import statistics
from collections.abc import Callable, Iterator
from typing import Any

import torch
from attention_cost_measure import peak_memory, timed
from record import quantiles
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from snnpd.expansion import Expansion, Exponential, Points, Shiftmax, evaluate

HEAD_DIM, NUM_HEADS, ROUNDS = 64, 8, 7
FORWARD, BOTH = "forward", "forward and backward"
# Tokens, firing rate, mode. At rate 0 all scores are zero and every row's mass is the same power of two; at a few
# thousandths many rows lie on or next to it.
CASES = (
    *((4096, rate, FORWARD) for rate in (0.0, 0.001, 0.01, 0.05, 0.2, 0.5)),
    *((4096, rate, BOTH) for rate in (0.001, 0.2)),
    *((8192, rate, FORWARD) for rate in (0.0, 0.001)),
)
BIPOLAR = Expansion(Exponential(base=2, scale=1.0), Shiftmax())
OURS, THEIRS = "snnpd fused BSA", "torch scaled_dot_product_attention"


def ours(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Σ_j Shiftmax_j(q·k_j) v_j."""
    return evaluate(BIPOLAR, Points(q, k, v), form="fused")


def theirs(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The base-2 softmax attention, that is without the row gain."""
    return scaled_dot_product_attention(q, k, v, scale=math.log(2))


def compare() -> Iterator[dict[str, Any]]:
    """Two rows for each case, theirs and ours, which has the ratio of the medians."""
    for num_tokens, rate, mode in CASES:
        torch.manual_seed(0)
        shape = (1, NUM_HEADS, num_tokens, HEAD_DIM)
        points = ternary(rate, shape), ternary(rate, shape), torch.randn(shape)
        calls = {name: caller(f, mode, points) for name, f in ((THEIRS, theirs), (OURS, ours))}
        memory = {name: peak_memory(call)[1] for name, call in calls.items()}
        seconds: dict[str, list[float]] = {name: [] for name in calls}
        for round_number in range(ROUNDS + 1):
            for name, call in calls.items():
                elapsed = timed(call)
                if round_number:  # the first round warms up
                    seconds[name].append(elapsed)
        row = {"shape": list(shape), "mode": mode, "input_rate": rate, "rounds": ROUNDS}
        yield row | {
            "implementation": THEIRS,
            "peak_memory_mib": memory[THEIRS],
            **quantiles(seconds[THEIRS]),
        }
        rounds = [a / b for a, b in zip(seconds[OURS], seconds[THEIRS], strict=True)]
        figures = {"peer": THEIRS, "ratio": round(median_ratio(seconds), 3)}
        figures["ratio_range"] = [round(min(rounds), 3), round(max(rounds), 3)]
        yield row | {
            "implementation": OURS,
            "peak_memory_mib": memory[OURS],
            **quantiles(seconds[OURS]),
            **figures,
        }


def median_ratio(seconds: dict[str, list[float]]) -> float:
    """Our median over theirs."""
    return statistics.median(seconds[OURS]) / statistics.median(seconds[THEIRS])


def ternary(rate: float, shape: tuple[int, ...]) -> Tensor:
    """Spikes of either sign at a firing rate."""
    return (torch.rand(shape) < rate) * (2.0 * torch.randint(2, shape) - 1)


def caller(attention: Callable[..., Tensor], mode: str, points: tuple[Tensor, ...]) -> Callable[[], None]:
    """A call of the attention without a graph, or with one and its gradients."""
    if mode == FORWARD:

        def forward() -> None:
            with torch.no_grad():
                attention(*points)

        return forward
    leaves = [part.clone().requires_grad_() for part in points]
    upstream = torch.randn_like(points[2])

    def both() -> None:
        torch.autograd.grad(attention(*leaves), leaves, upstream)

    return both
