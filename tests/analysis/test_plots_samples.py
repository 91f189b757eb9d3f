"""Pictures of samples: every kind shows what is in it."""

from pathlib import Path

import pytest
import torch
from matplotlib.image import imread
from torch import Tensor

from snnpd.analysis import plot_samples
from snnpd.analysis.plots_samples import as_picture
from tests.analysis.test_plots import colours_in, share_of

BLUE, ORANGE = "#0072b2", "#d55e00"
GENERATOR = torch.Generator().manual_seed(0)


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=GENERATOR)


@pytest.mark.parametrize(
    "samples",
    [
        pytest.param([drawn(1, 8, 8)] * 5, id="grey"),
        pytest.param([drawn(3, 8, 8)] * 2, id="colour"),
        pytest.param([drawn(12, 2, 8, 8)] * 3, id="frames"),
        pytest.param([drawn(9, 3), drawn(20, 3)], id="series"),
        pytest.param([drawn(30, 40).round(), drawn(50, 40).round()], id="raster"),
    ],
)
def test_each_kind_gives_a_picture(samples: list[Tensor], tmp_path: Path) -> None:
    png = tmp_path / "new/samples.png"
    plot_samples(samples, [f"class {number}" for number in range(len(samples))], png)
    blank = tmp_path / "blank.png"
    plot_samples([torch.zeros_like(sample) for sample in samples], [""] * len(samples), blank)
    assert colours_in(png) > colours_in(blank)
    assert [path.name for path in png.parent.iterdir()] == ["samples.png"]


def test_long_recordings_show_eight_steps(tmp_path: Path) -> None:
    short, long = tmp_path / "short.png", tmp_path / "long.png"
    plot_samples([drawn(8, 2, 4, 4)], ["a"], short)
    plot_samples([drawn(50, 2, 4, 4)], ["a"], long)
    assert imread(short).shape == imread(long).shape


@pytest.mark.parametrize(
    ("image", "row"),
    [
        # Nothing, darker, brighter by half.
        pytest.param([[[0.0, 2, 0]], [[0.0, 0, 1]]], ["#ffffff", ORANGE, "#80b9d9"], id="two channels"),
        pytest.param([[[0.0, -1, 1]]], ["#ffffff", ORANGE, BLUE], id="signed"),
        pytest.param([[[1.0, 3, 2]]], ["#000000", "#ffffff", "#808080"], id="grey"),
        pytest.param(
            [[[0.0, 1, 0]], [[0.0, 1, 1]], [[0.0, 1, 0]]], ["#000000", "#ffffff", "#00ff00"], id="rgb"
        ),
    ],
)
def test_colours(image: list[list[list[float]]], row: list[str]) -> None:
    shown = (as_picture(torch.tensor(image))[0] * 255).round().astype(int)
    wanted = [[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in row]
    assert abs(shown - wanted).max() <= 1


def test_both_polarities_are_seen(tmp_path: Path) -> None:
    sample = torch.zeros(2, 2, 6, 6)
    sample[:, 0, :2] = sample[:, 1, 3:5] = 1.0
    plot_samples([sample], ["both"], tmp_path / "a.png")
    assert min(share_of(tmp_path / "a.png", colour) for colour in (BLUE, ORANGE)) > 0.05
