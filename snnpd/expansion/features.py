"""Finite feature maps φ with κ(q, k) = φ(q)·φ(k), exactly or nearly: what a primal form is made of."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from snnpd.errors import UsageError

# The state of a primal form has features x E entries; more than these cost more than the dual form they replace.
MAX_FEATURES = 2**14


class FeatureMap(ABC):
    """A map φ of points; frozen, so that it can stand in the declaration of a kernel."""

    @property
    def positive(self) -> bool:
        """Whether φ(q)·φ(k) > 0 for all q and k, so that row sums cannot vanish."""
        return True

    @abstractmethod
    def dim(self, head_dim: int) -> int:
        """The number F of features of points with `head_dim` coordinates."""

    @abstractmethod
    def __call__(self, x: Float[Tensor, "... N D"]) -> Float[Tensor, "... N F"]:
        """φ of every point, in the dtype of the points."""


@dataclass(frozen=True)
class EluPlusOne(FeatureMap):
    """φ(x) = elu(x) + 1, coordinate by coordinate: the map of linear attention.

    Source: Katharopoulos et al. 2020, eq. 7; docs/math/feature_maps.md#f1-linear-attention.
    """

    def dim(self, head_dim: int) -> int:
        """As many features as coordinates."""
        return head_dim

    def __call__(self, x: Float[Tensor, "... N D"]) -> Float[Tensor, "... N F"]:
        """x + 1 above zero, e^x below it, where elu(x) + 1 itself would be rounded to zero."""
        # not clamp, whose gradient at zero is zero
        return x.masked_fill(x > 0, 0).exp() + F.relu(x)


@dataclass(frozen=True)
class ExactTernary(FeatureMap):
    """The map of κ(q, k) = 2^(q·k), exact on ternary points.

    Equation:
        2^(q·k) = Π_d 2^(q_d k_d) and 2^(ab) = 1 + ¾ ab + ¼ a²b² on {-1, 0, 1}, so φ(x) is the tensor
        product over d of (1, √¾ x_d, ½ x_d²): 3^D features.
    Source: docs/math/feature_maps.md#f2-the-exact-map-of-the-ternary-base-2-kernel.

    On other real points κ is that polynomial, which is positive too. Gradients are those of the polynomial,
    not ln 2 · κ: at q_d = k_d = 1 the factor is 5/4 where the dual form has 2 ln 2 = 1.39. √¾ is rounded and
    terms cancel where κ is small: κ is right to about 4^D roundings, so for D = 8 prefer float64.

    Raises:
        UsageError: more features than `MAX_FEATURES`, that is D > 8.
    """

    def dim(self, head_dim: int) -> int:
        """3^D."""
        return _affordable(self, 3**head_dim, "TruncatedTernary(2) or RandomFeatures")

    def __call__(self, x: Float[Tensor, "... N D"]) -> Float[Tensor, "... N F"]:
        """The tensor product, the last coordinate running fastest."""
        self.dim(x.shape[-1])
        features = torch.ones_like(x[..., :1])
        for coordinate in x.unbind(-1):
            factor = torch.cat([torch.ones_like(coordinate).unsqueeze(-1), _touched(coordinate)], -1)
            features = (features.unsqueeze(-1) * factor.unsqueeze(-2)).flatten(-2)
        return features


@dataclass(frozen=True)
class TruncatedTernary(FeatureMap):
    """The terms of `ExactTernary` that touch at most `degree` coordinates: 1, 1 + 2D, or 1 + 2D² of them.

    Equation:
        φ(q)·φ(k) = Σ_(r ≤ degree) e_r(t), t_d = 2^(q_d k_d) - 1, e_r the elementary symmetric polynomials.
    Source: docs/math/feature_maps.md#f3-truncated-maps.

    A touched coordinate contributes √¾ x_d or ½ x_d²; both count as one, because a spike touches both at
    once. So κ is exact wherever at most `degree` coordinates spike in q and k alike. Where more do, about D
    times both firing rates, the error grows fast, and a higher degree can be the worse one: a map for sparse
    spikes. With a agreeing and b opposing spikes, degree 1 gives 1 + a - b/2, negative where b > 2 + 2a;
    degree 2, with s = a - b/2, gives 1 + s/2 + s²/2 - 3b/8, negative as at a = 1, b = 3.

    Raises:
        UsageError: a degree above 2, or more features than `MAX_FEATURES`, that is D > 90 at degree 2.
    """

    degree: int = 2

    def __post_init__(self) -> None:
        if self.degree not in (0, 1, 2):
            raise UsageError(f"truncated ternary map: degree {self.degree} is not offered; choose 0, 1 or 2")

    @property
    def positive(self) -> bool:
        """The constant alone."""
        return self.degree == 0

    def dim(self, head_dim: int) -> int:
        """One feature per term kept."""
        pairs = head_dim * (head_dim - 1) // 2
        kept = sum((1, 2 * head_dim, 4 * pairs)[: self.degree + 1])
        return _affordable(self, kept, "a lower degree or RandomFeatures")

    def __call__(self, x: Float[Tensor, "... N D"]) -> Float[Tensor, "... N F"]:
        """The constant, then terms of one coordinate, then those of two."""
        self.dim(x.shape[-1])
        single = _touched(x)
        terms = [torch.ones_like(x[..., :1]), single.flatten(-2)]
        if self.degree == 2:
            first, second = torch.triu_indices(x.shape[-1], x.shape[-1], 1, device=x.device)
            pairs = single[..., first, :].unsqueeze(-1) * single[..., second, :].unsqueeze(-2)
            terms.append(pairs.flatten(-3))
        return torch.cat(terms[: self.degree + 1], -1)


def _touched(x: Tensor) -> Tensor:
    """The two terms of a coordinate that are not the constant one."""
    return torch.stack([math.sqrt(0.75) * x, 0.5 * x.square()], -1)


def _affordable(feature_map: FeatureMap, features: int, instead: str) -> int:
    if features > MAX_FEATURES:
        raise UsageError(
            f"{feature_map} wants {features} features, the most is {MAX_FEATURES}; use {instead}, "
            "a smaller head width, or the kernel itself without a map"
        )
    return features


@dataclass(frozen=True)
class RandomFeatures(FeatureMap):
    """Positive random features of κ(q, k) = base^(scale q·k), right on average over seeds.

    Equation:
        φ(x)_r = exp(ω_r·y - ‖y‖²/2)/√F, y = √c x, c = scale ln base, ω_r ~ N(0, I); then E φ(q)·φ(k) = κ.
        With independent ω_r the relative variance of φ(q)·φ(k) is (exp(c ‖q + k‖²) - 1)/F.
    Source:
        FAVOR+, Choromanski et al. 2021, Lemma 1, and orthogonal directions in blocks of D with the lengths
        of Gaussian vectors; from memory of the paper, the equation checked numerically:
        docs/math/feature_maps.md#f4-positive-random-features.

    `scale` None stands for 1/√D. The variance says where the map is of use: c ‖q + k‖² of a few units at
    most. Dense ternary points of width 64 without a scale are far beyond; measure with `map_error`.

    Raises:
        UsageError: no feature, a base of at most 1, or a scale that is not positive.
    """

    num: int
    base: float = 2.0
    scale: float | None = 1.0
    seed: int = 0
    orthogonal: bool = True

    def __post_init__(self) -> None:
        if self.num < 1:
            raise UsageError(f"random features: num = {self.num} must be at least 1")
        if self.base <= 1 or (self.scale is not None and self.scale <= 0):
            raise UsageError(
                f"random features: base {self.base} with scale {self.scale} has no positive map; "
                "choose a base above 1 and a scale above 0"
            )

    def dim(self, head_dim: int) -> int:
        """`num`, whatever the head width."""
        return self.num

    def __call__(self, x: Float[Tensor, "... N D"]) -> Float[Tensor, "... N F"]:
        """φ(x), computed in at least float32."""
        head_dim, dtype = x.shape[-1], torch.promote_types(x.dtype, torch.float32)
        scale = head_dim**-0.5 if self.scale is None else self.scale
        points = math.sqrt(scale * math.log(self.base)) * x.to(dtype)
        directions = _directions(self.num, head_dim, self.seed, self.orthogonal, dtype, x.device)
        # exponents rounded to bfloat16 would be off by whole factors
        with torch.autocast(x.device.type, enabled=False):
            exponents = points @ directions.T - points.square().sum(-1, keepdim=True) / 2
        return (exponents.exp() / math.sqrt(self.num)).to(x.dtype)


@lru_cache(maxsize=64)
def _directions(
    num: int, head_dim: int, seed: int, orthogonal: bool, dtype: torch.dtype, device: torch.device
) -> Float[Tensor, "num head_dim"]:
    """The ω_r, drawn on the CPU in float64, so that every device and dtype sees the same map."""
    # drawn under inference mode they could not be differentiated through later
    with torch.inference_mode(False), torch.no_grad():
        generator = torch.Generator().manual_seed(seed)
        gaussian = partial(torch.randn, generator=generator, dtype=torch.float64, device="cpu")
        drawn = gaussian(-(-num // head_dim), head_dim, head_dim)
        if orthogonal:
            basis, triangle = torch.linalg.qr(drawn)
            # signs make the basis uniform over all rotations, and with such lengths every direction Gaussian
            signs = triangle.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-2)
            lengths = gaussian(drawn.shape).norm(dim=-1, keepdim=True)
            drawn = lengths * (basis * signs).transpose(-1, -2)
        return drawn.flatten(0, 1)[:num].to(device, dtype)


class MapError(NamedTuple):
    """How far φ(q)·φ(k) lies from κ(q, k), relative to κ: the largest and the root-mean-square error."""

    largest: float
    rms: float


def map_error(
    feature_map: FeatureMap,
    q: Float[Tensor, "... N D"],
    k: Float[Tensor, "... M D"],
    kernel_values: Float[Tensor, "... N M"],
) -> MapError:
    """The error of a map, measured on the pairs of these points.

    Source: docs/math/feature_maps.md#f5-measured-errors, with figures.

    Example:
        >>> q = torch.tensor([[1.0, -1.0, 0.0]])
        >>> map_error(TruncatedTernary(1), q, -q, torch.tensor([[0.25]]))
        MapError(largest=1.0, rms=1.0)

    Raises:
        UsageError: a kernel value of zero, to which nothing is relative.
    """
    if (kernel_values == 0).any():
        raise UsageError(
            "map error: a kernel value is zero and has no relative error; leave absent points out"
        )
    relative = feature_map(q) @ feature_map(k).transpose(-1, -2) / kernel_values - 1
    return MapError(relative.abs().max().item(), relative.square().mean().sqrt().item())
