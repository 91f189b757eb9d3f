"""Neurons: our kernels against the reference, SpikingJelly's nodes and snnTorch's loop, forward and backward.

Run: python benchmarks/neuron_kernels.py [--device cpu] [--rounds 15]

All take the same input `[4, 16, 64, 384]`, decay 1/2, threshold 1, a reset to zero and a surrogate of the shape of a
sigmoid, and give the gradient of their input. They alternate in this process; a ratio is of medians over the same
rounds. Bytes moved are counted from the arrays that a pass reads and writes, and set against a copy of the same size
on the same device.
"""

import argparse
from collections.abc import Callable
from functools import partial

import snntorch
import torch
from record import append, quantiles, stopwatch
from spikingjelly.activation_based import neuron as spikingjelly
from torch import Tensor, nn

from snnpd.neurons import LIF, IntegerLIF, TernaryLIF, explain

SHAPE = (4, 16, 64, 384)


class LeakyLoop(nn.Module):
    """snnTorch's Leaky over the steps of a sequence, as its tutorials write it."""

    def __init__(self) -> None:
        super().__init__()
        self.leaky = snntorch.Leaky(
            beta=0.5, reset_mechanism="zero", spike_grad=snntorch.surrogate.sigmoid(4)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Spikes of all steps."""
        state, spikes = self.leaky.init_leaky(), []
        for step in x.unbind(0):
            spike, state = self.leaky(step, state)
            spikes.append(spike)
        return torch.stack(spikes)


def subjects(device: str) -> dict[str, dict[str, nn.Module]]:
    """By operation: implementation and module."""
    ours = "cupy" if device == "cuda" else "cpu"
    made: dict[str, dict[str, nn.Module]] = {
        "binary": {
            f"snnpd {ours}, lean": LIF(memory="lean"),
            f"snnpd {ours}, fast": LIF(memory="fast"),
            "snnpd reference": LIF(implementation="reference"),
            "spikingjelly LIFNode": spikingjelly.LIFNode(decay_input=False, detach_reset=True, step_mode="m"),
            "snntorch Leaky": LeakyLoop(),
        },
        "ternary": {
            f"snnpd {ours}, lean": TernaryLIF(memory="lean"),
            f"snnpd {ours}, fast": TernaryLIF(memory="fast"),
            "snnpd reference": TernaryLIF(implementation="reference"),
            "spikingjelly TernaryLIFNode": spikingjelly.TernaryLIFNode(
                decay_input=False, detach_reset=True, step_mode="m"
            ),
        },
        "integer": {
            f"snnpd {ours}, lean": IntegerLIF(memory="lean"),
            "snnpd reference": IntegerLIF(implementation="reference"),
        },
    }
    return {op: {name: m.to(device) for name, m in modules.items()} for op, modules in made.items()}


def step(module: nn.Module, x: Tensor, weights: Tensor) -> None:
    """Forward and backward, from a fresh state."""
    if hasattr(module, "reset"):
        module.reset()
    x.grad = None
    module(x).backward(weights)


def bytes_moved(x: Tensor, memory: str) -> int:
    """What forward and backward read and write: lean five sequences; fast the potentials twice in place of one."""
    element = x.element_size()
    passes = 2 * element + 3 * element
    return x.numel() * (passes if memory == "lean" else passes - element + 8)


def measure(device: str, shape: tuple[int, ...], dtype: torch.dtype, rounds: int) -> None:
    """Measures, records and prints one table."""
    torch.manual_seed(0)
    x = torch.randn(shape, device=device, dtype=dtype).requires_grad_()
    weights = torch.randn(shape, device=device, dtype=dtype)
    target = torch.empty_like(weights)
    copy = stopwatch(lambda: target.copy_(weights), device)
    for op, modules in subjects(device).items():
        runs: dict[str, Callable[[], float]] = {
            name: stopwatch(partial(step, module, x, weights), device) for name, module in modules.items()
        }
        seconds: dict[str, list[float]] = {name: [] for name in [*runs, "copy"]}
        for number in range(rounds + 2):
            for name, run in [*runs.items(), ("copy", copy)]:
                taken = run()
                if number > 1:  # the first rounds compile and warm up
                    seconds[name].append(taken)
        bandwidth = 2 * weights.numel() * weights.element_size() / quantiles(seconds["copy"])["p50_ms"]
        for name, module in modules.items():
            row = {
                "op": f"neuron {op}",
                "implementation": name,
                "shape": list(shape),
                "dtype": str(dtype)[6:],
            }
            row |= {"mode": "forward and backward", **quantiles(seconds[name])}
            if name.startswith("snnpd") and "reference" not in name:
                moved = bytes_moved(x, "lean" if "lean" in name else "fast")
                row |= {"runs": explain(module, x), "bytes_moved": moved}
                row |= {"share_of_copy_bandwidth": round(moved / row["p50_ms"] / bandwidth, 3)}
            append("neuron_kernels", row)
        ours = next(iter(runs))
        base = quantiles(seconds[ours])["p50_ms"]
        for name in list(runs)[1:]:
            print(
                f"{op:8} {str(dtype)[6:]:9} {name} / {ours}: {quantiles(seconds[name])['p50_ms'] / base:.2f}",
                flush=True,
            )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--shape", type=int, nargs="+", default=list(SHAPE))
    parser.add_argument("--dtypes", nargs="+", default=["float32"])
    options = parser.parse_args()
    for dtype in options.dtypes:
        measure(options.device, tuple(options.shape), getattr(torch, dtype), options.rounds)


if __name__ == "__main__":
    main()
