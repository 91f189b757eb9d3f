"""What attention layers add to the loss: their own objectives, and the penalty on dual infeasibility."""

import pytest
import torch
from torch import nn

from snnpd.attention import create_attention, observe
from snnpd.expansion import Causal, Expansion, Exponential, Points, RowSum, Shiftmax, dual_infeasibility
from snnpd.expansion.from_attention import to_regression
from snnpd.training.config import OptimConfig
from snnpd.training.objectives import layer_objectives

CPU = torch.device("cpu")
BIPOLAR = Expansion(Exponential(base=2, scale=1.0), Shiftmax())


def draw(expansion: Expansion, feasible: bool) -> Points:
    q, k = (torch.randint(-1, 2, (2, 6, 5)).double() for _ in range(2))
    points = Points(q, k, torch.randn(2, 6, 3, dtype=torch.float64))
    if feasible:
        h = to_regression(expansion, points).h.unsqueeze(-1)
        points = points._replace(v=points.v - (h * points.v).sum(-2, keepdim=True) / h.sum(-2, keepdim=True))
    return points


@pytest.mark.parametrize("expansion", [BIPOLAR, Expansion(Exponential(), RowSum())], ids=["bsa", "softmax"])
def test_the_penalty_is_zero_where_the_constraint_holds(expansion: Expansion) -> None:
    torch.manual_seed(0)
    assert float(dual_infeasibility(expansion, draw(expansion, feasible=True))) < 1e-20
    assert 1e-3 < float(dual_infeasibility(expansion, draw(expansion, feasible=False))) <= 1


def test_the_penalty_is_its_equation() -> None:
    torch.manual_seed(1)
    points = draw(BIPOLAR, feasible=False)
    sums = (2.0 ** (points.k @ points.k.mT)).sum(-1)
    beta = 2.0 ** torch.log2(sums).ceil().unsqueeze(-1) * points.v
    offset = (beta.sum(-2) ** 2 / (6 * (beta**2).sum(-2))).mean()
    over = (beta.abs() / 20).log().clamp_min(0)
    assert over.max() > 0
    assert torch.allclose(dual_infeasibility(BIPOLAR, points), offset)
    assert torch.allclose(dual_infeasibility(BIPOLAR, points, box=20.0), offset + (over**2).mean())


def test_padded_points_and_scale_do_not_matter() -> None:
    torch.manual_seed(2)
    points = draw(BIPOLAR, feasible=False)
    alone = dual_infeasibility(BIPOLAR, points)
    padded = Points(*(torch.cat([p, 7 + p], -2) for p in points[:3]), torch.arange(12).expand(2, -1) < 6)
    assert torch.allclose(
        dual_infeasibility(BIPOLAR, padded, box=20.0), dual_infeasibility(BIPOLAR, points, box=20.0)
    )
    assert torch.allclose(dual_infeasibility(BIPOLAR, points._replace(v=100 * points.v)), alone)


@pytest.mark.parametrize("expansion", [BIPOLAR, Expansion(Exponential(), RowSum())], ids=["bsa", "softmax"])
def test_long_keys_leave_the_penalty_finite(expansion: Expansion) -> None:
    """exp(|k|²/√D) leaves float32 at |k| = 14 for D = 4; keys grow beyond that in training."""
    torch.manual_seed(5)
    k = (40 * torch.randn(2, 6, 4)).requires_grad_()
    points = Points(k, k, torch.randn(2, 6, 3, requires_grad=True))
    penalty = dual_infeasibility(expansion, points, box=1.0)
    penalty.backward()
    assert 0 < penalty.item() < float("inf")
    assert k.grad.isfinite().all()
    assert points.v.grad.isfinite().all()


def test_a_query_with_its_own_support_points_has_no_penalty() -> None:
    causal = Expansion(BIPOLAR.kernel, BIPOLAR.normaliser, reach=Causal())
    assert dual_infeasibility(causal, draw(BIPOLAR, feasible=False)) is None


@pytest.mark.parametrize(("weight", "is_paid"), [(0.0, False), (0.5, True)])
def test_layers_pay_only_when_asked(weight: float, is_paid: bool) -> None:
    net = nn.Sequential(create_attention("softmax", 8, 2), create_attention("attention_sh", 8, 2))
    with layer_objectives(net, OptimConfig(dual_penalty=weight), CPU) as of_layers:
        net(torch.randn(2, 3, 6, 8))
    assert (of_layers().item() > 0) == is_paid


def test_a_few_steps_on_the_penalty_make_values_feasible() -> None:
    torch.manual_seed(3)
    layer = create_attention("bsa", 8, 2)
    x = (torch.rand(2, 4, 6, 8) > 0.6).float()
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.02)
    paid = []
    for _ in range(30):
        for module in layer.modules():
            if hasattr(module, "reset"):
                module.reset()
        with layer_objectives(layer, OptimConfig(dual_penalty=1.0), CPU) as of_layers:
            layer(x)
        optimizer.zero_grad()
        loss = of_layers()
        loss.backward()
        optimizer.step()
        paid.append(loss.item())
    assert paid[-1] < 0.5 * paid[0]


def test_the_objective_of_a_nested_layer_counts_once() -> None:
    layer, x = create_attention("between_datapoints", 8, 2, inner="primal"), torch.randn(1, 3, 6, 8)
    with observe(layer) as views, layer_objectives(layer, OptimConfig(), CPU) as of_layers:
        layer(x)
    once = [view.loss for view in views["within"]]
    assert len(views[""]) > len(once) == 1
    assert of_layers().item() == once[0].item() > 0
