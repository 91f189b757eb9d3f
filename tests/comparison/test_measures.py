"""What is measured of a network: against its definition, on networks whose answers are known."""

import copy
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from snnpd import create_dataset, create_model
from snnpd.analysis.heads import attention_entropy
from snnpd.comparison.measures import (
    Bench,
    add_noise,
    attention_figures,
    attention_maps,
    calibration,
    erase,
    input_scale,
    noise_curve,
    predict,
    score,
    warm_up,
)
from snnpd.comparison.memory import peak_memory
from snnpd.datasets.limit import limit
from snnpd.datasets.loading import make_loader
from snnpd.neurons import firing_rates
from snnpd.training import Encoder, RuntimeConfig, make_fabric


@pytest.fixture(scope="module")
def fabric() -> Any:
    return make_fabric(RuntimeConfig(accelerator="cpu"))


def bench_of(
    fabric: Any, name: str, time_steps: int = 3, num: int = 20, batch_size: int = 8, **options: Any
) -> Bench:
    splits = limit(create_dataset(name, **options), None, num)
    loader = make_loader(splits.test, batch_size, shuffle=False)
    return Bench(loader, Encoder("direct", time_steps, splits.kind), fabric)


@pytest.fixture(scope="module")
def digits(fabric: Any) -> Bench:
    return bench_of(fabric, "digits")


@pytest.fixture(scope="module")
def vowels(fabric: Any) -> Bench:
    return bench_of(fabric, "japanese_vowels")


def network(bench: Bench, name: str = "spikingformer_tiny", **options: Any) -> nn.Module:
    torch.manual_seed(0)
    x = next(iter(bench.loader)).x
    shape = tuple(x.shape[1:]) if bench.encode.kind != "frames" else tuple(x.shape[2:])
    model = create_model(name, input_shape=shape, num_classes=10, dim=16, depth=2, **options)
    for module in model.modules():  # lively: with its first weights hardly a neuron fires
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.bias, 0.5, 0.5)
    return model.eval()


def test_calibration_of_known_chances() -> None:
    # Confidences 0.9 and 0.6; right, right, wrong, wrong: gaps of 0.1 + 0.4 and 0.1... by bin, see below.
    chances = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.6, 0.4]], dtype=torch.float64)
    labels = torch.tensor([0, 0, 1, 1])
    found = calibration(chances.log(), labels)
    # The bin of 0.9 has 2 of 3 right: 3/4 · |2/3 - 0.9|; that of 0.6 has none: 1/4 · 0.6.
    assert found["ece"] == pytest.approx(0.75 * abs(2 / 3 - 0.9) + 0.25 * 0.6)
    assert found["nll"] == pytest.approx(-(2 * math.log(0.9) + math.log(0.1) + math.log(0.4)) / 4)
    # Squared distance to the true class's corner, both classes.
    assert found["brier"] == pytest.approx((2 * 0.02 + 2 * 0.81 + 2 * 0.36) / 4)


def test_a_sure_and_right_network_is_calibrated() -> None:
    found = calibration(torch.eye(10).repeat(3, 1) * 1000, torch.arange(10).repeat(3))
    assert found == {"nll": 0.0, "ece": 0.0, "brier": 0.0}


@pytest.mark.parametrize("kind", ["digits", "vowels"])
def test_fewer_steps_are_what_a_shorter_run_gives(kind: str, request: pytest.FixtureRequest) -> None:
    bench = request.getfixturevalue(kind)
    model = network(bench)
    whole = predict(model, bench)
    assert whole.logits.shape == (3, 20, 10)
    assert whole.logits.std() > 0.01
    for steps in (1, 2):
        shorter = predict(model, replace(bench, encode=replace(bench.encode, time_steps=steps)))
        torch.testing.assert_close(shorter.logits, whole.logits[:steps], rtol=1e-5, atol=1e-5)
        assert torch.equal(shorter.correct(), whole.correct(steps))


def test_a_score_adds_up(digits: Bench) -> None:
    model = network(digits)
    figures = score(model, digits)
    predicted = predict(model, digits)
    correct = predicted.logits.mean(0).argmax(-1) == predicted.labels
    assert figures["samples"]["accuracy"].tolist() == correct.float().tolist()
    assert figures["accuracy"] == correct.double().mean().item()
    assert figures["steps"]["levels"] == [1, 2, 3]
    assert figures["steps"]["accuracy"][-1] == figures["accuracy"]
    assert figures["inference_ms"] > 0
    looked = attention_figures(model, digits, num_samples=20)
    with firing_rates(model) as rates:
        predict(model, digits)
    assert looked["firing_rate"] == pytest.approx(sum(rates.values()) / len(rates))
    assert 0.01 < looked["firing_rate"] < 0.9


def test_an_ann_has_neither_steps_nor_a_firing_rate(fabric: Any) -> None:
    bench = bench_of(fabric, "digits", time_steps=1)
    figures = score(network(bench, "vit_tiny_twin"), bench)
    assert "steps" not in figures
    assert attention_figures(network(bench, "vit_tiny_twin"), bench, 4)["firing_rate"] is None


def test_noise_is_that_of_the_sample_whatever_its_batch(digits: Bench) -> None:
    x = next(iter(digits.loader)).x
    noise = add_noise(x, 40, 0.5) - x
    assert noise.std() == pytest.approx(0.5, rel=0.1)
    torch.manual_seed(5)
    torch.testing.assert_close(add_noise(x[2:], 42, 0.5) - x[2:], noise[2:], rtol=0, atol=1e-6)
    assert not torch.allclose(add_noise(x, 41, 0.5) - x, noise)


def test_events_are_lost_never_made() -> None:
    x = torch.randint(0, 3, (3, 50, 2, 8, 8)).float()
    kept = erase(x, 0, 0.3)
    assert torch.equal(kept[kept != 0], x[kept != 0])
    assert (kept != 0).sum() / (x != 0).sum() == pytest.approx(0.7, abs=0.03)
    assert torch.equal(erase(x[:, 7:], 7, 0.3), kept[:, 7:])


def test_the_scale_of_noise_is_that_of_real_entries(digits: Bench, vowels: Bench) -> None:
    real = torch.cat([batch.x[batch.mask] for batch in vowels.loader])
    whole = torch.cat([batch.x.flatten() for batch in vowels.loader])
    assert input_scale(vowels) == pytest.approx(real.std().item(), rel=1e-5)
    assert input_scale(vowels) > 1.1 * whole.std().item()
    x = torch.cat([batch.x for batch in digits.loader])
    assert input_scale(digits) == pytest.approx(x.std().item(), rel=1e-5)


def test_figures_of_the_first_samples_do_not_depend_on_the_batches(fabric: Any) -> None:
    looked = []
    for size in (4, 7, 20):
        bench = bench_of(fabric, "japanese_vowels", batch_size=size)
        looked.append(attention_figures(network(bench), bench, num_samples=10))
    for other in looked[1:]:
        assert other.keys() == looked[0].keys()
        for name in ("firing_rate", "row_sum_min", "row_sum_median", "head_distance"):
            assert other[name] == pytest.approx(looked[0][name], rel=1e-4)


def test_a_warm_up_leaves_the_network_as_it_was(digits: Bench) -> None:
    model = network(digits)
    before = copy.deepcopy(model.state_dict())
    warm_up(model, digits)
    assert not model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_noise_curve_begins_with_the_clean_accuracy(digits: Bench) -> None:
    curve = noise_curve(network(digits), digits, clean=0.123)
    assert curve["accuracy"][0] == 0.123
    assert len(curve["accuracy"]) == len(curve["levels"]) == 4
    assert all(0 <= accuracy <= 1 for accuracy in curve["accuracy"])


@pytest.mark.parametrize(("attention", "low", "high"), [("bsa", 0.5, 1.0), ("spiking_uniform", 1.0, 1.0)])
@pytest.mark.parametrize("kind", ["digits", "vowels"])
def test_rows_sum_to_what_the_normaliser_says(
    kind: str, attention: str, low: float, high: float, request: pytest.FixtureRequest
) -> None:
    bench = request.getfixturevalue(kind)
    figures = attention_figures(network(bench, attention=attention), bench, num_samples=11)
    assert (
        low - 1e-6
        <= figures["row_sum_min"]
        <= figures["row_sum_median"]
        <= figures["row_sum_max"]
        <= high + 1e-6
    )
    assert len(figures["samples"]["head_distance"]) == 11
    assert figures["head_distance"] == pytest.approx(figures["samples"]["head_distance"].mean(), rel=1e-6)
    if attention == "spiking_uniform":
        assert figures["attention_entropy"] == pytest.approx(1.0)


def test_pooled_heads_are_looked_at_all_together(digits: Bench) -> None:
    figures = attention_figures(network(digits, attention="bipolar_sh"), digits, num_samples=4)
    assert figures["head_distance"] > 0
    assert 0 <= figures["attention_entropy"] <= 1


def test_attention_without_a_map_has_no_row_sums(digits: Bench) -> None:
    figures = attention_figures(network(digits, attention="sdsa1"), digits, num_samples=4)
    assert "row_sum_min" not in figures
    assert "attention_entropy" not in figures
    shown = attention_maps(network(digits, attention="sdsa1"), digits)
    assert shown["layers"] == []


def test_maps_are_of_the_last_layer_and_the_sample_as_it_is(digits: Bench, vowels: Bench) -> None:
    shown = attention_maps(network(digits), digits)
    assert (shown["sample"]["kind"], np.shape(shown["sample"]["values"])) == ("image", (8, 8))
    assert shown["layers"][0]["layer"].startswith("blocks.1")
    assert np.shape(shown["layers"][0]["heads"]) == (4, 16, 16)
    shown = attention_maps(network(vowels), vowels)
    length = len(shown["sample"]["values"])
    assert length < 29
    assert np.shape(shown["layers"][0]["heads"]) == (4, length, length)
    assert np.sum(shown["layers"][0]["heads"], -1).min() > 0.4


@pytest.mark.parametrize(
    ("rows", "entropy"),
    [([[1, 1], [1, 1]], 1.0), ([[1, 0], [0, 3]], 0.0), ([[-1, 1], [0, 2]], 0.5), ([[0, 0], [1, 1]], 1.0)],
)
def test_entropy_of_known_rows(rows: list[list[float]], entropy: float) -> None:
    weights = torch.tensor(rows, dtype=torch.float32).view(1, 1, 1, 2, 2)
    assert attention_entropy(weights).mean().item() == pytest.approx(entropy)


def test_rows_without_weight_and_single_keys_have_no_entropy() -> None:
    assert attention_entropy(torch.zeros(1, 1, 1, 2, 2)).numel() == 0
    assert attention_entropy(torch.ones(1, 1, 1, 2, 1)).numel() == 0


@pytest.mark.parametrize("attention", ["bsa", "bipolar_sh"])
def test_padding_is_in_no_figure_of_attention(vowels: Bench, attention: str) -> None:
    """Series as they are shown, padded to the longest, and each alone in its own length: the same figures."""
    model = network(vowels, attention=attention)
    figures = attention_figures(model, vowels, num_samples=6)
    batch = vowels.first(next(iter(vowels.loader)), 6)
    alone = [
        batch._replace(x=x[None, : int(real.sum())], y=y[None], mask=real[None, : int(real.sum())])
        for x, y, real in zip(batch.x, batch.y, batch.mask, strict=True)
    ]
    assert len({one.x.shape[1] for one in alone}) > 2
    apart = [attention_figures(model, replace(vowels, loader=[one]), num_samples=1) for one in alone]
    # Nearly: neurons behind the pooling of -SH see a token for every few.
    lengths = np.array([one.x.shape[1] for one in alone])
    rates = [found["firing_rate"] for found in apart]
    assert figures["firing_rate"] == pytest.approx(np.average(rates, weights=lengths), rel=1e-3)
    # Of the map's rows, one a token, each counts as much.
    entropies = [found["attention_entropy"] for found in apart]
    assert figures["attention_entropy"] == pytest.approx(np.average(entropies, weights=lengths), rel=1e-3)
    assert sorted(figures["samples"]["head_distance"]) == pytest.approx(
        sorted(found["head_distance"] for found in apart), rel=1e-6
    )


def test_peak_memory_sees_what_is_taken_and_given_back() -> None:
    def take(mib: int) -> Tensor:
        return torch.ones(mib << 18)

    with peak_memory(torch.device("cpu")) as peak:
        take(200).sum()
    if peak.mib is None:
        pytest.skip("this system does not tell a process's peak")
    assert 195 < peak.mib < 260
    with peak_memory(torch.device("cpu")) as peak:
        take(20).sum()
    assert peak.mib is not None
    assert 15 < peak.mib < 80
