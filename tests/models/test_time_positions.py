"""Networks that read time stamps: what the stamps change, what they must not, and that they help."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import snnpd
from snnpd.errors import UsageError

SIZES = {"dim": 32, "depth": 2, "num_heads": 4, "num_classes": 5, "input_shape": (9, 3)}
PERIODS = {"shortest_period": 0.5, "longest_period": 100.0}
pairs = pytest.mark.parametrize(
    ("name", "position"),
    [(n, p) for n in ("spikingformer_tiny", "vit_tiny_twin") for p in ("bochner", "mercer")],
)


def make(name: str, position: str) -> nn.Module:
    """A small float64 network in evaluation mode, with statistics under which its neurons fire."""
    torch.manual_seed(0)
    model = snnpd.create_model(name, position=position, position_options=PERIODS, **SIZES).double()
    for norm in (m for m in model.modules() if isinstance(m, nn.BatchNorm1d)):
        norm.momentum = None
    with torch.no_grad():
        model(*sample(1)[:1], times=sample(1)[1])
    return model.eval()


def sample(seed: int = 0) -> tuple[Tensor, Tensor]:
    """Four series of nine tokens at irregular times."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(3, 4, 9, 3, generator=generator, dtype=torch.float64)
    return x, torch.rand(4, 9, generator=generator, dtype=torch.float64).cumsum(1)


@pairs
def test_stamps_tell_the_position(name: str, position: str) -> None:
    model, (x, times) = make(name, position), sample()
    y = model(x, times=times)
    assert (y.std(1) > 1e-4).all()
    order = torch.randperm(9, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(model(x[:, :, order], times=times[:, order]), y, atol=1e-10)
    for other in (times[:, order], 2 * times, times + 3):
        assert (model(x, times=other) - y).abs().max() > 1e-3
    changed = times.clone()
    changed[2] *= 2
    rows = (model(x, times=changed) - y).abs().amax((0, 2))
    assert rows[2] > 1e-3
    assert rows[[0, 1, 3]].max() < 1e-10


@pairs
def test_without_stamps_tokens_are_regular(name: str, position: str) -> None:
    model, (x, times) = make(name, position), sample()
    assert torch.equal(model(x), model(x, times=torch.arange(9).expand(4, 9)))
    assert not torch.allclose(model(x), model(x, times=times))


@pairs
def test_padding_changes_no_logit(name: str, position: str) -> None:
    model, (x, times) = make(name, position), sample()
    mask = (torch.arange(14) < 9).expand(4, -1)
    padded, stamps = F.pad(x, (0, 0, 0, 5)), F.pad(times, (0, 5), value=math.nan)
    assert not model.stem(padded, mask, stamps)[:, ~mask].any()
    assert torch.allclose(model(padded, mask, stamps), model(x, times=times), atol=1e-10)


@pairs
def test_a_step_of_training_moves_every_parameter(name: str, position: str) -> None:
    model, (x, times) = make(name, position).train(), sample()
    before = {key: parameter.detach().clone() for key, parameter in model.named_parameters()}
    assert {"stem.encoding.log_periods", "stem.position.linear.weight"} <= set(before)
    mask = torch.arange(9) < torch.tensor([[9], [7], [9], [5]])
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    logits = model(x * mask.unsqueeze(-1), mask, times.masked_fill(~mask, math.nan)).mean(0)
    F.cross_entropy(logits, torch.arange(4)).backward()
    optimiser.step()
    for key, parameter in model.named_parameters():
        assert parameter.isfinite().all(), key
        assert parameter.grad.abs().max() > 0, key
        assert not torch.equal(parameter, before[key]), key


def frequency_problem(num_samples: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """A sine of 1 or 1.7 turns a second, read at 12 random moments of 4 seconds, with noise."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(num_samples) % 2
    times = 4 * torch.rand(num_samples, 12, generator=generator).sort(1).values
    noise = 0.1 * torch.randn(num_samples, 12, generator=generator)
    values = torch.sin(2 * math.pi * (1 + 0.7 * y.unsqueeze(1)) * times) + noise
    return values[None, :, :, None], times, y


def accuracy(position: str, options: dict | None, with_times: bool) -> float:
    torch.manual_seed(0)
    sizes = {"dim": 32, "depth": 1, "num_heads": 2, "num_classes": 2, "input_shape": (12, 1)}
    model = snnpd.create_model("vit_tiny_twin", position=position, position_options=options, **sizes)
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3)
    x, times, y = frequency_problem(512, seed=0)
    for _ in range(60):
        batch = torch.randperm(512)[:128]
        stamps = times[batch] if with_times else None
        optimiser.zero_grad()
        F.cross_entropy(model(x[:, batch], times=stamps).mean(0), y[batch]).backward()
        optimiser.step()
    x, times, y = frequency_problem(512, seed=100)
    with torch.no_grad():
        logits = model.eval()(x, times=times if with_times else None).mean(0)
    return (logits.argmax(1) == y).double().mean().item()


@pytest.mark.parametrize(
    ("position", "with_times", "lowest", "highest"),
    [
        ("bochner", True, 0.95, 1.0),
        ("mercer", True, 0.95, 1.0),
        ("bochner", False, 0.4, 0.75),
        ("mercer", False, 0.4, 0.75),
        ("conv", False, 0.4, 0.75),
    ],
)
def test_stamps_tell_the_frequency_of_an_irregular_series(
    position: str, with_times: bool, lowest: float, highest: float
) -> None:
    options = None if position == "conv" else {"shortest_period": 0.25, "longest_period": 16.0}
    assert lowest <= accuracy(position, options, with_times) <= highest


def test_the_convolution_keeps_its_names() -> None:
    stem = snnpd.create_model("vit_tiny_twin", **SIZES).stem
    names = {key for key in stem.state_dict() if not key.startswith(("norm.", "position_norm."))}
    assert names == {"linear.weight", "conv.weight"}
    children = [name for name, _ in stem.named_children()]
    assert children == ["linear", "norm", "activation", "conv", "position_norm"]


IMAGE = {"input_shape": (2, 8, 8)}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"position": "bochnre"}, "unknown position 'bochnre'; did you mean 'bochner'"),
        ({"position": "cnov"}, "did you mean 'conv'"),
        ({"position": "mercer"} | IMAGE, "an image or an event frame have no time stamps; leave position"),
        ({"position": "mercer", "position_options": {"degre": 2}}, "did you mean 'degree'"),
        ({"position": "bochner", "position_options": {"num_periods": 0}}, "give at least 1"),
        ({"position_options": PERIODS}, "'conv' takes no options, got shortest_period, longest_period"),
    ],
)
@pytest.mark.parametrize("name", ["spikingformer_tiny", "vit_tiny_twin"])
def test_wrong_requests_are_refused_in_one_line(name: str, options: dict, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        snnpd.create_model(name, **(SIZES | options))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "times", "words"),
    [
        ({}, torch.zeros(4, 9), "a convolution tells this network its positions; leave times out"),
        (IMAGE, torch.zeros(4, 16), "a convolution tells this network its positions; leave times out"),
        (
            {"position": "bochner"},
            torch.zeros(9),
            r"times has the shape \[9\]; give one .* a token, \[4, 9\]",
        ),
        ({"position": "bochner"}, torch.zeros(4, 8), r"times has the shape \[4, 8\]"),
        ({"position": "mercer"}, torch.full((4, 9), math.nan), "nan of sample 0, token 0 is not finite"),
    ],
)
def test_wrong_stamps_are_refused(options: dict, times: Tensor, words: str) -> None:
    model = snnpd.create_model("vit_tiny_twin", **(SIZES | options))
    with pytest.raises(UsageError, match=words):
        model(torch.zeros(1, 4, *(SIZES | options)["input_shape"]), times=times)
