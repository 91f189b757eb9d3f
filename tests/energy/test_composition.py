"""A batch costs what its samples cost, step by step; a count leaves no state behind; padding is cut off or refused."""

from typing import NamedTuple

import pytest
import torch
from spikingjelly.activation_based import functional
from spikingjelly.activation_based import neuron as library
from spikingjelly.activation_based.model.spikformer import Spikformer
from torch import Tensor, nn

from snnpd.energy.ledger import Ledger
from snnpd.energy.samples import pieces
from snnpd.energy.tally import count_batch
from snnpd.errors import UsageError
from snnpd.models.backbone import Backbone
from snnpd.models.spikingformer import spikingformer
from snnpd.models.twin import vit_tiny_twin
from tests.energy.counting import Formula, dyadic, pixels, placed, totals

ATTENTIONS = ["bsa", "bipolar_bn", "ssa", "sdsa1", "sdsa3", "token_qk", "channel_qk"]


def network(attention: str, shape: tuple[int, ...] = (2, 8, 8)) -> Backbone:
    """A small network of ours, two blocks of two heads."""
    sizes = {"dim": 16, "depth": 2, "num_heads": 2, "pools": (False, True)}
    model = dyadic(spikingformer(**sizes, attention=attention, input_shape=shape, num_classes=3))
    assert isinstance(model, Backbone)
    return model


def theirs() -> Spikformer:
    """SpikingJelly's Spikformer, as small; it repeats an image over its two time steps."""
    model = Spikformer(
        T=2,
        img_size_h=8,
        img_size_w=8,
        patch_size=4,
        in_channels=2,
        embed_dims=16,
        num_heads=2,
        depths=1,
        num_classes=3,
    )
    assert isinstance(dyadic(model), Spikformer)
    return model


def encoder() -> nn.Module:
    """An ANN without time steps."""
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    return nn.Sequential(nn.Linear(4, 8), layer, nn.GELU(), nn.Linear(8, 3)).eval()


def stepwise() -> nn.Module:
    """A network that is called once for each time step, as SpikingJelly's single-step modules are."""
    layers = nn.Conv2d(2, 4, 3), library.LIFNode(), nn.Flatten(), nn.Linear(144, 3), library.IFNode()
    net = dyadic(nn.Sequential(*layers))
    return Formula(lambda x, net: torch.stack([net(step) for step in x]).mean(0), net=net)


class Subject(NamedTuple):
    """A network with a batch of three, and the time steps of its input."""

    model: nn.Module
    x: Tensor
    time_steps: int


def subject(name: str) -> Subject:
    """By name: one of our networks, its twin, SpikingJelly's, an ANN."""
    if name == "spikformer":
        return Subject(theirs(), pixels(3, 2, 8, 8), 0)
    if name == "encoder":
        return Subject(encoder(), pixels(3, 5, 4), 0)
    if name == "stepwise":
        return Subject(stepwise(), pixels(2, 3, 2, 8, 8), 2)
    if name == "twin":
        return Subject(vit_tiny_twin(input_shape=(2, 8, 8), dim=16).eval(), pixels(1, 3, 2, 8, 8), 1)
    if name == "series":
        return Subject(network("bsa", (5, 2)), pixels(2, 3, 5, 2), 2)
    return Subject(network(name), pixels(2, 3, 2, 8, 8), 2)


def count(tested: Subject, x: Tensor) -> Ledger:
    """As a report would: from a fresh state."""
    functional.reset_net(tested.model)
    return count_batch(tested.model, x, time_steps=tested.time_steps)


@pytest.mark.parametrize("name", [*ATTENTIONS, "series", "stepwise", "twin", "spikformer", "encoder"])
def test_a_batch_costs_what_its_samples_cost(name: str) -> None:
    tested = subject(name)
    batch = placed(count(tested, tested.x))
    axis = 1 if tested.time_steps else 0
    singles = [placed(count(tested, tested.x.narrow(axis, b, 1))) for b in range(3)]
    assert all(single.keys() == batch.keys() for single in singles)
    for account, numbers in batch.items():
        for which, whole in enumerate(numbers):
            apart = [[single[account][which][t][0] for single in singles] for t in range(len(whole))]
            assert whole == apart, account
    # the samples differ, and all but the ANN skip
    skipped = [sum(sum(sum(row) for row in numbers[1]) for numbers in single.values()) for single in singles]
    assert (len(set(skipped)) > 1) == (name not in ("twin", "encoder"))


@pytest.mark.parametrize("name", ["bsa", "ssa", "stepwise", "spikformer"])
def test_counting_twice_gives_the_same(name: str) -> None:
    tested = subject(name)
    first = count(tested, tested.x)
    again = count(tested, tested.x)
    assert placed(first) == placed(again)
    assert first.unpriced == again.unpriced
    assert {key: words.tolist() for key, words in first.accesses.items()} == {
        key: words.tolist() for key, words in again.accesses.items()
    }
    assert first.rates == again.rates


class Batch(NamedTuple):
    """Series of different lengths, as a loader gives them."""

    x: Tensor
    mask: Tensor


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_padding_is_cut_off(attention: str) -> None:
    model = network(attention, (5, 2))
    lengths = [5, 2, 5]
    x = pixels(2, 3, 5, 2)
    mask = torch.arange(5) < torch.tensor(lengths)[:, None]
    cut = [
        totals(model, piece.x, given=piece.given) for piece in pieces(Batch(x, mask), None, x.device, True)
    ]
    single = [totals(model, x[:, b : b + 1, :length]) for b, length in enumerate(lengths)]
    assert len(cut) == 2
    for name in single[0].keys() | single[1].keys():
        for which in (0, 1):
            assert sum(part.get(name, (0, 0))[which] for part in cut) == sum(
                part.get(name, (0, 0))[which] for part in single
            )


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("lengths", [(5, 2), (5, 3)])
def test_padding_that_stays_in_the_batch_is_refused(attention: str, lengths: tuple[int, int]) -> None:
    # 7 real tokens are no whole number a sample; 8 are, and must not be taken for 4 of each
    mask = torch.arange(5) < torch.tensor(lengths)[:, None]
    with pytest.raises(UsageError, match=r"samples of their own length|parts of a batch|leading axes"):
        count_batch(network(attention, (5, 2)), pixels(2, 2, 5, 2), lambda model, x: model(x, mask))
