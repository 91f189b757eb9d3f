"""The tally beside SpikingJelly's operation counter: equal where both count the same; differences by their cause."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from spikingjelly.activation_based import functional
from spikingjelly.activation_based.model.spikformer import Spikformer
from spikingjelly.activation_based.op_counter import DispatchCounterMode, MACCounter, SynOpCounter
from torch import Tensor, nn

from snnpd.energy.ledger import Ledger
from snnpd.energy.tally import count_batch
from snnpd.spikes import BINARY, TERNARY, Alphabet, integer
from tests.energy.counting import Formula, dyadic, letters, one, pixels, totals


class Theirs(NamedTuple):
    """SpikingJelly's counts of a module: additions for spikes, and multiplications."""

    ac: int
    mac: int


def peer(model: nn.Module, x: Tensor) -> dict[str, Theirs]:
    """Their counts by the module's name in the model; "" is the model itself."""
    # batch-norms fold, as they do in ours
    synapses, products = SynOpCounter(), MACCounter(extra_ignore_modules=[nn.BatchNorm1d, nn.BatchNorm2d])
    functional.reset_net(model)
    with torch.no_grad(), DispatchCounterMode([synapses, products]):
        model(x)
    functional.reset_net(model)
    ac, mac = synapses.get_counts(), products.get_counts()
    own = type(model).__name__
    names = [name for name in ac if name != "Global"]
    return {
        name.removeprefix(own).removeprefix("."): Theirs(sum(ac[name].values()), sum(mac[name].values()))
        for name in names
    }


def ours(ledger: Ledger, layer: str, role: str = "linear") -> list[tuple[str, int, int]]:
    """Kind, done and skipped of a layer's accounts of one role."""
    return [
        (account.operation.kind, int(count.done.sum()), int(count.skipped.sum()))
        for account, count in ledger
        if (account.layer, account.role) == (layer, role)
    ]


LAYERS: list[tuple[Callable[[], nn.Module], tuple[int, ...], int]] = [
    # with the multiplications by padding that they count: outputs · taps, less the real ones
    (lambda: nn.Linear(6, 4), (2, 3, 6), 0),
    (lambda: nn.Conv2d(4, 6, 3), (6, 4, 5, 5), 0),
    # 5 x 5 with padding 1: 25 outputs · 9 taps against (2 3 3 3 2)² = 13² real ones; 24 filters, 6 samples
    (lambda: nn.Conv2d(4, 6, 3, padding=1), (6, 4, 5, 5), (225 - 169) * 24 * 6),
    (lambda: nn.Conv2d(4, 6, 3, padding=1, groups=2), (6, 4, 5, 5), (225 - 169) * 12 * 6),
    # stride 2: 9 outputs; taps (1 2 1 2 1)² = 7²
    (lambda: nn.Conv2d(4, 4, 3, padding=1, stride=2, groups=4), (6, 4, 5, 5), (81 - 49) * 4 * 6),
    # 3 taps at distance 2, padding 2: (2 2 3 2 2) = 11 of 15
    (lambda: nn.Conv1d(4, 6, 3, padding=2, dilation=2), (6, 4, 5), (15 - 11) * 24 * 6),
]


@pytest.mark.parametrize(("make", "shape", "padding"), LAYERS)
def test_linear_maps_and_convolutions(
    make: Callable[[], nn.Module], shape: tuple[int, ...], padding: int
) -> None:
    model = nn.Sequential(make())
    steps = {"time_steps": None if len(shape) == 3 and shape[1] == 3 else 0}
    binary = letters(shape, 0, 1)
    words = pixels(*shape) + 1 / 64
    # equal: additions for binary spikes
    ((kind, done, skipped),) = ours(count_batch(model, binary, inputs=BINARY, **steps), "0")
    assert (kind, done > 0) == ("ac", True)
    assert peer(model, binary)["0"] == Theirs(ac=done, mac=0)
    # multiplications of words: theirs with the padding's
    dense = done + skipped
    assert ours(count_batch(model, words, **steps), "0") == [("mac", dense, 0)]
    assert peer(model, words)["0"] == Theirs(ac=0, mac=dense + padding)
    # ternary and integer spikes: theirs are dense multiplications, ours what spikes
    for alphabet in (TERNARY, integer(2)):
        spikes = letters(shape, alphabet.low, alphabet.high)
        spikes.view(-1)[0] = 2 if alphabet.high == 2 else -1
        ((kind, done, skipped),) = ours(count_batch(model, spikes, inputs=alphabet, **steps), "0")
        assert kind == "ac"
        assert peer(model, spikes)["0"] == Theirs(ac=0, mac=dense + padding)
        assert done + skipped == dense or alphabet.high == 2


def scores(x: Tensor) -> Tensor:
    """q kᵀ of two queries and three keys."""
    return x[:, :, :2] @ x[:, :, 2:].transpose(2, 3)


@pytest.mark.parametrize(
    ("x", "inputs", "theirs"),
    [
        # 1·2 + 2·1 + 1·2 = 6 pairs of binary spikes: equal
        (one([1, 1, 0], [0, 1, 1], [1, 0, 0], [0, 0, 1], [1, 1, 1]), BINARY, Theirs(6, 0)),
        # the same with signs: theirs 2 · 3 · 3 multiplications
        (one([1, -1, 0], [0, 1, 1], [1, 0, 0], [0, 0, -1], [1, 1, 1]), TERNARY, Theirs(0, 18)),
    ],
    ids=["binary", "ternary"],
)
def test_products_of_spikes(x: Tensor, inputs: Alphabet, theirs: Theirs) -> None:
    model = Formula(scores)
    assert peer(model, x)[""] == theirs
    assert ours(count_batch(model, x, inputs=inputs), "Formula", "product") == [("ac", 6, 12)]


def test_scores_that_are_zero() -> None:
    # q kᵀ 4 pairs, scores 1 0 / 2 1; v has one event a key. Theirs: each event of v to both queries, 2 · 2, ours to
    # the scores that are not zero, 2 + 1
    x = torch.stack([one([1, 0], [1, 1]), one([1, 1], [0, 1]), one([0, 1], [1, 0])], 2)
    model = Formula(lambda x: (x[:, :, 0] @ x[:, :, 1].transpose(2, 3)) @ x[:, :, 2])
    assert peer(model, x)[""] == Theirs(4 + 4, 0)
    assert totals(model, x, inputs=BINARY) == {"product ac 2": (4, 4), "product ac 3": (3, 5)}


def test_constants_that_look_like_spikes() -> None:
    # words times a matrix of ones: additions by the values, multiplications by what was declared
    words = pixels(1, 1, 3, 4) + 1 / 64
    ones = nn.Sequential(nn.Linear(4, 2, bias=False))
    ones[0].weight.data.fill_(1.0)
    assert peer(ones, words)["0"].ac == 24
    assert totals(ones, words) == {"linear mac f32": (24, 0)}
    # and words that happen to be 0 or 1 in one batch
    assert peer(ones, words.sign().clamp(0, 1))["0"].mac == 0
    assert totals(ones, words.sign().clamp(0, 1)) == {"linear mac f32": (24, 0)}


class Spike(NamedTuple):
    """SpikingJelly's Spikformer, its two counts, and the spikes of queries by block."""

    model: nn.Module
    theirs: dict[str, Theirs]
    ledger: Ledger
    query_spikes: list[int]


TIME, BATCH, WIDTH, TOKENS, HEAD, BLOCKS = 2, 3, 16, 4, 8, 2


@pytest.fixture(scope="module")
def spikformer() -> Spike:
    """Two blocks of two heads on 8 x 8 pixels, with weights in sixteenths."""
    torch.manual_seed(7)
    sizes: dict[str, Any] = {"img_size_h": 8, "img_size_w": 8, "patch_size": 4, "in_channels": 3}
    model = dyadic(Spikformer(T=TIME, embed_dims=WIDTH, num_heads=2, depths=BLOCKS, num_classes=5, **sizes))
    x = pixels(BATCH, 3, 8, 8)
    spikes: list[int] = []
    hooks = [
        block.attn.qkv_lif.register_forward_hook(lambda _m, _x, y: spikes.append(int(y[:, :, :WIDTH].sum())))
        for block in model.blocks
    ]
    theirs = peer(model, x)
    for hook in hooks:
        hook.remove()
    functional.reset_net(model)
    return Spike(model, theirs, count_batch(model, x, time_steps=0), spikes)


BINARY_LAYERS = [
    *(f"patch_embed.stages.{stage}.conv_bn.block.0" for stage in (1, 2, 3)),
    "patch_embed.positional_encoding.conv_bn.block.0",
    *(f"blocks.{n}.{part}.0" for n in range(BLOCKS) for part in ("attn.proj_conv_bn", "mlp.fc2")),
]


def test_their_spikformer_behind_binary_neurons(spikformer: Spike) -> None:
    found = {layer: ours(spikformer.ledger, layer) for layer in BINARY_LAYERS}
    assert all(len(rows) == 1 and rows[0][0] == "ac" for rows in found.values())
    assert {layer: Theirs(rows[0][1], 0) for layer, rows in found.items()} == {
        layer: spikformer.theirs[layer] for layer in BINARY_LAYERS
    }
    assert sum(rows[0][1] for rows in found.values()) > 10_000


def test_their_spikformer_on_pixels(spikformer: Spike) -> None:
    # 2 filters of 27 taps at 64 places; 22² of 24² taps are real
    layer = "patch_embed.stages.0.conv_bn.block.0"
    assert spikformer.theirs[layer] == Theirs(0, TIME * BATCH * 2 * 3 * 24**2)
    assert ours(spikformer.ledger, layer) == [("mac", TIME * BATCH * 2 * 3 * 22**2, 0)]


@pytest.mark.parametrize("block", range(BLOCKS))
@pytest.mark.parametrize(("part", "outputs"), [("attn.qkv_conv_bn.0", 3 * WIDTH), ("mlp.fc1.0", 4 * WIDTH)])
def test_their_spikformer_behind_a_residual_sum(
    spikformer: Spike, block: int, part: str, outputs: int
) -> None:
    """Sums of spikes reach 2 and more: theirs are dense multiplications, ours an addition for each unit."""
    layer = f"blocks.{block}.{part}"
    dense = TIME * BATCH * TOKENS * WIDTH * outputs
    assert spikformer.theirs[layer] == Theirs(0, dense)
    ((kind, done, skipped),) = ours(spikformer.ledger, layer)
    assert kind == "ac"
    assert 0 < skipped < dense
    # more units than elements that spike: some are 2 or more
    assert done > dense - skipped


@pytest.mark.parametrize("block", range(BLOCKS))
def test_their_spikformer_in_attention(spikformer: Spike, block: int) -> None:
    """(vᵀ k) q: equal for the first product; in the second theirs has each query spike meet a whole row."""
    layer = f"blocks.{block}.attn"
    first, second = ours(spikformer.ledger, layer, "product")
    parts = [spikformer.theirs[f"{layer}.{part}"].ac for part in ("qkv_conv_bn", "proj_conv_bn")]
    theirs = spikformer.theirs[layer].ac - sum(parts)
    assert theirs == first[1] + spikformer.query_spikes[block] * HEAD
    assert 0 < second[1] < spikformer.query_spikes[block] * HEAD
    # every product of both is done or skipped
    assert first[1] + first[2] == second[1] + second[2] == TIME * BATCH * 2 * TOKENS * HEAD**2


def test_their_spikformer_at_its_end(spikformer: Spike) -> None:
    """Token means are counts of spikes over a constant: words to them, to us unit events."""
    dense = TIME * BATCH * WIDTH * 5
    assert spikformer.theirs["head"] == Theirs(0, dense)
    ((kind, done, skipped),) = ours(spikformer.ledger, "head")
    assert kind == "ac"
    assert done > dense - skipped
