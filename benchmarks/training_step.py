"""One training step: ours against SpikingJelly's `spikformer_cifar10`, and fused neurons against the reference.

Run: python benchmarks/training_step.py [--batch 4] [--rounds 5]

Both have width 384, 4 blocks, 12 heads, SSA, LIF with decay 1/2, T = 4, a 32 x 32 input and the same loss. Time:
the two alternate in this process, forward, backward and the optimiser's step. Memory: each in a process of its
own, the peak of the resident set during a step less its size before. Ours has residuals on potentials
(Spikingformer), theirs on spikes (Spikformer): the same sizes, not the same network. The network of `make train`
(recipe digits-bsa, its batch of 32) runs with fused neurons and with the reference.
"""

import argparse
import json
import multiprocessing
import time
from collections.abc import Callable
from functools import partial

import torch
from record import append, quantiles, resident_kib
from spikingjelly.activation_based import functional
from spikingjelly.activation_based.model import spikformer_cifar10
from torch import Tensor, nn

import snnpd
from snnpd.neurons import LIF, TernaryLIF

TIME_STEPS = 4


IMAGE, DIGIT = (3, 32, 32), (1, 8, 8)


def ours(implementation: str) -> nn.Module:
    """snnpd's network of that size; it resets its own state."""
    options = {"implementation": implementation}
    return snnpd.create_model(
        "spikingformer_cifar", attention="ssa", input_shape=IMAGE, neuron_options=options
    )


def digits(implementation: str) -> nn.Module:
    """The network of recipe digits-bsa."""
    options = {"implementation": implementation}
    bsa = {"point_neuron_options": options}
    more = {"dim": 64, "neuron_options": options, "attention_options": bsa}
    return snnpd.create_model("spikingformer_tiny", attention="bsa", input_shape=DIGIT, **more)


def theirs() -> nn.Module:
    """SpikingJelly's network."""
    return spikformer_cifar10(T=TIME_STEPS, num_classes=10)


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "snnpd": partial(ours, "auto"),
    "snnpd, reference neurons": partial(ours, "reference"),
    "spikingjelly": theirs,
    "digits-bsa": partial(digits, "auto"),
    "digits-bsa, reference neurons": partial(digits, "reference"),
}
# By the network whose time is the unit: the others of its comparison.
COMPARISONS = {
    "snnpd": ["snnpd, reference neurons", "spikingjelly"],
    "digits-bsa": ["digits-bsa, reference neurons"],
}


def stepper(name: str, batch: int) -> Callable[[], None]:
    """A closure that runs one training step."""
    torch.manual_seed(0)
    model = NETWORKS[name]()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)
    shape = (32, *DIGIT) if name.startswith("digits") else (batch, *IMAGE)
    images, labels = torch.rand(shape), torch.randint(10, shape[:1])

    def logits() -> Tensor:
        functional.reset_net(model)
        if name != "spikingjelly":
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
    # The compiler of the kernels is loaded once for a process, as torch is: it is no part of a step.
    for neuron in (LIF(), TernaryLIF()):
        neuron(torch.zeros(1, 1).requires_grad_()).sum().backward()
    before = resident_kib("VmRSS")
    step()
    step()
    queue.put((resident_kib("VmHWM") - before) / 1024)


def main() -> None:
    """Prints and records both rows and their ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    for name, others in COMPARISONS.items():
        compare([name, *others], options)


def compare(names: list[str], options: argparse.Namespace) -> None:
    """Alternates the networks, records a row for each, and prints what the others take in units of the first."""
    steps = {name: stepper(name, options.batch) for name in names}
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for round_number in range(options.rounds + 1):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            if round_number:  # the first round warms up
                seconds[name].append(time.perf_counter() - start)
    context = multiprocessing.get_context("spawn")
    memory: dict[str, float] = {}
    for name in names:
        queue = context.Queue()
        process = context.Process(target=peak_memory, args=(name, options.batch, queue))
        process.start()
        memory[name] = round(queue.get(), 1)
        process.join()
        is_digits = name.startswith("digits")
        shape = [TIME_STEPS, *((32, *DIGIT) if is_digits else (options.batch, *IMAGE))]
        row = {"op": "training_step", "implementation": name, "shape": shape, "dtype": "float32"}
        row |= {"mode": "bsa 2-64" if is_digits else "ssa 4-384", "peak_memory_mib": memory[name]}
        append("training_step", row | quantiles(seconds[name]))
    first = names[0]
    for name in names[1:]:
        ratios = [a / b for a, b in zip(seconds[first], seconds[name], strict=True)]
        said = {"time": [round(r, 3) for r in ratios], "memory": round(memory[first] / memory[name], 3)}
        print(json.dumps({f"{first} / {name}": said}), flush=True)


if __name__ == "__main__":
    main()
