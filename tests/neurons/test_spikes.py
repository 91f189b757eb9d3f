"""Alphabets hold what they say; every surrogate has the derivative of its own name."""

import math

import pytest
import torch

from snnpd.errors import UsageError
from snnpd.spikes import BINARY, SURROGATES, TERNARY, integer, surrogate

DEFAULT_SCALE = {
    "atan": 2.0,
    "erf": 2.0,
    "piecewise_exp": 1.0,
    "rectangle": 1.0,
    "sigmoid": 4.0,
    "soft_sign": 2.0,
    "super_spike": 1.0,
    "triangle": 1.0,
}
DERIVATIVES = {
    "atan": lambda x, a: a / 2 / (1 + (math.pi * a * x / 2) ** 2),
    "erf": lambda x, a: a / math.sqrt(math.pi) * torch.exp(-((a * x) ** 2)),
    "piecewise_exp": lambda x, a: a / 2 * torch.exp(-a * x.abs()),
    "rectangle": lambda x, a: a * (x.abs() < 1 / (2 * a)).double(),
    "sigmoid": lambda x, a: a / (2 + torch.exp(a * x) + torch.exp(-a * x)),
    "soft_sign": lambda x, a: 1 / (2 * a * (1 / a + x.abs()) ** 2),
    "super_spike": lambda x, a: a / (1 + x.abs()) ** 2,
    "triangle": lambda x, a: torch.relu(a - a**2 * x.abs()),
}


def derivative(name: str, scale: float | None) -> torch.Tensor:
    x = torch.linspace(-1.7, 1.7, 101, dtype=torch.float64, requires_grad=True)
    surrogate(name, scale)(x).sum().backward()
    assert x.grad is not None
    return x.grad


@pytest.mark.parametrize("scale", [None, 0.75, 3.0])
@pytest.mark.parametrize("name", SURROGATES)
def test_a_surrogate_has_its_own_derivative(name: str, scale: float | None) -> None:
    x = torch.linspace(-1.7, 1.7, 101, dtype=torch.float64)
    expected = DERIVATIVES[name](x, scale or DEFAULT_SCALE[name])
    torch.testing.assert_close(derivative(name, scale), expected, rtol=1e-12, atol=1e-14)


def test_no_two_surrogates_are_the_same() -> None:
    assert DERIVATIVES.keys() == SURROGATES.keys()
    curves = [derivative(name, None) for name in SURROGATES]
    assert all(not torch.allclose(a, b) for i, a in enumerate(curves) for b in curves[:i])


@pytest.mark.parametrize("name", SURROGATES)
def test_firing_is_inclusive(name: str) -> None:
    at_and_around_zero = torch.tensor([-1e-30, 0.0, 1e-30])
    assert surrogate(name)(at_and_around_zero).tolist() == [0.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("alphabet", "inside", "outside"),
    [
        (BINARY, [0.0, 1.0], [-1.0, 0.5, 2.0, math.nan]),
        (TERNARY, [-1.0, 0.0, 1.0], [-2.0, 0.5, 2.0, math.inf]),
        (integer(3), [0.0, 1.0, 2.0, 3.0], [-1.0, 2.5, 4.0, math.nan]),
    ],
)
def test_an_alphabet_holds_its_letters_only(alphabet, inside, outside) -> None:
    assert list(alphabet.values) == inside
    assert alphabet.contains(torch.tensor(inside, dtype=torch.bfloat16))
    assert not any(alphabet.contains(torch.tensor([*inside, wrong])) for wrong in outside)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: surrogate("atann"), "unknown surrogate 'atann'; did you mean 'atan'?"),
        (lambda: surrogate("atan", 0.0), "surrogate 'atan': scale must be a positive number, got 0.0"),
        (lambda: surrogate("erf", math.nan), "surrogate 'erf': scale must be a positive number, got nan"),
        (lambda: integer(0), "levels must be a whole number of at least 1, got 0"),
    ],
)
def test_wrong_requests_are_refused_in_one_line(call, message: str) -> None:
    with pytest.raises(UsageError) as error:
        call()
    assert str(error.value) == message
