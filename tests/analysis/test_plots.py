import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot
import numpy as np
import pytest
import torch
from matplotlib.image import imread
from torch import Tensor

from snnpd.analysis import plot_attention, plot_curves, plot_raster, record_spikes
from tests.training.toys import toy


def colours_in(png: Path) -> int:
    """How many colours a picture has; one that shows nothing has hardly any."""
    pixels = (imread(png)[..., :3] * 255).round().astype(int)
    return len(np.unique(pixels.reshape(-1, 3), axis=0))


def share_of(png: Path, hex_colour: str) -> float:
    wanted = np.array([int(hex_colour[i : i + 2], 16) for i in (1, 3, 5)])
    return float((np.abs(imread(png)[..., :3] * 255 - wanted).max(-1) < 3).mean())


@pytest.mark.parametrize("epochs", [1, 30])
@pytest.mark.parametrize("without", [(), ("val_loss", "val_accuracy"), ("firing_rate",)])
def test_curves(tmp_path: Path, epochs: int, without: tuple[str, ...]) -> None:
    rows: list[dict[str, Any]] = []
    for epoch in range(1, epochs + 1):
        row = {
            "epoch": epoch,
            "train_loss": 2 / epoch,
            "train_accuracy": 1 - 0.9 / epoch,
            "val_loss": 2.5 / epoch,
        }
        row |= {"val_accuracy": 1 - 0.8 / epoch, "lr": 1e-3 / epoch, "firing_rate": 0.2, "seconds": 1.0}
        rows.append({key: None if key in without else value for key, value in row.items()})
    metrics, png = tmp_path / "metrics.jsonl", tmp_path / "plots/curves.png"
    metrics.write_text("".join(json.dumps(row) + "\n" for row in rows))
    plot_curves(metrics, png, chosen_epoch=epochs)
    assert share_of(png, "#0072b2") > 0.0005
    assert (share_of(png, "#d55e00") > 0.0003) == ("val_loss" not in without)
    assert imread(png).shape[1] == pytest.approx(150 * 3.1 * (3 if "firing_rate" in without else 4), abs=2)


def test_a_raster_shows_as_many_spikes_as_there_are(tmp_path: Path) -> None:
    draws = torch.rand(4, 10, 10, generator=torch.Generator().manual_seed(0))
    layers = {"quiet": (draws < 0.05).float(), "ternary": (draws < 0.2).float() - (draws > 0.6).float()}
    shares = []
    for name, spikes in layers.items():
        plot_raster({name: spikes}, tmp_path / f"{name}.png")
        shares.append([share_of(tmp_path / f"{name}.png", colour) for colour in ("#0072b2", "#d55e00")])
    assert shares[0][1] == 0
    assert shares[1][0] / shares[0][0] == pytest.approx(4, rel=0.35)
    assert shares[1][1] / shares[1][0] == pytest.approx(2, rel=0.35)


def test_a_raster_of_many_layers_shows_six(tmp_path: Path) -> None:
    plot_raster({f"blocks.{i}.mlp.neuron": torch.ones(12, 300) for i in range(9)}, tmp_path / "raster.png")
    assert imread(tmp_path / "raster.png").shape[1] == pytest.approx(150 * (1.2 + 1.75 * 6), abs=2)


MAPS = [torch.rand(16, m, generator=torch.Generator().manual_seed(m)) for m in (16, 16, 4, 4, 4)]


@pytest.mark.parametrize(
    ("maps", "image", "panels"),
    [
        (MAPS, torch.rand(1, 8, 8), 5),
        (MAPS[:1], torch.rand(3, 8, 8), 2),
        (MAPS[:2], torch.rand(2, 8, 8), 3),
        (MAPS, None, 4),
        ([torch.rand(16, 7)], torch.rand(1, 8, 8), 2),  # no grid that fits the picture
    ],
)
def test_attention(tmp_path: Path, maps: list[Tensor], image: Tensor | None, panels: int) -> None:
    png = tmp_path / "attention.png"
    plot_attention(maps, png, image, "a layer")
    assert imread(png).shape[1] == pytest.approx(150 * 2.3 * panels, abs=2)
    assert colours_in(png) > 100


def test_attention_is_shown_where_it_is(tmp_path: Path) -> None:
    weights = torch.full((4, 4), 0.01)
    weights[:, 3] = 1.0  # all queries look at the lower right quarter
    plot_attention([weights], tmp_path / "attention.png", torch.zeros(1, 8, 8))
    pixels = imread(tmp_path / "attention.png")[375:, 345:, :3]
    orange = (pixels[..., 0] > 0.8) & (pixels[..., 2] < 0.4)
    rows, columns = np.nonzero(orange)
    height, width = pixels.shape[:2]
    assert orange.mean() > 0.05
    assert rows.min() > 0.4 * height
    assert columns.min() > 0.4 * width


def test_nothing_touches_pyplot(tmp_path: Path) -> None:
    plot_attention(MAPS[:1], tmp_path / "attention.png")
    assert matplotlib.pyplot.get_fignums() == []


def test_recorded_spikes_are_those_of_the_last_pass() -> None:
    model = toy()
    with record_spikes(model) as spikes:
        model(torch.zeros(2, 1, 1, 2, 2))
        model.spike.reset()
        model(torch.randn(3, 5, 1, 2, 2, generator=torch.Generator().manual_seed(0)))
    assert list(spikes) == ["spike"]
    assert spikes["spike"].shape == (3, 5, 12)
    assert 0 < spikes["spike"].mean() < 1
    assert not model.spike._forward_hooks
