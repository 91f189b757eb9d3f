"""Feature maps against the kernels they stand for, term by term and on average."""

import math
from itertools import combinations, product

import pytest
import torch
from torch.nn import functional as F

from snnpd.errors import UsageError
from snnpd.expansion.features import (
    EluPlusOne,
    ExactTernary,
    RandomFeatures,
    TruncatedTernary,
    map_error,
)


def ternary_points(head_dim: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.tensor(list(product((-1.0, 0.0, 1.0), repeat=head_dim)), dtype=dtype)


def gram(feature_map, q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    return feature_map(q) @ feature_map(k).mT


def spikes(rows: int, head_dim: int, rate: float, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    fires = torch.rand(rows, head_dim, generator=generator) < rate
    return fires * (torch.randint(0, 2, fires.shape, generator=generator) * 2.0 - 1)


@pytest.mark.parametrize(
    ("feature_map", "head_dim", "features"),
    [
        (EluPlusOne(), 7, 7),
        (ExactTernary(), 1, 3),
        (ExactTernary(), 4, 81),
        (ExactTernary(), 8, 6561),
        (TruncatedTernary(0), 5, 1),
        (TruncatedTernary(1), 5, 11),
        (TruncatedTernary(2), 5, 51),
        (TruncatedTernary(2), 1, 3),
        (TruncatedTernary(2), 64, 8193),
        (RandomFeatures(10), 4, 10),
        (RandomFeatures(3, scale=None), 8, 3),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_dimensions_and_dtypes(feature_map, head_dim: int, features: int, dtype: torch.dtype) -> None:
    mapped = feature_map(spikes(6, head_dim, 0.7).to(dtype).unflatten(0, (2, 3)))
    assert feature_map.dim(head_dim) == features
    assert mapped.shape == (2, 3, features)
    assert mapped.dtype == dtype
    assert mapped.abs().amax() > 0.1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("head_dim", [1, 2, 3, 4])
def test_the_exact_map_is_exact_on_all_ternary_pairs(head_dim: int, dtype: torch.dtype) -> None:
    points = ternary_points(head_dim, dtype)
    error = map_error(ExactTernary(), points, points, torch.exp2(points @ points.T))
    assert error.rms <= error.largest < 4**head_dim * torch.finfo(dtype).eps


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 3e-5), (torch.float64, 1e-13)])
@pytest.mark.parametrize("degree", [0, 1, 2])
def test_the_truncated_map_is_the_sum_of_its_terms(degree: int, dtype, tolerance: float) -> None:
    q, k = torch.randn(2, 6, 5, dtype=dtype)
    t = 0.75 * q.unsqueeze(1) * k + 0.25 * (q.unsqueeze(1) * k).square()
    want = sum(
        t[..., list(touched)].prod(-1) for r in range(degree + 1) for touched in combinations(range(5), r)
    )
    got = gram(TruncatedTernary(degree), q, k)
    assert torch.allclose(got, want.expand_as(got), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("degree", [0, 1, 2])
def test_truncation_is_exact_where_few_coordinates_spike_together(degree: int) -> None:
    points = ternary_points(4)
    exact = (gram(TruncatedTernary(degree), points, points) / torch.exp2(points @ points.T) - 1).abs() < 1e-12
    together = points.abs() @ points.abs().T
    assert exact[together <= degree].all()
    assert not exact[together > degree].all()


@pytest.mark.parametrize(
    ("degree", "agreeing", "opposing", "value"),
    [(1, 0, 3, -0.5), (1, 1, 5, -0.5), (2, 1, 3, -0.25), (2, 0, 5, 1.0), (0, 0, 6, 1.0)],
)
def test_where_a_truncated_map_is_negative(degree: int, agreeing: int, opposing: int, value: float) -> None:
    k = torch.tensor([[1.0] * agreeing + [-1.0] * opposing]).double()
    assert gram(TruncatedTernary(degree), k.abs(), k).item() == pytest.approx(value)
    assert TruncatedTernary(degree).positive == (degree == 0)


@pytest.mark.parametrize(("head_dim", "rate"), [(16, 0.2), (64, 0.05), (64, 0.1)])
def test_the_error_falls_with_the_degree_on_sparse_spikes(head_dim: int, rate: float) -> None:
    q, k = spikes(64, head_dim, rate), spikes(64, head_dim, rate, seed=1)
    errors = [map_error(TruncatedTernary(d), q, k, torch.exp2(q @ k.T)).rms for d in (0, 1, 2)]
    assert 1 > errors[0] > 1.3 * errors[1] > 1.3 * 1.3 * errors[2] > 0


def test_the_error_rises_with_the_degree_on_dense_spikes() -> None:
    q, k = spikes(64, 64, 0.4), spikes(64, 64, 0.4, seed=1)
    errors = [map_error(TruncatedTernary(d), q, k, torch.exp2(q @ k.T)).rms for d in (0, 1, 2)]
    assert 10 < errors[0] < errors[1] < errors[2]


@pytest.mark.parametrize(
    "feature_map", [EluPlusOne(), ExactTernary(), TruncatedTernary(0), RandomFeatures(6, scale=0.2)]
)
def test_positive_maps_are_positive_far_out(feature_map) -> None:
    points = torch.randn(40, 4, generator=torch.Generator().manual_seed(0)) * 4
    assert feature_map.positive
    assert (gram(feature_map, points, -points) > 0).all()


def test_elu_plus_one_and_its_gradient() -> None:
    x = torch.linspace(-4, 4, 17).reshape(1, 17).double().requires_grad_()
    ours, theirs = EluPlusOne()(x), F.elu(x) + 1
    assert torch.allclose(ours, theirs, rtol=1e-14)
    assert torch.allclose(*(torch.autograd.grad(y.sum(), x)[0] for y in (ours, theirs)))
    assert EluPlusOne()(torch.tensor([[-30.0]])).item() == pytest.approx(math.exp(-30), rel=1e-6)


RANDOM = [(2.0, 1.0, 3), (math.e, None, 4), (math.e, 0.5, 2)]


class TestRandomFeatures:
    def setup_method(self) -> None:
        self.q, self.k = 0.4 * torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(2)).double()

    def kernel(self, base: float, scale: float | None) -> torch.Tensor:
        return base ** ((self.q @ self.k.T) * (0.5 if scale is None else scale))

    @pytest.mark.parametrize(("base", "scale", "num"), RANDOM)
    @pytest.mark.parametrize("orthogonal", [True, False])
    def test_the_mean_over_seeds_is_the_kernel(self, base, scale, num, orthogonal: bool) -> None:
        draws = torch.stack(
            [gram(RandomFeatures(num, base, scale, s, orthogonal), self.q, self.k) for s in range(1200)]
        )
        bias = (draws.mean(0) - self.kernel(base, scale)) / (draws.std(0) / math.sqrt(len(draws)))
        assert bias.abs().max() < 4.5
        assert (draws.std(0) < self.kernel(base, scale) * 5).all()

    @pytest.mark.parametrize("num", [16, 256, 2048])
    def test_the_error_is_the_predicted_one_and_falls_with_the_root_of_their_number(self, num: int) -> None:
        kernel = self.kernel(2.0, 1.0)
        squared = [
            map_error(RandomFeatures(num, seed=s, orthogonal=False), self.q, self.k, kernel).rms ** 2
            for s in range(400)
        ]
        variance = torch.expm1(math.log(2) * (self.q.unsqueeze(1) + self.k).square().sum(-1)).mean() / num
        assert sum(squared) / len(squared) == pytest.approx(variance.item(), rel=0.25)

    def test_orthogonal_directions_are_orthogonal_in_blocks(self) -> None:
        features = RandomFeatures(8)(torch.eye(4).double())
        directions = (features * math.sqrt(8)).log() + math.log(2) / 2
        for block in directions.split(4, -1):
            products = block.T @ block
            assert torch.allclose(products, products.diag().diag(), atol=1e-10)
            assert products.diag().min() > 0.01

    def test_orthogonal_directions_err_less(self) -> None:
        q, k = 0.2 * torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(2)).double()
        squared = {True: 0.0, False: 0.0}
        for seed, orthogonal in product(range(500), squared):
            feature_map = RandomFeatures(64, seed=seed, orthogonal=orthogonal)
            squared[orthogonal] += map_error(feature_map, q, k, torch.exp2(q @ k.T)).rms ** 2
        assert squared[True] < 0.9 * squared[False]

    def test_a_seed_is_a_map_for_every_dtype(self) -> None:
        wide, narrow = RandomFeatures(9, seed=3)(self.q), RandomFeatures(9, seed=3)(self.q.float())
        assert torch.allclose(wide.float(), narrow, rtol=1e-5)
        assert (RandomFeatures(9, seed=4)(self.q) - wide).abs().max() > 0.01

    def test_directions_drawn_in_inference_mode_are_differentiable_later(self) -> None:
        with torch.inference_mode():
            RandomFeatures(5, seed=77)(self.q)
        q = self.q.clone().requires_grad_()
        assert torch.autograd.gradcheck(RandomFeatures(5, seed=77), (q,))

    def test_exponents_stay_wide_under_autocast(self) -> None:
        plain = RandomFeatures(16, seed=5)(4 * self.q.float())
        with torch.autocast("cpu", torch.bfloat16):
            cast = RandomFeatures(16, seed=5)(4 * self.q.float())
        assert torch.equal(plain, cast)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ExactTernary().dim(9), "19683 features.*TruncatedTernary.*RandomFeatures"),
        (lambda: ExactTernary()(torch.zeros(1, 64)), "3433683820292512484657849089281 features"),
        (lambda: TruncatedTernary(2)(torch.zeros(1, 91)), "16563 features.*lower degree"),
        (lambda: TruncatedTernary(3), "degree 3.*0, 1 or 2"),
        (lambda: RandomFeatures(0), "num = 0"),
        (lambda: RandomFeatures(4, base=1.0), "base above 1"),
        (lambda: RandomFeatures(4, scale=-1.0), "scale above 0"),
        (lambda: map_error(EluPlusOne(), *(torch.zeros(1, 1),) * 3), "kernel value is zero"),
    ],
)
def test_wrong_requests_are_refused(make, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        make()
