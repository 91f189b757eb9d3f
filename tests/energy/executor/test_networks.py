"""Whole networks event by event: the dense network's spikes and logits, bit for bit, and what was written down."""

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from snnpd.energy.executor import Executor
from snnpd.energy.fixed_point import FixedBlock, FixedNetwork, to_fixed_point
from snnpd.neurons.base import Neuron
from tests.energy.executor.networks import network, spikes_of

IMAGE, EVENTS, SERIES = (1, 8, 8), (2, 12, 12), (11, 3)
SOFT = {"neuron": "ternary_lif", "neuron_options": {"decay": 0.75, "reset": "soft"}}
INTEGER = {"neuron": "integer_lif", "neuron_options": {"levels": 3, "decay": 0.25}}
HALVED = {"neuron_options": {"decay_input": True}}
NETWORKS: list[tuple[str, tuple[int, ...], dict[str, Any]]] = [
    ("bsa", IMAGE, {}),
    ("bsa", EVENTS, INTEGER),
    ("bsa", SERIES, SOFT),
    ("ssa", IMAGE, {}),
    ("ssa", EVENTS, {"attention_options": {"form": "primal"}}),
    ("ssa", SERIES, INTEGER),
    ("sdsa1", IMAGE, HALVED),
    ("sdsa1", SERIES, SOFT),
    ("token_qk", EVENTS, {"neuron": "if"}),
    ("token_qk", SERIES, INTEGER),
    ("channel_qk", IMAGE, {}),
]


def converted(
    attention: str, shape: tuple[int, ...], options: dict[str, Any]
) -> tuple[nn.Module, FixedNetwork, torch.Tensor]:
    x = torch.randn(4, 3, *shape)
    model = network(shape, x, attention=attention, **options)
    return model, to_fixed_point(model, x), x


@pytest.mark.parametrize("bits", [(16, 24), (5, 12)])
@pytest.mark.parametrize(("attention", "shape", "options"), NETWORKS)
def test_spikes_and_logits_bit_for_bit(
    attention: str, shape: tuple[int, ...], options: dict[str, Any], bits: tuple[int, int]
) -> None:
    model, _, x = converted(attention, shape, options)
    fixed = to_fixed_point(model, x, weight_bits=bits[0], potential_bits=bits[1])
    emitted = spikes_of(fixed)
    logits = fixed(x)
    execution = Executor(fixed).run(x)
    assert torch.equal(execution.logits, logits.long())
    assert execution.spikes.keys() == emitted.keys()
    for name, spikes in emitted.items():
        assert torch.equal(execution.spikes[name].dense(), spikes.long()), name
        assert spikes.any(), name
    assert len(logits.unique()) > 30


@pytest.mark.parametrize(("attention", "shape", "options"), NETWORKS)
def test_nothing_multiplies_after_the_first_layer(
    attention: str, shape: tuple[int, ...], options: dict[str, Any]
) -> None:
    _, fixed, x = converted(attention, shape, options)
    ledger = Executor(fixed).run(x).ledger
    first = "stem.linear" if shape == SERIES else "stem.convs.0.conv"
    assert [account.layer for account in ledger.accounts if account.operation.kind == "mac"] == [first]
    assert {account.operation.kind for account in ledger.accounts} <= {
        "mac", "ac", "shift", "compare", "and", "leading_one",
    }  # fmt: skip
    assert not any(account.operation.is_float for account in ledger.accounts)
    names = {name for name, _ in fixed.named_modules()} | {"FixedNetwork"}
    for account, count in ledger:
        assert account.layer in names
        assert count.done.shape == count.skipped.shape == (4, 3)
        assert count.done.dtype == torch.int64
        assert (count.done + count.skipped).min() > 0


@pytest.mark.parametrize("attention", ["bsa", "ssa", "sdsa1", "token_qk"])
def test_linear_maps_conserve(attention: str) -> None:
    _, fixed, x = converted(attention, IMAGE, {})
    ledger = Executor(fixed).run(x).ledger
    dense = {
        name: 16 * part.in_features * part.out_features
        for name, part in fixed.named_modules()
        if isinstance(part, nn.Linear) and name != "head"
    }
    # An 8 x 8 image has 22 · 22 real taps, a 4 x 4 one 10 · 10.
    taps = {"stem.convs.0.conv": 484 * 8, "stem.convs.1.conv": 484 * 8 * 16, "stem.position.conv": 100 * 256}
    sums = {a.layer: c.done + c.skipped for a, c in ledger if a.role == "linear" and a.layer != "head"}
    assert sums.keys() == (dense | taps).keys()
    for name, products in (dense | taps).items():
        assert (sums[name] == products).all(), name


def test_the_other_layers_of_a_network_by_hand() -> None:
    _, fixed, x = converted("bsa", IMAGE, {})
    ledger = Executor(fixed).run(x).ledger
    done = {(a.layer, a.role, *a.operation[:2]): c.done.unique().tolist() for a, c in ledger}
    # 16 maps of 8 x 8 pooled to 4 x 4: windows read 2, 3, 3, 3 of each axis, 11 · 11 taps less one for each of 16.
    assert done["stem.convs.1.pool", "pool", "compare", 24] == [16 * (121 - 16)]
    # 16 tokens of 16 channels: one sum in the stem, two in a block; the second neuron reads what is not pooled yet.
    assert done["stem", "residual", "ac", 24] == [256]
    assert done["blocks.1", "residual", "ac", 24] == [512]
    assert done["stem.activations.0", "neuron", "shift", 24] == [8 * 64]
    assert done["blocks.0.attention.groups.0.query", "neuron", "compare", 24] == [512]
    assert done["blocks.0.feed_forward.between", "neuron", "compare", 24] == [4 * 256]
    # Two heads of 16 queries and points of 8 channels: scores in -8..8, sums of 2^x in 2 · 8 + 1 + 4 bits.
    assert done["blocks.0.attention.groups.0", "shiftmax", "ac", 5] == [512]
    assert done["blocks.0.attention.groups.0", "shiftmax", "ac", 21] == [512]
    assert done["blocks.0.attention.groups.0", "shiftmax", "leading_one", 21] == [32]
    assert done["blocks.0.attention.groups.0", "values", "shift", 24] == [512 * 8]
    last = Executor(fixed).run(x).spikes["last"].dense().sum((2, 3))
    sums, head = (
        next(c for a, c in ledger if (a.layer, a.role) == key)
        for key in (("FixedNetwork", "pool"), ("head", "linear"))
    )
    assert torch.equal(sums.done, last)
    assert torch.equal(head.done, 5 * last)


def test_samples_are_counted_one_by_one() -> None:
    _, fixed, x = converted("bsa", EVENTS, {})
    both, alone = Executor(fixed).run(x), Executor(fixed).run(x[:, 1:2])
    assert torch.equal(both.logits[:, 1:2], alone.logits)
    assert both.ledger.accounts.keys() == alone.ledger.accounts.keys()
    for account, count in alone.ledger:
        assert torch.equal(both.ledger.accounts[account].done[:, 1:2], count.done), account
        assert torch.equal(both.ledger.accounts[account].skipped[:, 1:2], count.skipped), account


def test_a_planted_error_shows() -> None:
    _, fixed, x = converted("bsa", IMAGE, {})
    wrong = deepcopy(fixed)
    head = wrong.get_submodule("head")
    assert isinstance(head, nn.Linear)
    head.weight.data[0] += 1
    logits, planted = (Executor(net).run(x).logits for net in (fixed, wrong))
    assert (logits != planted).any(-1).any()
    assert torch.equal(planted, wrong(x).long())


@pytest.mark.parametrize("attention", ["bsa", "ssa", "sdsa1", "token_qk"])
def test_networks_that_saturate(attention: str) -> None:
    _, fixed, x = converted(attention, IMAGE, {})
    sums: dict[str, torch.Tensor] = {}
    for name, part in fixed.named_modules():
        if isinstance(part, nn.Linear | nn.Conv2d) and name != "head":
            part.weight *= 16
        if isinstance(part, FixedBlock):
            part.register_forward_hook(lambda module, inputs, output, name=name: sums.update({name: output}))
    emitted = spikes_of(fixed)
    logits, execution = fixed(x), Executor(fixed).run(x)
    assert torch.equal(execution.logits, logits.long())
    for name, spikes in emitted.items():
        assert torch.equal(execution.spikes[name].dense(), spikes.long()), name
    assert sums.keys() == {"blocks.0", "blocks.1"}
    for total in sums.values():
        assert total.abs().max() in (2**23 - 1, 2**23)


def dyadic_network(attention: str, **options: Any) -> tuple[nn.Module, torch.Tensor]:
    """A network in which neither floats nor words of 32 bits round: all its numbers have a few binary places."""
    x = torch.randint(-16, 17, (2, 4, 1, 8, 8)).double() / 8
    model = network((1, 8, 8), x.float(), attention=attention, **options).double()
    for part in model.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            part.weight.data = (torch.randint(-4, 5, part.weight.shape) / 8).double()
        if isinstance(part, nn.Linear) and part.bias is not None:
            part.bias.data = (torch.randint(-4, 5, part.bias.shape) / 8).double()
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            part.eps = 0.0
            for kept, value in ((part.running_mean, 0.25), (part.running_var, 1.0), (part.weight, 0.5)):
                kept.data.fill_(value)
            part.bias.data = torch.randint(0, 5, part.bias.shape).double() / 4
    return model.eval(), x


@pytest.mark.parametrize("attention", ["bsa", "ssa", "sdsa1", "token_qk", "channel_qk"])
def test_a_network_that_nothing_rounds_is_the_float_network(attention: str) -> None:
    options = {"attention_options": {"form": "dual"}} if attention in ("bsa", "ssa") else {}
    model, x = dyadic_network(attention, **options)
    fixed = to_fixed_point(model, x, weight_bits=16, potential_bits=32)
    emitted, expected = spikes_of(fixed), spikes_of(model, Neuron)
    logits, floats = fixed(x), model(x)
    for name, spikes in expected.items():
        assert torch.equal(emitted[name], spikes), name
        assert spikes.any(), name
    assert torch.equal(logits / 2**fixed.logit_fraction, floats)
    assert len(floats.unique()) > 10
    execution = Executor(fixed).run(x)
    assert np.array_equal(execution.logits.numpy() / 2**execution.fraction, floats.detach().numpy())
