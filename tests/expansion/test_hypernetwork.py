"""Hypernetwork attention against its sums written out, and what it becomes without the nonlinearity."""

import pytest
import torch
from torch import Tensor

from snnpd.errors import UsageError
from snnpd.expansion.hypernetwork import find_value_network, head_codes

HEADS, N, M, C, E = 3, 4, 5, 6, 2


def draw(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def test_codes_have_root_mean_square_one_over_the_heads() -> None:
    scores = draw(2, HEADS, N, M)
    codes = head_codes(scores)
    for q in range(N):
        for k in range(M):
            pair = scores[0, :, q, k]
            assert torch.allclose(codes[0, :, q, k], pair / (pair @ pair / HEADS).sqrt(), atol=1e-4)
    assert torch.allclose(codes.square().mean(1), torch.ones(2, N, M, dtype=torch.float64), atol=1e-2)
    assert (codes.sum(-1) - 1).abs().min() > 0.01, "nothing makes the rows stochastic"


def test_absent_tokens_have_no_code_and_no_gradient_that_is_not_a_number() -> None:
    scores = draw(2, HEADS, N, M).requires_grad_()
    mask = torch.tensor([[[True, True, False, True, False]], [[False] * 5]])
    codes = head_codes(scores, mask)
    assert (codes[0][..., [2, 4]] == 0).all()
    assert (codes[1] == 0).all()
    assert torch.equal(codes[0][..., [0, 1, 3]], head_codes(scores)[0][..., [0, 1, 3]])
    codes.square().sum().backward()
    assert scores.grad.isfinite().all()
    assert head_codes(torch.zeros(HEADS, 1, 1)).abs().max() == 0


@pytest.mark.parametrize("name", ["relu", "identity"])
def test_the_value_network_generated_for_each_pair_of_tokens(name: str) -> None:
    """Σ_k (Σ_h a_hqk W_h^out) σ(Σ_h a_hqk W_h^val x_k), with the two weight matrices built pair by pair."""
    codes, x = head_codes(draw(HEADS, N, M)), draw(M, C, seed=1)
    to_value, to_out = draw(HEADS, E, C, seed=2), draw(HEADS, C, E, seed=3)
    truth = torch.zeros(N, C, dtype=torch.float64)
    for q in range(N):
        for k in range(M):
            first = sum(codes[h, q, k] * to_value[h] for h in range(HEADS))
            second = sum(codes[h, q, k] * to_out[h] for h in range(HEADS))
            hidden = first @ x[k]
            truth[q] += second @ (hidden.clamp_min(0) if name == "relu" else hidden)
    heads = find_value_network(name)(codes, torch.einsum("hec,mc->hme", to_value, x))
    assert torch.allclose(torch.einsum("hce,hne->nc", to_out, heads), truth, atol=1e-12)
    assert truth.abs().max() > 0.1


def test_a_linear_value_network_is_multi_head_attention() -> None:
    """Σ_k W_qk x_k with W_qk = Σ_h a_hqk W_h^out W_h^val, against heads that attend and are then added up."""
    codes, x = head_codes(draw(HEADS, N, M)), draw(M, C, seed=1)
    to_value, to_out = draw(HEADS, E, C, seed=2), draw(HEADS, C, E, seed=3)
    truth = torch.zeros(N, C, dtype=torch.float64)
    for q in range(N):
        for k in range(M):
            truth[q] += sum(codes[h, q, k] * to_out[h] @ to_value[h] for h in range(HEADS)) @ x[k]
    heads = find_value_network("multi_head")(codes, torch.einsum("hec,mc->hme", to_value, x))
    assert torch.allclose(torch.einsum("hce,hne->nc", to_out, heads), truth, atol=1e-12)


def test_identity_is_multi_head_attention_over_all_pairs_of_heads_and_relu_is_not() -> None:
    codes, values = head_codes(draw(HEADS, N, M)), draw(HEADS, M, E, seed=1)
    products = torch.einsum("hnm,gnm->hgnm", codes, codes)
    truth = torch.einsum("hgnm,gme->hne", products, values)
    assert torch.allclose(find_value_network("identity")(codes, values), truth, atol=1e-12)
    assert (find_value_network("relu")(codes, values) - truth).abs().max() > 0.1
    assert (find_value_network("multi_head")(codes, values) - truth).abs().max() > 0.1


def test_one_head_attends_to_all_tokens_alike() -> None:
    """One code of length one is a sign, and its square is 1: the identity network adds all values up."""
    codes, values = head_codes(draw(1, N, M), epsilon=0.0), draw(1, M, E, seed=1)
    truth = values.sum(-2, keepdim=True).expand(1, N, E)
    assert torch.allclose(find_value_network("identity")(codes, values), truth, atol=1e-12)


@pytest.mark.parametrize("name", ["relu", "identity", "multi_head"])
def test_gradients_are_finite_differences(name: str) -> None:
    scores, values = draw(2, HEADS, N, M).requires_grad_(), draw(2, HEADS, M, E, seed=1).requires_grad_()
    run = find_value_network(name)
    assert torch.autograd.gradcheck(lambda s, v: run(head_codes(s), v), (scores, values), fast_mode=True)


def test_an_unknown_network_is_named() -> None:
    with pytest.raises(UsageError, match="did you mean 'relu'"):
        find_value_network("rellu")
