"""The laws of attention layers, for those systems that are no (kernel, normaliser) pair."""

import pytest
import torch

from snnpd.attention import observe
from tests.attention.systems import DIM, MIXES_ROWS, SYSTEMS, TOKENS, make, run, system, tokens

every_system = pytest.mark.parametrize("name", SYSTEMS)


@every_system
@pytest.mark.parametrize("places", ["behind", "between"])
def test_padded_tokens_change_nothing(name: str, places: str) -> None:
    layer, x = make(name), tokens(name)
    real = {
        "behind": torch.arange(TOKENS + 3) < TOKENS,
        "between": torch.tensor([1, 0, 1, 1, 1, 0, 1, 1, 1, 0, 1]).bool(),
    }[places]
    padded = 50 + torch.zeros(3, 4, TOKENS + 3, DIM, dtype=torch.float64)
    padded[:, :, real] = x
    y = run(layer, padded, real.expand(4, -1))
    assert torch.allclose(y[:, :, real], run(layer, x), atol=1e-10)


@every_system
def test_samples_of_different_lengths_share_a_batch(name: str) -> None:
    layer, x = make(name), tokens(name)
    lengths = [8, 5, 1, 3]
    mask = torch.arange(TOKENS) < torch.tensor(lengths)[:, None]
    together = run(layer, x, mask)
    for b, length in enumerate(lengths):
        alone = run(layer, x[:, b : b + 1, :length])
        assert torch.allclose(together[:, b : b + 1, :length], alone, atol=1e-10)


@every_system
def test_the_order_of_tokens(name: str) -> None:
    layer, x = make(name), tokens(name)
    order = torch.randperm(TOKENS, generator=torch.Generator().manual_seed(3))
    y = run(layer, x)
    assert torch.allclose(run(layer, x[:, :, order]), y[:, :, order], atol=1e-10) == (
        system(name).order == "permutes"
    )
    shifted = run(layer, x.roll(3, 2))
    assert torch.allclose(shifted, y.roll(6, 2), atol=1e-10) == (system(name).order == "shifts")


@pytest.mark.parametrize("name", [*SYSTEMS, *MIXES_ROWS])
def test_gradients_reach_input_and_every_parameter(name: str) -> None:
    layer, x = make(name).train(), tokens(name).requires_grad_()
    with observe(layer) as views:
        y = run(layer, x)
    loss = sum(view.loss for view in views[""] if view.loss is not None)
    ((y * torch.randn(DIM, dtype=torch.float64)).square().sum() + loss).backward()
    assert x.grad.isfinite().all()
    assert x.grad.abs().max() > 0
    for parameter, value in layer.named_parameters():
        assert value.grad is not None, parameter
        assert value.grad.isfinite().all(), parameter
        assert value.grad.abs().max() > 0, parameter
