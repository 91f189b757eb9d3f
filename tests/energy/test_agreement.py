"""The tally and the event-driven executor, written apart from each other, agree to the operation."""

from typing import Any

import pytest
import torch
from torch import nn

import snnpd
from snnpd.energy import Account, Ledger, Word, count_batch
from snnpd.energy.executor import Executor
from snnpd.energy.fixed_point import to_fixed_point
from tests.energy.counting import dyadic, firing

IMAGE = {"input_shape": (1, 8, 8), "dim": 32, "depth": 2}
CASES: dict[str, dict[str, Any]] = {
    "bipolar": {"attention": "bsa"},
    "spiking, map first": {"attention": "ssa", "attention_options": {"form": "dual"}},
    "spiking, weight first": {"attention": "ssa", "attention_options": {"form": "primal"}},
    "spike-driven": {"attention": "sdsa1"},
    "token gate": {"attention": "token_qk"},
    "channel gate": {"attention": "channel_qk"},
    "integer spikes": {"attention": "bsa", "neuron": "integer_lif"},
    "integer spikes, spiking attention": {"attention": "ssa", "neuron": "integer_lif"},
    "ternary spikes": {"attention": "bsa", "neuron": "ternary_lif"},
    "no leak": {"attention": "bsa", "neuron": "if"},
    "soft reset, two-step leak": {"attention": "bsa", "neuron_options": {"reset": "soft", "decay": 0.75}},
    "series": {"attention": "bsa", "input_shape": (7, 3)},
}


def network(**options: Any) -> nn.Module:
    """A small network whose neurons fire."""
    return firing(snnpd.create_model("spikingformer_tiny", **(IMAGE | options)))


def columns(ledger: Ledger) -> dict[Account, tuple[list[list[int]], list[list[int]]]]:
    """Every account with what was done and skipped at each step of each sample."""
    return {account: (count.done.tolist(), count.skipped.tolist()) for account, count in ledger}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("potential_bits", [24, 10])
def test_tally_and_executor_agree(case: str, potential_bits: int) -> None:
    model = network(**CASES[case])
    shape = CASES[case].get("input_shape", IMAGE["input_shape"])
    x = torch.rand(3, 2, *shape)
    fixed = to_fixed_point(model, x, weight_bits=8, potential_bits=potential_bits)
    done = Executor(fixed).run(x)
    counted = count_batch(fixed, x, word=Word(potential_bits, is_float=False))
    assert columns(counted) == columns(done.ledger)
    assert torch.equal(fixed(x).long(), done.logits)
    assert not counted.unpriced
    # and something has happened
    assert sum(int(count.done.sum()) for account, count in counted if account.role == "linear") > 10_000
    assert any(count.skipped.sum() > 0 and count.done.sum() > 0 for _, count in counted)


def test_the_network_in_floats_is_counted_the_same_where_its_spikes_are_the_same() -> None:
    # Weights, biases and inputs of few bits: floats and 24-bit potentials hold the same numbers.
    model = network(attention="bsa", depth=1)
    for name, part in model.named_modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            part.eps = 0.0
            nn.init.constant_(part.weight, 1.0)
            nn.init.constant_(part.bias, 0.25)
        elif isinstance(part, nn.Linear | nn.Conv2d) and name != "head":
            part.weight.data = (part.weight.data * 16).round() / 16
    x = (torch.rand(3, 2, 1, 8, 8) * 16).round() / 16
    fixed = to_fixed_point(model, x, weight_bits=16, potential_bits=24)
    ours = count_batch(model, x, word=Word(24, is_float=False))
    theirs = Executor(fixed).run(x).ledger
    pairs = {(account.role, account.operation): 0 for account, _ in [*ours, *theirs]}
    for ledger, sign in ((ours, 1), (theirs, -1)):
        for account, count in ledger:
            pairs[account.role, account.operation] += sign * int(count.done.sum())
    assert set(pairs.values()) == {0}


def test_a_sum_of_one_term_is_no_addition() -> None:
    model = firing(
        snnpd.create_model("spikingformer_tiny", **(IMAGE | {"input_shape": (1, 3), "attention": "sdsa1"}))
    )
    x = torch.rand(3, 2, 1, 3)
    fixed = to_fixed_point(model, x)
    counted = count_batch(fixed, x, word=Word(24, is_float=False))
    assert columns(counted) == columns(Executor(fixed).run(x).ledger)
    assert not any(account.role == "pool" for account, _ in counted)
    assert any(account.role == "gate" and count.done.sum() > 0 for account, count in counted)


@pytest.mark.gpu
@pytest.mark.parametrize("attention", ["bsa", "ssa", "token_qk"])
def test_on_a_gpu_the_same_is_counted(attention: str) -> None:
    model = dyadic(snnpd.create_model("spikingformer_tiny", **(IMAGE | {"attention": attention})))
    x = (torch.rand(3, 2, 1, 8, 8) * 16).round() / 16
    there = columns(count_batch(model.cuda(), x.cuda()))
    assert there == columns(count_batch(model.cpu(), x))
