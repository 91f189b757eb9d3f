"""One training step of our Spikformer-sized network against SpikingJelly's `spikformer_cifar10`.

Run: python benchmarks/training_step.py [--batch 4] [--rounds 5]

Both have width 384, 4 blocks, 12 heads, SSA, LIF with decay 1/2, T = 4, a 32 x 32 input and the same loss. Time:
the two alternate in this process, forward, backward and the optimiser's step. Memory: each in a process of its
own, the peak of the resident set during a step less its size before. Ours has residuals on potentials
(Spikingformer), theirs on spikes (Spikformer): the same sizes, not the same network.
"""

import argparse
import json
import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path

import torch
from record import append, quantiles
from spikingjelly.activation_based import functional
from spikingjelly.activation_based.model import spikformer_cifar10
from torch import Tensor, nn

import snnpd

TIME_STEPS = 4


def ours() -> nn.Module:
    """snnpd's network; it resets its own state."""
    return snnpd.create_model("spikingformer_cifar", attention="ssa", input_shape=(3, 32, 32), num_classes=10)


def theirs() -> nn.Module:
    """SpikingJelly's network."""
    return spikformer_cifar10(T=TIME_STEPS, num_classes=10)


NETWORKS: dict[str, Callable[[], nn.Module]] = {"snnpd": ours, "spikingjelly": theirs}


def stepper(name: str, batch: int) -> Callable[[], None]:
    """A closure that runs one training step."""
    torch.manual_seed(0)
    model = NETWORKS[name]()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)
    images, labels = torch.rand(batch, 3, 32, 32), torch.randint(10, (batch,))

    def logits() -> Tensor:
        functional.reset_net(model)
        if name == "snnpd":
            return model(images.expand(TIME_STEPS, *images.shape)).mean(0)
        y = model(images)
        return y.mean(0) if y.ndim == 3 else y

    def step() -> None:
        loss = nn.functional.cross_entropy(logits(), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def peak_memory(name: str, batch: int, queue: multiprocessing.Queue) -> None:
    """Puts the peak of the resident set over two steps, less its size before, in MiB, into the queue."""
    step = stepper(name, batch)
    before = resident_kib("VmRSS")
    step()
    step()
    queue.put((resident_kib("VmHWM") - before) / 1024)


def resident_kib(field: str) -> int:
    """A figure of this process from /proc (Linux); unlike ru_maxrss, it does not inherit the parent's peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1])


def main() -> None:
    """Prints and records both rows and their ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    steps = {name: stepper(name, options.batch) for name in NETWORKS}
    seconds: dict[str, list[float]] = {name: [] for name in NETWORKS}
    for round_number in range(options.rounds + 1):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            if round_number:  # the first round warms up
                seconds[name].append(time.perf_counter() - start)
    context = multiprocessing.get_context("spawn")
    for name in NETWORKS:
        queue = context.Queue()
        process = context.Process(target=peak_memory, args=(name, options.batch, queue))
        process.start()
        memory = round(queue.get(), 1)
        process.join()
        row = {"op": "training_step", "implementation": name, "shape": [TIME_STEPS, options.batch, 3, 32, 32]}
        row |= {
            "dtype": "float32",
            "mode": "ssa 4-384",
            "peak_memory_mib": memory,
            **quantiles(seconds[name]),
        }
        append("training_step", row)
    ratios = [a / b for a, b in zip(seconds["snnpd"], seconds["spikingjelly"], strict=True)]
    print(json.dumps({"time ratio snnpd / spikingjelly, round by round": [round(r, 3) for r in ratios]}))


if __name__ == "__main__":
    main()
