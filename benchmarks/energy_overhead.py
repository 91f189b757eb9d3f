"""What counting costs: the tally's time and memory against a plain forward pass of the same batch.

Run: python benchmarks/energy_overhead.py [--rounds 7]

Time: both alternate in this process. Memory: each in a process of its own, the peak of the resident set less its size
before, with an allocator that gives back what is freed (glibc's default keeps holes, twice as many of them where small
tensors lie between large ones: a property of the allocator, not of what is held). Networks: that of recipe digits-bsa,
the CIFAR size with BSA and with SSA, and the published 66.3 million parameters at 224 x 224 (Spikingformer 8-768, here
with BSA).
"""

import argparse
import multiprocessing
import os
import time
from collections.abc import Callable
from functools import partial

import torch
from record import append, quantiles, resident_kib
from torch import Tensor, nn

import snnpd
from snnpd.energy import count_batch
from snnpd.models.spikingformer import spikingformer

# Read by the C library when a process starts.
GIVE_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
IMAGENET = partial(
    spikingformer,
    dim=768,
    depth=8,
    num_heads=12,
    pools=(True, True, True, True),
    input_shape=(3, 224, 224),
    num_classes=1000,
)
CIFAR = partial(snnpd.create_model, "spikingformer_cifar")
DIGITS = partial(snnpd.create_model, "spikingformer_tiny", dim=64, input_shape=(1, 8, 8))
# Network, input, and how many rounds it is worth.
NETWORKS: dict[str, tuple[Callable[..., nn.Module], tuple[int, ...], bool]] = {
    "digits-bsa": (DIGITS, (4, 64, 1, 8, 8), True),
    "cifar, bsa": (CIFAR, (4, 16, 3, 32, 32), True),
    "cifar, ssa": (partial(CIFAR, attention="ssa"), (4, 16, 3, 32, 32), True),
    "8-768 at 224 x 224, bsa": (IMAGENET, (4, 1, 3, 224, 224), False),
}


def subject(name: str) -> tuple[nn.Module, Tensor]:
    """A network that fires, and a batch."""
    torch.manual_seed(0)
    make, shape, _ = NETWORKS[name]
    model = make().eval()
    for part in model.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.constant_(part.weight, 3.0)
            nn.init.constant_(part.bias, 0.3)
    return model, torch.rand(shape)


@torch.no_grad()
def passes(name: str) -> dict[str, Callable[[], object]]:
    """The plain and the counted pass."""
    model, x = subject(name)

    def plain() -> None:
        with torch.no_grad():
            model(x)

    return {"forward": plain, "tally": lambda: count_batch(model, x)}


def peak_memory(name: str, what: str, queue: multiprocessing.Queue) -> None:
    """Puts the peak of the resident set over two passes into the queue, in MiB: whole, and less what was there before.

    The kernels' compiler, which is loaded once for a process, is no part of a pass.
    """
    small = snnpd.create_model("spikingformer_tiny", dim=8, input_shape=(1, 8, 8)).eval()
    count_batch(small, torch.rand(2, 1, 1, 8, 8))
    run = passes(name)[what]
    before = resident_kib("VmRSS")
    run()
    run()
    peak = resident_kib("VmHWM")
    queue.put((peak / 1024, (peak - before) / 1024))


def measure(name: str, rounds: int) -> None:
    """Records both passes of a network and prints their ratios."""
    _, shape, is_repeated = NETWORKS[name]
    seconds: dict[str, list[float]] = {"forward": [], "tally": []}
    runs = passes(name)
    for round_number in range((rounds if is_repeated else 2) + 1):
        for what, run in runs.items():
            start = time.perf_counter()
            run()
            if round_number:  # the first round warms up
                seconds[what].append(time.perf_counter() - start)
    context = multiprocessing.get_context("spawn")
    memory: dict[str, tuple[float, float]] = {}
    for what in runs:
        queue = context.Queue()
        process = context.Process(target=peak_memory, args=(name, what, queue))
        process.start()
        memory[what] = queue.get()
        process.join()
        row = {"op": "energy_overhead", "implementation": what, "mode": name, "shape": list(shape)}
        row |= {"peak_resident_mib": round(memory[what][0], 1), "peak_memory_mib": round(memory[what][1], 1)}
        append("energy_overhead", row | quantiles(seconds[what]))
    ratios = sorted(b / a for a, b in zip(seconds["forward"], seconds["tally"], strict=True))
    whole, grown = (memory["tally"][i] / memory["forward"][i] for i in (0, 1))
    print(
        f"{name}: tally takes {ratios[len(ratios) // 2]:.2f} of the forward's time "
        f"({ratios[0]:.2f} to {ratios[-1]:.2f}), {grown:.2f} of its memory ({whole:.2f} of the whole process)"
    )


def main() -> None:
    """Measures all networks."""
    os.environ |= GIVE_BACK
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    for name in NETWORKS:
        measure(name, rounds)


if __name__ == "__main__":
    main()
