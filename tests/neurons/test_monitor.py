"""Firing rates are the fraction of outputs that are not zero, per neuron, ours and SpikingJelly's."""

import pytest
import torch
from spikingjelly.activation_based.neuron import IFNode
from torch import nn

from snnpd.neurons import IF, TernaryIF, firing_rates
from tests.neurons.dyadic import dyadic


def test_rates_by_qualified_name_over_all_calls() -> None:
    model = nn.ModuleDict(
        {"a": nn.Sequential(nn.Identity(), TernaryIF()), "b": IFNode(step_mode="m"), "idle": IF()}
    )
    x = dyadic(4, 2, 30)
    with firing_rates(model) as rates:
        outputs = [model["a"](x), model["a"](2 * x)]
        other = model["b"](x)
    both = torch.stack(outputs)
    assert -1 in both
    assert rates == {
        "a.1": pytest.approx((both != 0).double().mean().item()),
        "b": pytest.approx(other.mean().item()),
    }


def test_a_lone_neuron_goes_by_its_class_and_no_hook_stays() -> None:
    neuron = IF()
    with firing_rates(neuron) as rates:
        neuron(torch.ones(2, 3))
    neuron(torch.zeros(2, 3))
    assert rates == {"IF": 1.0}
    with pytest.raises(RuntimeError, match="planned"), firing_rates(neuron):
        raise RuntimeError("planned")
    assert not neuron._forward_hooks
