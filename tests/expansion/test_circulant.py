"""Circular attention by FFT against the circulant written out entry by entry."""

import pytest
import torch
from torch import Tensor

from snnpd.expansion.circulant import (
    causal_circulant,
    causal_circulant_scores,
    circulant_matrix,
    circulant_mix,
    real_first,
)

SIZES = [1, 2, 7, 8, 9, 13, 16, 31, 32, 60]


def draw(num_tokens: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    z = torch.rand(2, 3, num_tokens, generator=generator, dtype=torch.float64).softmax(-1)
    return z.to(dtype), torch.randn(2, 3, num_tokens, 4, generator=generator, dtype=torch.float64).to(dtype)


def written_out(z: Tensor, v: Tensor) -> Tensor:
    """Σ_j z_((i - j) mod N) v_j by two loops."""
    n = z.shape[-1]
    rows = [sum(z[..., (i - j) % n, None] * v[..., j, :] for j in range(n)) for i in range(n)]
    return torch.stack(rows, -2)


@pytest.mark.parametrize("n", SIZES)
def test_the_fft_is_the_dense_circulant(n: int) -> None:
    z, v = draw(n)
    truth = written_out(z, v)
    assert torch.allclose(circulant_mix(z, v), truth, atol=1e-12)
    assert torch.allclose(circulant_matrix(z) @ v, truth, atol=1e-12)
    assert truth.std() > 0.01


@pytest.mark.parametrize("n", [7, 8])
def test_neither_the_mirror_image_nor_a_padded_transform_nor_a_division_passes(n: int) -> None:
    """The three slips seen in public code, planted: the comparison above must tell each of them."""
    z, v = draw(n)
    mirrored = torch.fft.irfft(torch.fft.rfft(z).conj()[..., None] * torch.fft.rfft(v, dim=-2), n, dim=-2)
    padded = torch.fft.irfft(
        torch.fft.rfft(z, 2 * n)[..., None] * torch.fft.rfft(v, 2 * n, dim=-2), 2 * n, dim=-2
    )[..., :n, :]
    for wrong in (mirrored, padded, circulant_mix(z, v) / n):
        assert (wrong - written_out(z, v)).abs().max() > 0.01


def test_rows_and_columns_of_the_matrix_sum_to_the_sum_of_weights() -> None:
    z, _ = draw(9)
    matrix = circulant_matrix(z)
    assert torch.allclose(matrix.sum(-1), torch.ones(2, 3, 9, dtype=torch.float64))
    assert torch.allclose(matrix.sum(-2), torch.ones(2, 3, 9, dtype=torch.float64))
    assert torch.equal(matrix[..., 0], z)


def test_shifted_values_give_shifted_outputs_and_shifting_both_shifts_twice() -> None:
    z, v = draw(9)
    out = circulant_mix(z, v)
    assert torch.allclose(circulant_mix(z, v.roll(2, -2)), out.roll(2, -2), atol=1e-12)
    assert torch.allclose(circulant_mix(z.roll(2, -1), v.roll(2, -2)), out.roll(4, -2), atol=1e-12)


@pytest.mark.parametrize("n", [7, 8])
def test_each_sample_is_a_circulant_of_its_own_length(n: int) -> None:
    z, v = draw(n)
    lengths = torch.tensor([[n], [5]])
    z[1, :, 5:], v[1, :, 5:] = 1e6, 1e6  # what padding holds must not matter
    for out in (circulant_mix(z, v, lengths), circulant_matrix(z, lengths) @ v):
        assert torch.allclose(out[0], written_out(z[0], v[0]), atol=1e-12)
        assert torch.allclose(out[1, :, :5], written_out(z[1, :, :5], v[1, :, :5]), atol=1e-12)
        assert (out[1, :, 5:] == 0).all()
    assert (circulant_mix(z, v, torch.tensor(0)) == 0).all()
    assert (circulant_matrix(z, torch.tensor(0)) == 0).all()


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.bfloat16, 2e-2)])
def test_half_types_are_mixed_in_float32(dtype: torch.dtype, tolerance: float) -> None:
    z, v = draw(31, dtype=dtype)
    out = circulant_mix(z, v)
    assert out.dtype == dtype
    assert torch.allclose(out.double(), written_out(z.double(), v.double()), atol=tolerance)


@pytest.mark.parametrize("lengths", [None, torch.tensor([[5], [3]])])
def test_gradients_are_finite_differences(lengths: Tensor | None) -> None:
    z, v = (x.requires_grad_() for x in draw(5))
    assert torch.autograd.gradcheck(lambda z, v: circulant_mix(z, v, lengths), (z, v), fast_mode=True)


def test_causal_rows_are_softmax_over_the_shifts_up_to_their_own() -> None:
    z, v = draw(6)
    scores = 8 * z
    out = causal_circulant(scores, v)
    for i in range(6):
        weights = torch.softmax(scores[..., : i + 1], -1)  # shift 0 .. i, that is token i .. 0
        truth = sum(weights[..., s, None] * v[..., i - s, :] for s in range(i + 1))
        assert torch.allclose(out[..., i, :], truth, atol=1e-12)
    assert (causal_circulant_scores(scores).triu(1)[..., 0, 1:] == -torch.inf).all()


def test_causal_outputs_do_not_see_later_tokens_and_masking_after_the_softmax_would() -> None:
    z, v = draw(6)
    other = z.clone()
    other[..., 4:] += 3
    assert torch.equal(causal_circulant(z, v)[..., :4, :], causal_circulant(other, v)[..., :4, :])
    late = [circulant_matrix(scores.softmax(-1)).tril() @ v for scores in (z, other)]
    assert (late[0] - late[1])[..., :4, :].abs().max() > 0.01


def test_real_tokens_come_first_in_their_order() -> None:
    order, lengths = real_first(torch.tensor([[False, True, True, False, True], [True] * 5, [False] * 5]))
    assert order.tolist() == [[1, 2, 4, 0, 3], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4]]
    assert lengths.tolist() == [3, 5, 0]
