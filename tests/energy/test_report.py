"""What a report says, against the ledgers it is made from."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import snnpd
from snnpd.datasets.splits import Batch
from snnpd.energy import COST_MODELS, Operation, Word, count_batch, report
from snnpd.errors import UsageError
from snnpd.neurons import LIF
from tests.energy.counting import firing


def network(**options: Any) -> nn.Module:
    """A small network whose neurons fire."""
    sizes = {"input_shape": (1, 8, 8), "num_classes": 3, "depth": 1}
    return firing(snnpd.create_model("spikingformer_tiny", **(sizes | options)))


def test_means_and_spread_are_those_of_the_samples() -> None:
    model, x = network(), torch.rand(2, 5, 1, 8, 8)
    counted = report(model, [x[:, :2], x[:, 2:]])
    tree = counted.to_dict()
    single = [count_batch(model, x[:, b : b + 1]) for b in range(5)]
    assert tree["num_samples"] == 5
    assert tree["time_steps"] == 2
    for layer in tree["layers"]:
        for row in layer["operations"]:
            operation = Operation(row["kind"], row["bits"], row["is_float"])
            done = [
                sum(
                    int(count.done.sum())
                    for account, count in ledger
                    if account == (layer["name"], row["role"], operation)
                )
                for ledger in single
            ]
            assert row["done"] == pytest.approx(sum(done) / 5)
            assert row["std"] == pytest.approx(
                float(torch.tensor(done, dtype=torch.float64).std(correction=0))
            )
            assert sum(row["steps"]) == pytest.approx(row["done"])
    total = sum(row["done"] for row in tree["totals"]["operations"] if row["kind"] == "ac")
    assert total == pytest.approx(
        sum(r["done"] for x in tree["layers"] for r in x["operations"] if r["kind"] == "ac")
    )
    assert any(row["std"] > 0 for row in tree["totals"]["operations"])


def test_energy_is_counts_times_prices() -> None:
    # one linear layer of analog words, 4 x 3 products; a neuron on 3 elements at each of 2 steps: leak ½ is a shift
    model = nn.Sequential(nn.Linear(4, 3), LIF(decay=0.5))
    tree = report(model, [torch.rand(2, 1, 4)], costs="horowitz45,community,step").to_dict()
    mac, add = 4.6, 0.9
    by_hand = 2 * (12 * mac + 3 * (add / 20 + add + add))
    energies = {name: value["mean"] for name, value in tree["totals"]["energy_pj"].items()}
    assert energies["horowitz45"] == pytest.approx(by_hand)
    assert energies["community"] == pytest.approx(2 * (12 * mac + 3 * add))
    # 3 potentials of 32 bits, read and written at both steps
    assert energies["step"] == pytest.approx(energies["community"] + 2 * 2 * 3 * 32 * 3.12)
    assert sum(layer["energy_pj"]["horowitz45"] for layer in tree["layers"]) == pytest.approx(by_hand)


def test_baselines_are_the_same_maps_once_and_dense() -> None:
    model = nn.Sequential(nn.Linear(4, 3), LIF(), nn.Linear(3, 2))
    full, narrow = report(model, [torch.rand(5, 1, 4)]).to_dict()["baselines"]
    assert full["operations"][0]["done"] == narrow["operations"][0]["done"] == 4 * 3 + 3 * 2
    assert full["energy_pj"]["community"] == pytest.approx(18 * 4.6)
    # 5 steps of {0, 1} are one of 6 values: 3 bits
    assert narrow["name"] == "ANN, 3-bit"
    expected = 18 * COST_MODELS["horowitz45"].energy_pj(Operation("mac", 3))
    assert narrow["energy_pj"]["horowitz45"] == pytest.approx(expected)


def test_padding_is_cut_off() -> None:
    model = network(input_shape=(6, 2), attention="bsa")
    x = torch.rand(2, 3, 6, 2)
    mask = torch.arange(6) < torch.tensor([[6], [4], [4]])
    counted = report(model, [Batch(x, torch.zeros(3, dtype=torch.int64), mask)]).to_dict()
    alone = [report(model, [x[:, b : b + 1, :length]]).to_dict() for b, length in enumerate((6, 4, 4))]
    for cost, energy in counted["totals"]["energy_pj"].items():
        assert energy["mean"] == pytest.approx(
            sum(one["totals"]["energy_pj"][cost]["mean"] for one in alone) / 3
        )


@pytest.mark.parametrize("batch", ["tensor", "pair", "batch"])
def test_loaders_give_what_they_give(batch: str) -> None:
    x = torch.rand(2, 3, 4)
    y = torch.zeros(3, dtype=torch.int64)
    given: Any = {"tensor": x, "pair": (x, y), "batch": Batch(x, y)}[batch]
    tree = report(nn.Linear(4, 2), [given]).to_dict()
    assert tree["totals"]["operations"][0]["done"] == 2 * 4 * 2


def test_no_more_samples_than_asked_for() -> None:
    seen: list[int] = []
    counted = report(nn.Linear(4, 2), iter([torch.rand(1, 3, 4)] * 9), max_samples=7, progress=seen.append)
    assert counted.to_dict()["num_samples"] == 7
    assert seen == [3, 6, 7]


def test_static_input_of_a_network_that_makes_its_own_steps() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.fire, self.last = nn.Linear(4, 3), LIF(threshold=0.1), nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.last(self.fire(self.first(x).unsqueeze(0).repeat(6, 1, 1))).mean(0)

    torch.manual_seed(1)
    tree = report(Own(), [torch.rand(5, 4)], is_time_first=False).to_dict()
    assert tree["num_samples"] == 5
    assert tree["time_steps"] == 6
    by_layer = {layer["name"]: layer for layer in tree["layers"]}
    # the first layer runs once, the last one six times: 3 x 2 products each
    assert by_layer["first"]["operations"][0]["done"] == 12
    (row,) = by_layer["last"]["operations"]
    assert row["done"] + row["skipped"] == 6 * 6
    assert row["done"] > 0


def test_training_mode_and_state_are_left_as_they_were() -> None:
    model = nn.Sequential(nn.Linear(4, 3), LIF()).train()
    first = report(model, [torch.rand(2, 3, 4)]).to_dict()
    assert model.training
    assert isinstance(model[1].v, float)
    assert not model[1].watchers
    assert first["num_parameters"] == 15


def test_files_hold_the_same(tmp_path: Path) -> None:
    counted = report(network(), [torch.rand(2, 2, 1, 8, 8)], name="<b>", word=Word(24, is_float=False))
    paths = counted.save(tmp_path)
    assert [path.name for path in paths] == ["energy.json", "energy.csv", "energy.html"]
    tree = json.loads(paths[0].read_text())
    assert tree == json.loads(json.dumps(counted.to_dict()))
    assert tree["schema"] == "snnpd.energy/1"
    rows = list(csv.DictReader(io.StringIO(paths[1].read_text())))
    counted_rows = [row for row in rows if row["role"] not in ("memory", "unpriced")]
    assert len(counted_rows) == sum(len(layer["operations"]) for layer in tree["layers"])
    for cost in ("horowitz45", "community", "lemaire", "step"):
        assert sum(float(row[f"energy_pj_{cost}"]) for row in rows) == pytest.approx(
            tree["totals"]["energy_pj"][cost]["mean"]
        )
    assert "<b>" not in paths[2].read_text().split("</title>")[0]
    assert {row["bits"] for row in rows if row["kind"] == "shift"} == {"24"}


def test_a_baseline_is_a_mean_over_samples_of_different_lengths() -> None:
    # 2 and 20 tokens of 4 x 3 products: 24 and 240, in the mean 132
    x, mask = torch.rand(1, 2, 20, 4), torch.arange(20) < torch.tensor([[2], [20]])
    tree = report(nn.Linear(4, 3), [Batch(x, torch.zeros(2, dtype=torch.int64), mask)]).to_dict()
    assert tree["totals"]["operations"][0]["done"] == 132
    assert tree["baselines"][0]["operations"][0]["done"] == 132


@pytest.mark.parametrize("mode", ["m", "s"])
def test_a_network_called_step_by_step_has_the_baseline_of_one_step(mode: str) -> None:
    class Stepwise(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(nn.Linear(4, 3), LIF(threshold=0.1, step_mode=mode), nn.Linear(3, 2))

        def forward(self, x: Tensor) -> Tensor:
            return self.net(x) if mode == "m" else torch.stack([self.net(step) for step in x])

    tree = report(Stepwise(), [torch.rand(5, 2, 4)]).to_dict()
    assert tree["time_steps"] == 5
    assert tree["baselines"][0]["operations"][0]["done"] == 18
    assert tree["baselines"][1]["name"] == "ANN, 3-bit"
    (mac,) = [row for row in tree["totals"]["operations"] if row["kind"] == "mac"]
    assert mac["done"] == 5 * 12


@pytest.mark.parametrize("cost", COST_MODELS)
def test_no_ann_is_cheaper_than_its_own_baseline(cost: str) -> None:
    # the baseline of an ANN in floats is itself less what has no product
    twin = snnpd.create_model("vit_tiny_twin", input_shape=(1, 8, 8), depth=1)
    tree = report(twin, [torch.rand(1, 2, 1, 8, 8)], costs=cost).to_dict()
    network, baseline = tree["totals"]["energy_pj"][cost]["mean"], tree["baselines"][0]["energy_pj"][cost]
    assert 0.9 * network < baseline <= network


def test_modes_and_weights_are_left_alone() -> None:
    class Own(nn.Linear):
        def reset(self) -> None:
            raise AssertionError("a reset of the user's own")

    model = nn.Sequential(Own(4, 3), nn.BatchNorm1d(3).eval()).train()
    model[1].eval()
    report(model, [torch.rand(5, 4)], is_time_first=False)
    assert [part.training for part in model.modules()] == [True, True, False]


@pytest.mark.parametrize(
    ("loader", "message"),
    [
        ([], "the loader gave no samples"),
        ([{"x": torch.rand(1, 1, 4)}], "the loader gave dict; a batch is a tensor, a pair"),
        (
            [(torch.rand(16, 1, 4), torch.zeros(16))],
            r"a batch of \[16, 1, 4\] with 16 labels is no \[T, B, ...\]; give is_time_first=False",
        ),
        (
            [Batch(torch.rand(1, 1, 3, 4), torch.zeros(1), torch.tensor([[True, False, True]]))],
            "a mask has gaps",
        ),
    ],
)
def test_loaders_that_cannot_be_read(loader: list[Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        report(nn.Linear(4, 2), loader)
