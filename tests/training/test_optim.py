import copy
from itertools import pairwise

import pytest
import torch
from torch import nn

from snnpd.training.config import OptimConfig
from snnpd.training.optim import adamw, learning_rate, moving_average
from tests.training.toys import ToyData, toy


def test_weight_decay_is_for_matrices_only() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(4, 3), nn.LayerNorm(3))
    frozen = model[2].weight.requires_grad_(False)
    decayed, free = adamw(model, OptimConfig(weight_decay=0.3)).param_groups
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.3, 0.0)
    assert [p.shape for p in decayed["params"]] == [(2, 1, 3, 3)]
    assert len(free["params"]) == 6
    assert not any(p is frozen for group in (decayed, free) for p in group["params"])


def test_learning_rate_warms_up_and_falls_as_a_cosine() -> None:
    config = OptimConfig(lr=2.0, min_lr_ratio=0.1)
    rates = [learning_rate(step, 100, 10, config) for step in range(101)]
    assert rates[0] == pytest.approx(0.2)
    assert rates[9] == rates[10] == 2.0
    assert rates[55] == pytest.approx(2.0 * 0.55)
    assert rates[100] == pytest.approx(0.2)
    assert all(later < earlier for earlier, later in pairwise(rates[10:]))


@pytest.mark.parametrize("warmup", [0, 0.5, 200])
def test_learning_rate_is_always_in_range(warmup: float) -> None:
    rates = [learning_rate(step, 50, warmup, OptimConfig(lr=1.0)) for step in range(50)]
    assert all(0 < rate <= 1 for rate in rates)


def test_moving_average_follows_its_equation_and_copies_counters() -> None:
    model = nn.BatchNorm1d(2)
    average = moving_average(model, decay=0.5)
    expected = None
    for number in range(6):
        with torch.no_grad():
            model.weight.fill_(float(number))
            model.running_var.fill_(float(number * 2))
            model.num_batches_tracked.fill_(number)
        average.update_parameters(model)
        decay = min(0.5, (1 + number) / (10 + number))
        expected = float(number) if expected is None else decay * expected + (1 - decay) * number
        assert average.module.weight.tolist() == pytest.approx([expected] * 2)
        assert average.module.running_var.tolist() == pytest.approx([2 * expected] * 2)
        assert average.module.num_batches_tracked == number


def test_averaged_statistics_fit_the_averaged_weights() -> None:
    """With a long window the average's statistics are much nearer to its true ones than the last network's are."""
    data = ToyData(60)
    x = data.x.expand(3, *data.x.shape)
    model = toy(dropout=0.0)
    average = moving_average(model, decay=0.99)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.2)
    for _ in range(500):
        model.spike.reset()
        loss = nn.functional.cross_entropy(model(x).mean(0), data.y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        average.update_parameters(model)
    exact = copy.deepcopy(average.module)
    exact.norm.reset_running_stats()
    exact.norm.momentum = None  # a plain mean: the statistics of this one pass
    exact.spike.reset()
    exact.train()(x)

    def distance(other: nn.Module) -> float:
        pairs = (
            (other.norm.running_mean, exact.norm.running_mean),
            (other.norm.running_var, exact.norm.running_var),
        )
        return sum(float((mine - true).norm()) for mine, true in pairs)

    assert 0 < distance(average.module) < distance(model) / 2
