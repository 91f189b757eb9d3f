"""The laws that every attention × neuron pair obeys."""

import pytest
import torch
from spikingjelly.activation_based import functional
from torch import Tensor, nn

from snnpd.attention import list_attentions, observe, record_attention
from tests.attention.literature import heads_of
from tests.attention.oracle import dense_heads
from tests.attention.subjects import DIM, EXPANSIONS, SUBJECTS, TOKENS, Subject

every_subject = pytest.mark.parametrize("subject", SUBJECTS, ids=str)


def test_the_table_is_complete() -> None:
    assert {s.attention for s in SUBJECTS} == set(list_attentions())


def run(layer: nn.Module, x: Tensor, mask: Tensor | None = None) -> Tensor:
    functional.reset_net(layer)
    return layer(x, mask)


def spikes_of(layer: nn.Module, x: Tensor) -> dict[str, Tensor]:
    seen: dict[str, Tensor] = {}
    handles = [
        module.register_forward_hook(lambda _m, _a, out, name=name: seen.__setitem__(name, out.detach()))
        for name, module in layer.named_modules()
        if hasattr(module, "alphabet")
    ]
    run(layer, x)
    for handle in handles:
        handle.remove()
    return seen


@every_subject
def test_shape_and_a_live_output(subject: Subject) -> None:
    y = run(subject.make(), subject.tokens())
    assert y.shape == (3, 4, TOKENS, DIM)
    assert y.isfinite().all()
    assert (y.std(dim=(1, 2)).amax(-1) > 1e-3).all(), "some step says the same for all samples and tokens"


@every_subject
def test_spikes_occur_and_stay_in_their_alphabet(subject: Subject) -> None:
    layer = subject.make()
    seen = spikes_of(layer, subject.tokens())
    assert bool(seen) == subject.is_spiking
    for name, spikes in seen.items():
        alphabet = layer.get_submodule(name).alphabet
        assert alphabet.contains(spikes), name
        assert 0.01 < (spikes != 0).double().mean() < 0.99, name
    if subject.is_bipolar:
        points = [s for name, s in seen.items() if name.endswith(("query", "key"))]
        assert points
        assert all(set(s.unique().tolist()) == {-1.0, 0.0, 1.0} for s in points)


@pytest.mark.parametrize("subject", EXPANSIONS, ids=str)
def test_maps_and_outputs_equal_the_dense_truth(subject: Subject) -> None:
    layer, x = subject.make(), subject.tokens()
    coded: list[list[Tensor]] = []
    heads: list[Tensor] = []
    for group in layer.groups:
        coded.append([])
        for code in (group.query, group.key, group.value):
            code.register_forward_hook(lambda _m, _a, out, seen=coded[-1]: seen.append(out.detach()))
        group.register_forward_hook(lambda _m, _a, out: heads.append(out.detach()))
    with record_attention(layer) as maps:
        run(layer, x)
    for points, weights, out in zip(coded, maps[""], heads, strict=True):
        # Where nothing stands between projections and codes, these see whole tokens.
        q, k, v = (heads_of(part) if part.ndim == 4 else part for part in points)
        truth = dense_heads(subject, q, k)
        assert torch.allclose(weights, truth, atol=1e-12)
        assert torch.allclose(out, torch.einsum("tbhnm,tbhme->tbhne", truth, v), atol=1e-12)
        assert weights.abs().max() > 0.05


@every_subject
def test_each_sample_is_independent_of_its_batch_mates(subject: Subject) -> None:
    if subject.mixes_samples:
        pytest.skip("the batch is part of this model: test_systems has the law of its rows")
    layer, x = subject.make(), subject.tokens()
    together = run(layer, x)
    for b in range(x.shape[1]):
        assert torch.allclose(run(layer, x[:, b : b + 1]), together[:, b : b + 1], atol=1e-10)


@every_subject
def test_outputs_do_not_see_later_steps(subject: Subject) -> None:
    layer, x = subject.make(), subject.tokens()
    other = torch.cat([x[:2], subject.tokens(seed=9)[2:]])
    first, second = run(layer, x), run(layer, other)
    assert torch.allclose(first[:2], second[:2], atol=1e-10)
    assert not torch.allclose(first[2], second[2])


@every_subject
def test_permuted_tokens_give_permuted_outputs(subject: Subject) -> None:
    if not subject.is_equivariant:
        pytest.skip("told by position: test_systems and test_shiftmax have what holds instead")
    layer, x = subject.make(), subject.tokens()
    blocks = torch.randperm(TOKENS // subject.block, generator=torch.Generator().manual_seed(3))
    order = (blocks[:, None] * subject.block + torch.arange(subject.block)).flatten()
    assert not torch.equal(order, torch.arange(TOKENS))
    assert torch.allclose(run(layer, x[:, :, order]), run(layer, x)[:, :, order], atol=1e-10)


@every_subject
def test_padded_tokens_change_nothing(subject: Subject) -> None:
    layer, x = subject.make(), subject.tokens()
    padded = torch.cat([x, subject.tokens(seed=5)[:, :, :3]], dim=2)
    mask = torch.arange(TOKENS + 3) < TOKENS
    y = run(layer, padded, mask.expand(x.shape[1], -1))
    assert torch.allclose(y[:, :, :TOKENS], run(layer, x), atol=1e-10)


@every_subject
def test_a_sample_without_real_tokens_stays_finite(subject: Subject) -> None:
    layer = subject.make().train()
    x = subject.tokens().requires_grad_()
    mask = torch.ones(4, TOKENS, dtype=torch.bool)
    mask[1] = False
    run(layer, x, mask).square().sum().backward()
    assert x.grad.isfinite().all()


@every_subject
def test_reset_forgets_and_state_carries_on(subject: Subject) -> None:
    layer, x = subject.make(), subject.tokens(steps=4)
    first = run(layer, x)
    assert torch.equal(run(layer, x), first)
    functional.reset_net(layer)
    halves = torch.cat([layer(x[:2]), layer(x[2:])])
    assert torch.allclose(halves, first, atol=1e-10)


@every_subject
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_dtypes(subject: Subject, dtype: torch.dtype) -> None:
    y = run(subject.make(dtype), subject.tokens(dtype=dtype))
    assert y.dtype == dtype
    assert y.isfinite().all()
    assert y.float().std() > 1e-3


@every_subject
def test_state_dict_round_trip(subject: Subject) -> None:
    layer, x = subject.make(), subject.tokens()
    other = subject.make()
    for parameter in other.parameters():
        parameter.data.add_(1)
    assert not torch.equal(run(other, x), run(layer, x))
    other.load_state_dict(layer.state_dict())
    assert torch.equal(run(other, x), run(layer, x))


@every_subject
def test_gradients_reach_input_and_every_parameter(subject: Subject) -> None:
    layer, x = subject.make().train(), subject.tokens().requires_grad_()
    with observe(layer) as views:
        y = run(layer, x)
    own = sum(view.loss for view in views[""] if view.loss is not None)
    ((y * torch.randn(DIM, dtype=torch.float64)).square().sum() + own).backward()
    assert x.grad.isfinite().all()
    assert x.grad.abs().max() > 0
    for name, parameter in layer.named_parameters():
        if not parameter.requires_grad:
            assert subject.attention.startswith("frozen"), name
            continue
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name
