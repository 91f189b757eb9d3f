"""Statistics of layers: whose tokens enter them, when, and what is frozen; masks of two sequences of one length."""

import copy

import pytest
import torch
from spikingjelly.activation_based import functional
from torch import Tensor, nn

from snnpd.attention import Attention, create_attention
from snnpd.attention.controls import FrozenPoints
from snnpd.attention.running_norm import RunningTokenNorm
from snnpd.expansion import Points
from snnpd.projections import LinearNorm
from tests.attention.subjects import DIM, NUM_HEADS, TOKENS, Subject

CROSS = [
    Subject("softmax"),
    Subject("linear"),
    Subject("attention_bn"),
    Subject("attention_sh"),
    Subject("ssa", {"scale": 0.375}),
    Subject("bsa"),
    Subject("bipolar_bn"),
    Subject("uniform"),
    Subject("frozen_bsa"),
]


def run(layer: Attention, *inputs: Tensor | None) -> Tensor:
    functional.reset_net(layer)
    y = layer(*inputs)
    functional.reset_net(layer)
    return y


def masks() -> tuple[Tensor, Tensor]:
    """Two masks of the same shape that differ in every sample, with holes."""
    tokens = torch.rand(4, TOKENS, generator=torch.Generator().manual_seed(0)) > 0.4
    tokens[:, 0] = True
    return tokens, tokens.flip(-1).roll(1, 0)


@pytest.mark.parametrize("subject", CROSS, ids=str)
def test_two_sequences_of_one_length_keep_their_own_masks(subject: Subject) -> None:
    layer, x, context = subject.make(), subject.tokens(), subject.tokens(seed=4)
    mask, context_mask = masks()
    y = run(layer, x, mask, context, context_mask)
    other = torch.where(context_mask[:, :, None], context, subject.tokens(seed=6))
    assert torch.allclose(run(layer, x, mask, other, context_mask)[:, mask], y[:, mask], atol=1e-10)
    assert not torch.allclose(run(layer, x, mask, context, mask)[:, mask], y[:, mask])


def test_queries_and_keys_are_normalised_over_their_own_real_tokens() -> None:
    layer = create_attention("bsa", DIM, NUM_HEADS).double().train()
    layer.qkv.norm.momentum = 1.0
    x, context = Subject("bsa").tokens(), 3 * Subject("bsa").tokens(seed=4)
    mask, context_mask = masks()
    layer(x, mask, context, context_mask)
    weight = layer.qkv.linear.weight
    q, kv = x[:, mask].flatten(0, 1) @ weight[:DIM].T, context[:, context_mask].flatten(0, 1) @ weight[DIM:].T
    assert torch.allclose(layer.qkv.norm.running_mean, torch.cat([q.mean(0), kv.mean(0)]))
    assert torch.allclose(layer.qkv.norm.running_var, torch.cat([q.var(0), kv.var(0)]))
    assert not torch.allclose(q.mean(0), (x.flatten(0, 2) @ weight[:DIM].T).mean(0))


@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("training", [True, False])
def test_columns_are_those_of_the_whole_projection(momentum: float | None, training: bool) -> None:
    whole = LinearNorm(DIM, 3 * DIM).double().train(training)
    for parameter in (whole.norm.weight, whole.norm.bias, whole.norm.running_mean):
        nn.init.normal_(parameter.data)
    nn.init.uniform_(whole.norm.running_var, 0.5, 2.0)
    whole.norm.momentum = momentum
    parts = copy.deepcopy(whole)
    mask, _ = masks()
    for seed in range(3):
        x = Subject("softmax").tokens(seed=seed)
        some = [parts.columns(x, mask, slice(0, DIM)), parts.columns(x, mask, slice(DIM, 3 * DIM))]
        assert torch.allclose(torch.cat(some, -1), whole(x, mask), atol=1e-12)
    for name, value in whole.state_dict().items():
        assert torch.allclose(parts.state_dict()[name], value), name


class TestRunning:
    def setup_method(self) -> None:
        generator = torch.Generator().manual_seed(0)
        q, k, v = (torch.randn(2, 3, 2, 7, 4, generator=generator, dtype=torch.float64) for _ in range(3))
        mask = torch.rand(3, 1, 7, generator=generator) > 0.4
        self.points = Points(q, 5 + 2 * k, v, mask)
        real = torch.stack([self.points.k[:, :, h][:, mask[:, 0]].flatten(0, 1) for h in range(2)])
        self.mean, self.variance = real.mean(1), real.var(1, correction=0)

    def norm(self, **options: float) -> RunningTokenNorm:
        return RunningTokenNorm(2, 4, **options).double()

    def test_a_batch_in_training_meets_the_statistics_before_it_and_then_enters_them(self) -> None:
        norm = self.norm(momentum=0.25)
        moved = norm(self.points)
        assert torch.allclose(moved.k, self.points.k / (1 + 1e-5) ** 0.5)
        assert torch.equal(moved.v, self.points.v)
        assert torch.allclose(norm.mean[:, 0], 0.25 * self.mean)
        assert torch.allclose(norm.variance[:, 0], 0.75 + 0.25 * self.variance)
        assert not torch.allclose(norm(self.points).k, moved.k)

    @pytest.mark.parametrize("beta", [1.0, 0.3])
    def test_evaluation_standardises_and_remembers_nothing(self, beta: float) -> None:
        norm = self.norm(beta=beta, momentum=1.0)
        norm(self.points)
        norm.eval()
        moved = norm(self.points._replace(k=self.points.k + 9, mask=None))
        for got, given in ((moved.q, self.points.q), (moved.k, self.points.k + 9)):
            want = (given - beta * self.mean[:, None]) / (self.variance[:, None] + 1e-5).sqrt()
            assert torch.allclose(got, want)
        assert torch.allclose(norm.mean[:, 0], self.mean)

    def test_a_batch_without_real_tokens_leaves_the_statistics_alone(self) -> None:
        norm = self.norm()
        norm(self.points._replace(mask=torch.zeros(3, 1, 7, dtype=torch.bool)))
        assert (norm.mean == 0).all()
        assert (norm.variance == 1).all()

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_sums_over_many_tokens_stay_finite_in_half_types(self, dtype: torch.dtype) -> None:
        norm = RunningTokenNorm(2, 4, momentum=1.0).to(dtype)
        k = (3 * torch.randn(4, 16, 2, 300, 4) + 6).to(dtype)
        assert norm(Points(k, k, k)).k.dtype == dtype
        norm(Points(k, k, k))
        assert torch.allclose(norm.mean.float(), torch.tensor(6.0), rtol=0.05)
        assert torch.allclose(norm.variance.float(), torch.tensor(9.0), rtol=0.05)

    @pytest.mark.parametrize("name", ["attention_bn", "bipolar_bn"])
    def test_layers_use_them_with_their_own_beta(self, name: str) -> None:
        for beta in (1.0, 0.25):
            layer = create_attention(name, DIM, NUM_HEADS, statistics="running", beta=beta)
            (norm,) = (part for part in layer.modules() if isinstance(part, RunningTokenNorm))
            assert norm.beta == beta
            assert norm is layer.head_groups[0].expansion.transforms[0]
            assert {key for key, _ in layer.named_buffers() if key.endswith(("mean", "variance"))} >= {
                "groups.0.transforms.0.mean"
            }


class TestFrozen:
    def frozen_norm(self, layer: Attention) -> nn.BatchNorm1d:
        assert isinstance(layer.qkv, FrozenPoints)
        return layer.qkv.points.norm

    def test_the_first_batch_in_training_and_no_later_one(self) -> None:
        layer = create_attention("frozen_bsa", DIM, NUM_HEADS).double()
        mask, _ = masks()
        x = Subject("bsa").tokens()
        layer.eval()
        run(layer, x, mask)
        assert (self.frozen_norm(layer).running_mean == 0).all()
        layer.train()
        run(layer, x, mask)
        potentials = x[:, mask].flatten(0, 1) @ layer.qkv.points.linear.weight.T
        for seed in (1, 2):
            layer.train()
            run(layer, 4 * Subject("bsa").tokens(seed=seed))
            assert torch.allclose(self.frozen_norm(layer).running_mean, potentials.mean(0))
            assert torch.allclose(self.frozen_norm(layer).running_var, potentials.var(0))
            assert not self.frozen_norm(layer).training
        assert layer.qkv.value.norm.num_batches_tracked == 3
        again = create_attention("frozen_bsa", DIM, NUM_HEADS).double()
        again.load_state_dict(layer.state_dict())
        run(again, 4 * Subject("bsa").tokens(seed=3))
        assert torch.allclose(self.frozen_norm(again).running_mean, potentials.mean(0))

    def test_keys_of_a_context_take_their_statistics_from_it(self) -> None:
        layer = create_attention("frozen_bsa", DIM, NUM_HEADS).double()
        x, context = Subject("bsa").tokens(), 20 + 5 * Subject("softmax").tokens(seed=4)
        layer(x, None, context, None)
        keys = (context @ layer.qkv.points.linear.weight[DIM:].T).flatten(0, 2)
        queries = (x @ layer.qkv.points.linear.weight[:DIM].T).flatten(0, 2)
        norm = self.frozen_norm(layer)
        assert torch.allclose(norm.running_mean, torch.cat([queries.mean(0), keys.mean(0)]))
        assert torch.allclose(norm.running_var, torch.cat([queries.var(0), keys.var(0)]))
        assert bool(layer.qkv.is_calibrated)

    @pytest.mark.parametrize("name", ["frozen_softmax", "frozen_bsa"])
    def test_an_optimiser_moves_the_values_alone(self, name: str) -> None:
        layer, x = create_attention(name, DIM, NUM_HEADS).double(), Subject(name).tokens()
        run(layer, x)
        before = {key: value.clone() for key, value in layer.state_dict().items()}
        optimizer = torch.optim.SGD([p for p in layer.parameters() if p.requires_grad], 0.5)
        run(layer, x).square().sum().backward()
        optimizer.step()
        for key, value in layer.state_dict().items():
            if key.startswith("qkv.points"):
                assert torch.equal(value, before[key]), key
            if key.startswith("qkv.value") and key.endswith("weight") and value.ndim == 2:
                assert not torch.equal(value, before[key]), key


@pytest.mark.parametrize(
    ("name", "is_pooled"),
    [("attention_bn", False), ("bipolar_bn", False), ("attention_bn_sh", True), ("bipolar_bn_sh", True)],
)
def test_beta_reaches_the_transform(name: str, is_pooled: bool) -> None:
    layer = create_attention(name, DIM, NUM_HEADS, beta=0.25)
    transforms = [step for group in layer.head_groups for step in group.expansion.transforms]
    assert {step.beta for step in transforms if hasattr(step, "beta")} == {0.25}
    assert any(hasattr(step, "factor") for step in transforms) == is_pooled


@pytest.mark.parametrize("name", ["attention_sh", "attention_bn_sh", "bipolar_sh", "bipolar_bn_sh", "local"])
def test_the_grid_reaches_the_expansion(name: str) -> None:
    layer = create_attention(name, DIM, NUM_HEADS, grid=(2, 4))
    for group in layer.head_groups:
        parts = [group.expansion.reach] if name == "local" else group.expansion.transforms[:1]
        assert [part.grid for part in parts] == [(2, 4)]


@pytest.mark.parametrize("grid", [(2, 4), (4, 2)])
def test_a_square_window_on_a_grid_that_is_no_square(grid: tuple[int, int]) -> None:
    layer = create_attention("local", DIM, NUM_HEADS, radius=1, grid=grid).double()
    x = Subject("local").tokens()
    place = [(n // grid[1], n % grid[1]) for n in range(TOKENS)]
    y = layer(x)
    for far in range(TOKENS):
        moved = x.clone()
        moved[:, :, far] += 1
        changed = (layer(moved) - y).abs().amax((0, 1, 3)) > 1e-9
        near = [max(abs(a - place[far][0]), abs(b - place[far][1])) <= 1 for a, b in place]
        assert changed.tolist() == near
