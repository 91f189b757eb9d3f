"""Operations of the same networks on the same inputs, as counted by our tally, NeuroBench and SpikingJelly.

Run: python benchmarks/energy_peers.py [--save]

NeuroBench (pip install neurobench) is left out where it is not installed. Each case says why a peer's count differs
from ours; where it says nothing the counts must be equal, and the script ends with an error if they are not, or if a
difference that it explains is not there. Counts are of the whole batch: additions (AC) and multiplications (MAC) of
linear maps and products; neurons, norms, pools and residual sums are in none of the columns.
"""

import argparse
import logging
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from typing import NamedTuple

import torch
from record import append
from spikingjelly.activation_based import functional
from spikingjelly.activation_based.model.spikformer import Spikformer
from spikingjelly.activation_based.op_counter import DispatchCounterMode, MACCounter, SynOpCounter
from torch import Tensor, nn

from snnpd.attention import create_attention
from snnpd.energy.tally import count_batch
from snnpd.neurons import create_neuron
from snnpd.spikes import BINARY, TERNARY, Alphabet, integer

# What both peers know; shifts and the additions that follow them are Shiftmax's.
ROLES = ("linear", "product")


class Counted(NamedTuple):
    """Additions and multiplications of a batch."""

    ac: int
    mac: int

    def __str__(self) -> str:
        return f"{self.ac:,} / {self.mac:,}"


class Case(NamedTuple):
    """A network, its input with its letters, and why the peers' counts differ ("" if they do not)."""

    name: str
    make: Callable[[], nn.Module]
    x: Callable[[], Tensor]
    inputs: Alphabet | None
    neurobench: str = ""
    spikingjelly: str = ""
    time_steps: int = 0


class Product(nn.Module):
    """Queries and keys, and values if there are three parts, along the axis behind the batch."""

    def forward(self, x: Tensor) -> Tensor:
        """q kᵀ, or (q kᵀ) v."""
        q, k, *rest = x.unbind(1)
        scores = q @ k.transpose(-1, -2)
        return scores @ rest[0] if rest else scores


class WithoutTime(nn.Module):
    """Tokens `[B, N, C]` through a layer that wants time first."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """One time step."""
        return self.layer(x.unsqueeze(0))


def spikes(alphabet: Alphabet, *shape: int) -> Tensor:
    """Letters, a good half of them zero."""
    drawn = torch.randint(alphabet.low, alphabet.high + 1, shape)
    return (drawn * (torch.rand(shape) < 0.6)).float()


def linear(sparse: bool = False) -> nn.Module:
    """A linear map, half of its weights zero if `sparse`."""
    layer = nn.Linear(64, 32)
    if sparse:
        layer.weight.data *= torch.rand_like(layer.weight) < 0.5
    return nn.Sequential(layer)


def convolutions(neuron: str) -> nn.Module:
    """Padded, grouped with a stride, depthwise with a dilation; then a linear map."""
    fire = partial(create_neuron, neuron, threshold=0.3, step_mode="s")
    return nn.Sequential(
        nn.Conv2d(4, 16, 3, padding=1),
        fire(),
        nn.Conv2d(16, 32, 3, padding=1, stride=2, groups=4),
        fire(),
        nn.Conv2d(32, 32, 3, padding=2, dilation=2, groups=32),
        fire(),
        nn.Flatten(),
        nn.Linear(32 * 4 * 4, 10),
    )


def bipolar_layer() -> nn.Module:
    """Shiftmax attention with its projections."""
    return WithoutTime(create_attention("bsa", 64, 4, point_neuron_options={"threshold": 0.3})).eval()


def their_spikformer() -> nn.Module:
    """SpikingJelly's Spikformer, small; its norms have seen some batches, so that it spikes without training."""
    sizes = {"img_size_h": 16, "img_size_w": 16, "patch_size": 4, "in_channels": 3}
    model = Spikformer(T=4, embed_dims=32, num_heads=2, depths=2, num_classes=10, **sizes)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.bias.data.fill_(1.5)
    with torch.no_grad():
        for _ in range(30):
            functional.reset_net(model)
            model(torch.randn(8, 3, 16, 16))
    return model.eval()


DENSE = "not 0/1: dense multiplications"
PADDED = "not 0/1: dense multiplications, by padding too"
NO_PRODUCTS = "sees Linear and Conv modules only"
CASES = [
    Case("Linear, binary spikes", linear, partial(spikes, BINARY, 32, 64), BINARY),
    Case("Linear, ternary spikes", linear, partial(spikes, TERNARY, 32, 64), TERNARY, spikingjelly=DENSE),
    Case(
        "Linear, integer spikes 0..2",
        linear,
        partial(spikes, integer(2), 32, 64),
        integer(2),
        "a multiplication for each spike, whatever its size",
        DENSE,
    ),
    Case("Linear, words", linear, lambda: torch.rand(32, 64) + 0.1, None),
    Case(
        "Linear, binary spikes, half of the weights 0",
        partial(linear, sparse=True),
        partial(spikes, BINARY, 32, 64),
        BINARY,
        "weights that are 0 are left out",
    ),
    Case(
        "Convolution with padding, words",
        lambda: nn.Sequential(nn.Conv2d(4, 16, 3, padding=1)),
        lambda: torch.rand(8, 4, 8, 8) + 0.1,
        None,
        spikingjelly="multiplications by padding are counted",
    ),
    Case("Convolutions, binary", partial(convolutions, "if"), partial(spikes, BINARY, 8, 4, 8, 8), BINARY),
    Case(
        "Convolutions, ternary",
        partial(convolutions, "ternary_if"),
        partial(spikes, TERNARY, 8, 4, 8, 8),
        TERNARY,
        spikingjelly=PADDED,
    ),
    Case("q kᵀ, binary spikes", Product, partial(spikes, BINARY, 8, 2, 16, 32), BINARY, NO_PRODUCTS),
    Case(
        "q kᵀ, ternary spikes", Product, partial(spikes, TERNARY, 8, 2, 16, 32), TERNARY, NO_PRODUCTS, DENSE
    ),
    Case(
        "(q kᵀ) v, binary spikes of rate 0.1",
        Product,
        lambda: (torch.rand(8, 3, 16, 8) < 0.1).float(),
        BINARY,
        NO_PRODUCTS,
        "spikes of v meet scores that are 0",
    ),
    Case(
        "Bipolar self-attention, ternary spikes",
        bipolar_layer,
        partial(spikes, TERNARY, 8, 16, 64),
        TERNARY,
        NO_PRODUCTS,
        DENSE + "; Shiftmax runs in one kernel, which it does not see",
    ),
    Case(
        "SpikingJelly's Spikformer on pixels",
        their_spikformer,
        lambda: torch.randn(2, 3, 16, 16),
        None,
        NO_PRODUCTS + "; integer residual sums and token means are MAC",
        "integer residual sums and token means are MAC; padding; scores that are 0",
    ),
]


def by_us(case: Case, model: nn.Module, x: Tensor) -> Counted:
    """Our tally."""
    totals = {"ac": 0, "mac": 0}
    for account, count in count_batch(model, x, inputs=case.inputs, time_steps=case.time_steps):
        if account.role in ROLES:
            totals[account.operation.kind] += int(count.done.sum())
    return Counted(**totals)


def by_spikingjelly(model: nn.Module, x: Tensor) -> Counted:
    """Their counters of synaptic additions and of multiplications, batch-norms folded."""
    ac, mac = SynOpCounter(), MACCounter(extra_ignore_modules=[nn.BatchNorm1d, nn.BatchNorm2d])
    with torch.no_grad(), DispatchCounterMode([ac, mac]):
        model(x)
    products = {"aten.convolution.default", "aten.mm.default", "aten.addmm.default", "aten.bmm.default"}
    multiplied = mac.get_counts()["Global"]
    return Counted(ac.get_total(), sum(n for op, n in multiplied.items() if str(op) in products))


def by_neurobench(model: nn.Module, x: Tensor) -> Counted:
    """Their synaptic operations."""
    from neurobench.metrics.workload import SynapticOperations
    from neurobench.models import TorchModel

    wrapped = TorchModel(model)
    wrapped.register_hooks()
    with torch.no_grad():
        model(x)
    metric = SynapticOperations()
    metric(wrapped, None, (x, None))
    wrapped.cleanup_hooks()
    return Counted(int(metric.AC), int(metric.MAC))


def compare(case: Case, has_neurobench: bool) -> dict[str, Counted]:
    """A case by all tools, each from a fresh state.

    Raises:
        SystemExit: counts that ought to be equal are not, or the other way round.
    """
    torch.manual_seed(0)
    model, x = case.make(), case.x()
    tools: dict[str, tuple[Callable[[], Counted], str]] = {
        "snnpd": (partial(by_us, case, model, x), ""),
        "SpikingJelly": (partial(by_spikingjelly, model, x), case.spikingjelly),
    }
    if has_neurobench:
        tools["NeuroBench"] = (partial(by_neurobench, model, x), case.neurobench)
    counted = {}
    for tool, (count, cause) in tools.items():
        functional.reset_net(model)
        counted[tool] = count()
        if (counted[tool] == counted["snnpd"]) == bool(cause):
            raise SystemExit(
                f"{case.name}: {tool} {counted[tool]}, snnpd {counted['snnpd']}; cause given: {cause!r}"
            )
    return counted


def main() -> None:
    """Prints the table, and appends it to the results if asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--save", action="store_true", help="append to results/energy_peers.jsonl")
    save = parser.parse_args().save
    logging.disable(logging.WARNING)
    has_neurobench = find_spec("neurobench") is not None
    peers = ["NeuroBench", "SpikingJelly"] if has_neurobench else ["SpikingJelly"]
    print(f"| AC / MAC | snnpd | {' | '.join(f'{peer} {version(peer.lower())}' for peer in peers)} |")
    print(f"|---|{'---|' * (len(peers) + 1)}")
    for case in CASES:
        counted = compare(case, has_neurobench)
        cells = [str(counted["snnpd"])]
        for peer in peers:
            cause = getattr(case, peer.lower())
            cells.append(f"{counted[peer]}: {cause}" if cause else "equal")
        print(f"| {case.name} | {' | '.join(cells)} |")
        for tool in counted if save else ():
            cause = "" if tool == "snnpd" else getattr(case, tool.lower())
            tool_version = version(tool.lower()) if tool != "snnpd" else ""
            row = {"case": case.name, "tool": tool, "version": tool_version, "cause": cause}
            append("energy_peers", row | counted[tool]._asdict())


if __name__ == "__main__":
    main()
