import copy

import pytest
import torch
from spikingjelly.activation_based.neuron import IFNode
from torch import nn

from snnpd.attention.base import Attention
from snnpd.comparison.converted import OfMeans, convert
from snnpd.datasets.loading import Batch, make_loader
from snnpd.energy import report
from snnpd.errors import UsageError
from snnpd.training import Encoder
from tests.comparison.digits import IMAGE, SERIES, accuracy, digits, images, series, train, twin

STEPS = (4, 16, 48)


def loader() -> object:
    return make_loader(digits().train, 64, shuffle=False)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> nn.Module:
    model = twin(activation="relu", **IMAGE)
    assert train(model, tmp_path_factory.mktemp("run"), epochs=3) > 0.85
    return model


@pytest.fixture(scope="module")
def spiking(trained: nn.Module) -> nn.Module:
    return convert(trained, loader())


@torch.no_grad()
def test_it_approaches_the_ann_with_its_time_steps(trained: nn.Module) -> None:
    spiking = convert(trained, loader(), mode="Max")
    wanted = trained(images(40))[0]
    errors = [float((spiking(images(40, steps)).mean(0) - wanted).abs().mean()) for steps in STEPS]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < errors[0] / 4
    assert errors[-1] < 0.15 * float(wanted.abs().mean())


def test_it_is_as_accurate_in_the_end(trained: nn.Module, spiking: nn.Module) -> None:
    found = [accuracy(spiking, steps) for steps in (1, 24)]
    assert found[0] < 0.5
    assert found[1] > accuracy(trained) - 0.02


@torch.no_grad()
def test_neither_other_samples_nor_earlier_calls_count(spiking: nn.Module) -> None:
    x = images(6, 5)
    wanted = spiking(x)
    assert torch.equal(spiking(x), wanted)
    for sample in range(6):
        alone = spiking(x[:, sample : sample + 1])
        torch.testing.assert_close(alone, wanted[:, sample : sample + 1], rtol=1e-4, atol=1e-4)
    # The same spikes at first, however many steps follow.
    torch.testing.assert_close(spiking(images(6, 8))[:5], wanted, rtol=1e-4, atol=1e-4)
    assert torch.equal(copy.deepcopy(spiking)(x), wanted)
    assert not torch.equal(wanted[0], wanted[4])


def test_what_spikes_and_what_stays_analog(trained: nn.Module, spiking: nn.Module) -> None:
    assert not [module for module in spiking.modules() if isinstance(module, nn.ReLU)]
    assert sum(isinstance(module, nn.ReLU) for module in trained.modules()) == 4
    assert sum(isinstance(module, IFNode) for module in spiking.modules()) == 4
    inside = [type(module.function).__name__ for module in spiking.modules() if isinstance(module, OfMeans)]
    assert sorted(inside) == ["LayerNorm"] * 5 + ["MaxPool2d"] + ["SoftmaxAttention"] * 2
    assert sum(p.numel() for p in spiking.parameters()) == sum(p.numel() for p in trained.parameters())


def test_its_maps_behind_neurons_are_additions(spiking: nn.Module) -> None:
    counted = report(spiking, [images(8)[0]], encode=Encoder(time_steps=4)).to_dict()
    kinds = {
        layer["name"]: {op["kind"] for op in layer["operations"] if op["role"] == "linear" and op["done"]}
        for layer in counted["layers"]
    }
    maps = {name: found for name, found in kinds.items() if found}
    adding = {name for name, found in maps.items() if found == {"ac"}}
    assert adding == {
        "stem.convs.1.conv", "stem.position.conv", "blocks.0.feed_forward.narrow", "blocks.1.feed_forward.narrow",
    }  # fmt: skip
    assert all(maps[name] == {"mac"} for name in maps.keys() - adding)
    assert len(maps) == 4 + 8
    rates = [layer["firing_rate"] for layer in counted["layers"] if layer["firing_rate"] is not None]
    assert len(rates) == 4
    assert all(0 < rate < 1 for rate in rates)
    assert counted["time_steps"] == 4
    assert not [row for row in counted["unpriced"] if row["function"] not in ("1/sqrt", "exp")]


@torch.no_grad()
def test_series_with_padding() -> None:
    x, mask = series()
    ann = twin(activation="relu", **SERIES).eval()
    batch = Batch(x[0], torch.zeros(6, dtype=torch.long), mask)
    spiking = convert(ann, [batch], mode="Max")
    errors = []
    for steps in STEPS:
        found = spiking(x.expand(steps, *x.shape[1:]), mask)
        errors.append(float((found.mean(0) - ann(x, mask)[0]).abs().mean()))
    assert errors[-1] < errors[0] / 4
    # What stands in the padding does not count.
    noise = torch.where(mask.unsqueeze(-1), x, 7.0)
    torch.testing.assert_close(
        spiking(noise.expand(4, *x.shape[1:]), mask), spiking(x.expand(4, *x.shape[1:]), mask)
    )


@pytest.mark.parametrize("num_steps", [1, 2, 5])
@pytest.mark.parametrize("is_together", [True, False])
def test_parts_of_a_function_of_the_mean_so_far(num_steps: int, is_together: bool) -> None:
    layer = OfMeans(nn.Softmax(-1))
    layer.num_steps = num_steps
    x = torch.randn(num_steps, 3, 4)
    y = layer(x.flatten(0, 1)).view(x.shape) if is_together else layer(x)
    for t in range(1, num_steps + 1):
        torch.testing.assert_close(y[:t].mean(0), x[:t].mean(0).softmax(-1))


@pytest.mark.parametrize(
    ("options", "batches", "message"),
    [
        ({"activation": "gelu"}, loader, r"stem\.activations\.0 is a GELU.*activation='relu'"),
        ({"activation": "relu"}, list, "the loader gave no batch"),
    ],
)
def test_refused_in_words(options: dict, batches: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        convert(twin(**IMAGE, **options), batches())


def test_a_network_without_relus_is_refused() -> None:
    with pytest.raises(UsageError, match="Sequential has no ReLU"):
        convert(nn.Sequential(nn.Linear(2, 2)), loader())


def test_relus_inside_attention_stay(trained: nn.Module) -> None:
    class Gated(Attention):
        def __init__(self) -> None:
            super().__init__(32, 4)
            self.gate = nn.ReLU()

        def attend(self, x: torch.Tensor, *_: object) -> torch.Tensor:
            return self.gate(x)

    model = copy.deepcopy(trained)
    model.blocks[0].attention = Gated()
    spiking = convert(model, loader(), num_batches=1)
    assert isinstance(spiking.blocks[0].attention.function.gate, nn.ReLU)
    assert spiking(images(2, 3)).isfinite().all()
