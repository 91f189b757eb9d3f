"""Time encodings: the kernel of their equation, of differences alone, exact phases, padding, gradients."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
import torch
from torch import Tensor

from snnpd.blocks import BochnerEncoding, MercerEncoding, TimeEncoding
from snnpd.errors import UsageError

RANGE = {"shortest_period": 0.5, "longest_period": 50.0}
MAKERS: list[Callable[..., TimeEncoding]] = [BochnerEncoding, MercerEncoding]
encodings = pytest.mark.parametrize("maker", MAKERS)


def learned(maker: Callable[..., TimeEncoding], dtype: torch.dtype = torch.float64, **options) -> Any:
    """An encoding as after some training: every parameter moved."""
    encoding = maker(**(RANGE | options)).to(dtype)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in encoding.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
    return encoding


def stamps(num_tokens: int = 12, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 20 * torch.rand(2, num_tokens, generator=generator, dtype=torch.float64).sort(1).values


def gram(encoding: TimeEncoding, times: Tensor) -> Tensor:
    features = encoding(times)
    return features @ features.transpose(-1, -2)


@encodings
@pytest.mark.parametrize("shift", [0.37, -7.0, 100.0])
def test_the_kernel_knows_time_differences_alone(maker: Callable[..., TimeEncoding], shift: float) -> None:
    encoding, times = learned(maker), stamps()
    kernel = gram(encoding, times)
    assert kernel.std() > 0.05
    assert torch.allclose(gram(encoding, times + shift), kernel, rtol=0, atol=1e-12)
    assert (encoding(times + shift) - encoding(times)).abs().max() > 0.05
    assert (gram(encoding, 1.5 * times) - kernel).abs().max() > 0.05


def test_the_kernels_are_those_of_their_equations() -> None:
    times = stamps()
    lag = (times.unsqueeze(-1) - times.unsqueeze(-2)).unsqueeze(-1)
    bochner = learned(BochnerEncoding, num_periods=5)
    waves = torch.cos(2 * math.pi * lag / bochner.log_periods.exp())
    assert torch.allclose(gram(bochner, times), waves.mean(-1), atol=1e-12)
    mercer = learned(MercerEncoding, num_periods=3, degree=4)
    orders = torch.arange(5)
    waves = torch.cos(2 * math.pi * lag.unsqueeze(-1) * orders / mercer.log_periods.exp().unsqueeze(-1))
    expected = (mercer.log_coefficients.exp() * waves).sum((-2, -1))
    assert torch.allclose(gram(mercer, times), expected, atol=1e-12)


@encodings
def test_lengths(maker: Callable[..., TimeEncoding]) -> None:
    def lengths(encoding: TimeEncoding) -> Tensor:
        return encoding(stamps().float()).norm(dim=-1)

    assert torch.allclose(lengths(maker(**RANGE)), torch.ones(2, 12))
    encoding = learned(maker, torch.float32)
    assert encoding(stamps()).shape == (2, 12, encoding.dim)
    length = encoding.log_coefficients.exp().sum().sqrt() if maker is MercerEncoding else torch.tensor(1.0)
    assert torch.allclose(lengths(encoding), length)


def test_first_periods_lie_evenly_in_the_range() -> None:
    bochner = BochnerEncoding(num_periods=3, shortest_period=1, longest_period=100)
    assert bochner.log_periods.exp().tolist() == pytest.approx([1, 10, 100])
    mercer = MercerEncoding(num_periods=3, degree=4, shortest_period=1, longest_period=400)
    assert mercer.log_periods.exp().tolist() == pytest.approx([4, 40, 400])
    assert (bochner.dim, mercer.dim) == (6, 27)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64])
def test_microseconds_up_to_ten_million_keep_their_phase(dtype: torch.dtype) -> None:
    encoding = BochnerEncoding(num_periods=4, shortest_period=3.0, longest_period=1e6)
    times = torch.tensor([[1, 12_345, 9_999_991, 10_000_000]], dtype=dtype)
    periods = encoding.log_periods.double().exp().tolist()
    turns = [[float(Fraction(t) / Fraction(p) % 1) for p in periods] for t in times[0].long().tolist()]
    exact = torch.tensor(turns, dtype=torch.float64) * 2 * math.pi
    expected = torch.cat([exact.cos(), exact.sin()], -1) / 2
    assert (encoding(times)[0] - expected).abs().max() < 1e-7
    # in float32 the phase of the shortest period is lost
    phase = 2 * math.pi * times[0].float()[:, None] / encoding.log_periods.exp()
    assert (phase.cos() / 2 - expected[:, :4]).abs().max() > 0.01


@encodings
@pytest.mark.parametrize("padding", [math.nan, math.inf, -1e300])
def test_stamps_of_padded_tokens_are_not_read(maker: Callable[..., TimeEncoding], padding: float) -> None:
    encoding, times = learned(maker), stamps()
    mask = torch.arange(12) < torch.tensor([[12], [7]])
    features = encoding(times.masked_fill(~mask, padding), mask)
    assert torch.equal(features[mask], encoding(times)[mask])
    features[mask].pow(3).sum().backward()
    assert all(p.grad.isfinite().all() and p.grad.abs().max() > 1e-3 for p in encoding.parameters())


@encodings
def test_gradients(maker: Callable[..., TimeEncoding]) -> None:
    encoding, times = learned(maker, num_periods=2), stamps(3).requires_grad_()
    names, values = zip(*encoding.named_parameters(), strict=True)

    def features(times: Tensor, *values: Tensor) -> Tensor:
        return torch.func.functional_call(encoding, dict(zip(names, values, strict=True)), (times,))

    assert torch.autograd.gradcheck(features, (times, *values))
    gradients = torch.autograd.grad(features(times, *values).pow(3).sum(), [times, *values])
    assert all(gradient.abs().min() > 0 for gradient in gradients)


@pytest.mark.parametrize("stamp", [math.nan, math.inf])
def test_stamps_that_are_not_finite_are_refused(stamp: float) -> None:
    times = stamps()
    times[1, 4] = stamp
    with pytest.raises(UsageError, match=rf"time stamp {stamp} of sample 1, token 4 is not finite; drop"):
        BochnerEncoding()(times, torch.ones(2, 12, dtype=torch.bool))


@pytest.mark.parametrize(
    ("maker", "options", "words"),
    [
        (BochnerEncoding, {"num_periods": 0}, "num_periods = 0; give at least 1"),
        (BochnerEncoding, {"shortest_period": 0.0}, "periods from 0 to 10000; they are positive"),
        (BochnerEncoding, {"longest_period": 1.0}, "periods from 2 to 1; .* the shortest comes first"),
        (BochnerEncoding, {"longest_period": math.inf}, "periods from 2 to inf; they are positive, finite"),
        (MercerEncoding, {"degree": 0}, "degree = 0; give at least 1 harmonic"),
        (MercerEncoding, {"longest_period": 6.0}, "harmonic 4 of the longest period, 6, is shorter than"),
    ],
)
def test_wrong_requests_are_refused(
    maker: Callable[..., TimeEncoding], options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        maker(**options)
