"""Packed ternary attention in integers against the float attention that it stands for, and against its reference.

Run: python benchmarks/packed_attention.py [--device cpu] [--threads 1] [--rounds 9]

Queries and keys are ternary spikes at a firing rate, given as float32 (packed within the time) or already packed;
values are normal, as float32, or in fixed point of 8 or 15 bits. All alternate in this process; ratios are of medians
over the same rounds. The reference, which takes seconds, runs once at most sizes, and the packed result must equal it.
"""

import argparse
import math
import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from attention_cost_measure import peak_memory
from record import append, quantiles, stopwatch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from snnpd.expansion import Expansion, Exponential, Points, Shiftmax, evaluate
from snnpd.expansion.packed import choose, packed_attention
from snnpd.expansion.packed_words import pack_ternary, to_fixed_point

HEAD_DIM, NUM_HEADS = 64, 8
RATES = {64: (0.3,), 196: (0.3,), 1024: (0.3,), 4096: (0.1, 0.3, 0.6)}
BIPOLAR = Expansion(Exponential(base=2, scale=1.0), Shiftmax())
THEIRS = "torch scaled_dot_product_attention"
# The reference is left out beyond as many rows times keys: a minute a call.
REFERENCE_SCORES = 8 * 1024 * 1024


def ternary(rate: float, shape: tuple[int, ...], device: str) -> Tensor:
    """Spikes of either sign at a firing rate."""
    return ((torch.rand(shape) < rate) * (2.0 * torch.randint(2, shape) - 1)).to(device)


def fixed(values: Tensor, bits: int) -> Tensor:
    """The values in fixed point, the largest one just within `bits` bits."""
    fraction = bits - 1 - math.ceil(math.log2(values.abs().max().item()))
    return to_fixed_point(values, fraction).to(torch.int8 if bits <= 8 else torch.int16)


def subjects(num_tokens: int, rate: float, device: str) -> dict[str, Callable[[], Tensor]]:
    """By implementation: a call."""
    torch.manual_seed(0)
    shape = (1, NUM_HEADS, num_tokens, HEAD_DIM)
    q, k, v = ternary(rate, shape, device), ternary(rate, shape, device), torch.randn(shape, device=device)
    packed, narrow, wide = (pack_ternary(q), pack_ternary(k)), fixed(v, 8), fixed(v, 15)
    causal = torch.ones(num_tokens, num_tokens, dtype=torch.bool, device=device).tril()
    ours = f"snnpd packed, {choose('auto', torch.device(device))}"
    dyadic = partial(packed_attention, rounding="dyadic")
    return {
        THEIRS: lambda: scaled_dot_product_attention(q, k, v, scale=math.log(2)),
        "snnpd fused BSA": lambda: evaluate(BIPOLAR, Points(q, k, v), form="fused"),
        f"{ours}, 8-bit values": lambda: packed_attention(q, k, narrow),
        f"{ours}, 8-bit values, packed before": lambda: packed_attention(*packed, narrow),
        f"{ours}, 15-bit values": lambda: packed_attention(q, k, wide),
        f"{ours}, 8-bit values, dyadic": lambda: dyadic(q, k, narrow),
        f"{ours}, 15-bit values, dyadic": lambda: dyadic(q, k, wide),
        f"{THEIRS}, causal": lambda: scaled_dot_product_attention(q, k, v, scale=math.log(2), is_causal=True),
        f"{ours}, 8-bit values, causal mask": lambda: packed_attention(*packed, narrow, mask=causal),
        "snnpd reference, 8-bit values": lambda: packed_attention(
            *packed, narrow, implementation="reference"
        ),
    }


def measure(num_tokens: int, rate: float, device: str, num_rounds: int) -> list[dict[str, Any]]:
    """A row for each implementation, with its ratio to PyTorch's attention."""
    calls = subjects(num_tokens, rate, device)
    slow = calls.pop("snnpd reference, 8-bit values")
    watches = {name: stopwatch(call, device) for name, call in calls.items()}
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for round_number in range(num_rounds + 1):
        for name, watch in watches.items():
            elapsed = watch()
            if round_number:  # the first round warms up
                seconds[name].append(elapsed)
    if NUM_HEADS * num_tokens**2 <= REFERENCE_SCORES:
        name = next(name for name in calls if "packed before" in name)
        assert torch.equal(calls[name](), slow())
        seconds["snnpd reference, 8-bit values"] = [stopwatch(slow, device)() for _ in range(2)]
    theirs = statistics.median(seconds[THEIRS])
    return [
        {
            "op": "packed_attention",
            "implementation": name,
            "shape": [1, NUM_HEADS, num_tokens, HEAD_DIM],
            "input_rate": rate,
            "rounds": len(taken),
            **quantiles(taken),
            "peer": THEIRS,
            "ratio": round(statistics.median(taken) / theirs, 3),
            "peak_memory_mib": peak_memory(calls[name])[1] if name in calls and device == "cpu" else None,
        }
        for name, taken in seconds.items()
    ]


def main() -> None:
    """Measures all sizes and appends rows to results/packed_attention.jsonl."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for num_tokens, rates in RATES.items():
        for rate in rates:
            for row in measure(num_tokens, rate, options.device, options.rounds):
                append("packed_attention", row | {"threads": options.threads})


if __name__ == "__main__":
    main()
