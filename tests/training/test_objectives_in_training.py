"""What layers add to the loss is what the optimiser sees: their own objectives, the weighted penalty and its box."""

from pathlib import Path

import pytest
import torch
from torch import nn

import snnpd
from snnpd.attention import create_attention, observe, record_attention
from snnpd.expansion import Expansion, Exponential, Points, RowSum, Shiftmax, dual_infeasibility
from snnpd.training.config import OptimConfig
from snnpd.training.metrics import METRICS, read_metrics
from snnpd.training.objectives import layer_objectives
from tests.training.toys import ToyData, toy_config, toy_fit

CPU = torch.device("cpu")


def twin(attention: str) -> nn.Module:
    torch.manual_seed(0)
    sizes = {"dim": 8, "depth": 1, "num_heads": 2, "pools": (False,), "input_shape": (1, 2, 2)}
    return snnpd.create_model("vit_tiny_twin", attention=attention, num_classes=3, **sizes)


def test_a_layers_own_objective_is_trained(tmp_path: Path) -> None:
    """The scale of Primal-Attention has no gradient but that of its objective."""
    model = twin("primal")
    scale = model.blocks[0].attention.scale
    before = scale.detach().clone()
    toy_fit(tmp_path, toy_config(epochs=1, weight_decay=0.0), model, data=ToyData())
    assert (scale - before).abs().max() > 1e-4


def test_the_penalty_is_part_of_the_loss(tmp_path: Path) -> None:
    losses = []
    for weight in (0.0, 100.0):
        toy_fit(tmp_path / str(weight), toy_config(epochs=1, lr=1e-9, dual_penalty=weight), twin("softmax"))
        losses.append(read_metrics(tmp_path / str(weight) / METRICS)[0]["train_loss"])
    assert losses[1] > losses[0] + 1


def test_weight_and_box_reach_the_penalty() -> None:
    layer, x = create_attention("softmax", 8, 2), torch.randn(2, 3, 6, 8)
    with observe(layer) as views:
        layer(x)
    (view,) = views[""]
    for weight, box in ((1.0, None), (0.25, None), (0.25, 1e-3), (4.0, 1e-2)):
        with layer_objectives(layer, OptimConfig(dual_penalty=weight, dual_box=box), CPU) as of_layers:
            layer(x)
        truth = dual_infeasibility(view.expansion, view.points, box)
        assert of_layers().item() == pytest.approx(weight * truth.item(), rel=1e-5)
        assert truth.item() > 1e-3


def test_an_own_objective_stays_beside_the_penalty() -> None:
    layer, x = create_attention("primal", 8, 2), torch.randn(1, 3, 6, 8)
    paid = []
    for weight in (0.0, 1.0):
        with layer_objectives(layer, OptimConfig(dual_penalty=weight), CPU) as of_layers:
            layer(x)
        paid.append(of_layers().item())
    assert paid[1] >= paid[0] > 0


@pytest.mark.parametrize("watch", [observe, record_attention])
def test_an_error_leaves_nobody_watching(watch) -> None:
    layer = create_attention("attention_sh", 8, 4)
    with pytest.raises(ZeroDivisionError), watch(layer):
        raise ZeroDivisionError
    assert all(group.watchers == [] for group in layer.head_groups)
    layer.groups[0].register_forward_pre_hook(lambda *_: (_ for _ in ()).throw(RuntimeError()))
    with pytest.raises(RuntimeError):
        layer.expansions(torch.randn(1, 2, 6, 8))
    assert all(group.watchers == [] for group in layer.head_groups)


@pytest.mark.parametrize(
    "expansion", [Expansion(Exponential(), RowSum()), Expansion(Exponential(2, 1.0), Shiftmax())], ids=str
)
@pytest.mark.parametrize("box", [None, 1e3])
def test_short_and_padded_keys_beside_long_ones(expansion: Expansion, box: float | None) -> None:
    """exp(|k|²/√D) of the long ones leaves float32: short ones must not be taken for them, padded ones not at all."""
    generator = torch.Generator().manual_seed(0)
    k = 20 * torch.randn(2, 6, 16, generator=generator).double().round()
    k[:, 0] = 0
    points = Points(k, k, torch.randn(2, 6, 3, generator=generator).double())
    truth = dual_infeasibility(expansion, Points(*(part / 8 for part in points[:2]), points.v), box)
    ours = dual_infeasibility(
        expansion, Points(*(part.float() / 8 for part in points[:2]), points.v.float()), box
    )
    assert ours.item() == pytest.approx(truth.item(), rel=1e-4)
    longer = [torch.cat([part, 3 * part[:, :2]], 1) for part in points[:3]]
    mask = torch.arange(8).expand(2, -1) < 6
    padded = dual_infeasibility(
        expansion, Points(*(part.float() / 8 for part in longer[:2]), longer[2].float(), mask), box
    )
    assert padded.item() == pytest.approx(truth.item(), rel=1e-4)
