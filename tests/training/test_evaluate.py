from typing import Any

import pytest
import torch
from spikingjelly.activation_based.neuron import IFNode
from torch import Tensor, nn

from snnpd.datasets.loading import make_loader
from snnpd.training import Encoder, Score, evaluate, make_fabric
from tests.training.toys import CPU, ToyData, toy

FABRIC = make_fabric(CPU)


def score(model: nn.Module, encode: Encoder, **options: Any) -> Any:
    return evaluate(model, make_loader(ToyData(23), 8, shuffle=False), encode, fabric=FABRIC, **options)


def test_every_sample_counts_once() -> None:
    model, data = toy(), ToyData(23)
    got = score(model, Encoder(time_steps=3), rates=True)
    with torch.no_grad():
        model.spike.reset()
        logits = model(data.x.expand(3, *data.x.shape)).mean(0)
    assert (got.correct, got.total) == (int((logits.argmax(1) == data.y).sum()), 23)
    assert got.loss == pytest.approx(float(nn.functional.cross_entropy(logits, data.y)))
    assert list(got.firing_rates) == ["spike"]
    assert 0 < got.firing_rates["spike"] < 1


def test_a_drawn_encoding_is_drawn_alike() -> None:
    one, two, other = (score(toy(), Encoder("rate", 5), seed=seed) for seed in (1, 1, 2))
    assert one == two
    assert one.loss != other.loss


def test_drawing_leaves_the_random_numbers_alone() -> None:
    model = toy()
    before = torch.get_rng_state()
    score(model, Encoder("rate", 5))
    assert torch.equal(torch.get_rng_state(), before)


class Foreign(nn.Module):
    """A network of SpikingJelly's nodes that takes no mask and does not reset itself."""

    def __init__(self) -> None:
        super().__init__()
        self.node = IFNode(step_mode="m")
        self.out = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.node(x.flatten(2)))


def test_foreign_networks_are_reset_between_batches() -> None:
    torch.manual_seed(0)
    model = Foreign()
    assert score(model, Encoder(time_steps=3)) == score(model, Encoder(time_steps=3))


@pytest.mark.parametrize("world_size", [2, 3])
def test_what_processes_count_adds_up_to_what_one_does(world_size: int) -> None:
    model = toy()
    parts: list[Score] = []
    for rank in range(world_size):
        loader = make_loader(ToyData(23), 4, shuffle=False, rank=rank, world_size=world_size)
        parts.append(evaluate(model, loader, Encoder(time_steps=3), fabric=FABRIC))
    whole = score(model, Encoder(time_steps=3))
    assert sum(part.total for part in parts) == whole.total
    assert sum(part.correct for part in parts) == whole.correct
    assert sum(part.loss * part.total for part in parts) / 23 == pytest.approx(whole.loss)
