"""Kernels κ(q, k): what a query and a support point have in common."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from snnpd.errors import UsageError
from snnpd.expansion.features import FeatureMap


class Kernel(ABC):
    """A kernel by its scores: κ = base^scores for an exponential kernel, the scores themselves where base is None.

    A kernel with a finite feature map gives that too, and with it the expansion has a primal form.
    """

    base: float | None = None
    positive: bool = True

    @abstractmethod
    def scores(self, q: Float[Tensor, "... N D"], k: Float[Tensor, "... M D"]) -> Float[Tensor, "... N M"]:
        """The scores of all queries against all support points."""

    def score_dim(self, head_dim: int) -> int:
        """The number of products in a score."""
        return head_dim

    def feature_dim(self, head_dim: int) -> int | None:
        """Dimension of the feature map Φ for points of width `head_dim`; None where no finite one is used."""
        return None

    def features(self, x: Float[Tensor, "... N D"]) -> Float[Tensor, "... N F"]:
        """Φ(x), with κ(q, k) = Φ(q)·Φ(k).

        Raises:
            UsageError: the kernel has no finite feature map.
        """
        raise UsageError(
            f"{self} has no finite feature map; give FeatureKernel(...) one that approximates it"
        )

    def values(self, scores: Float[Tensor, "... N M"]) -> Float[Tensor, "... N M"]:
        """κ from its scores."""
        return scores if self.base is None else torch.exp(math.log(self.base) * scores)


@dataclass(frozen=True)
class Exponential(Kernel):
    """κ(q, k) = base^(scale q·k): the kernel of softmax attention (base e) and of bipolar attention (base 2).

    `scale` None stands for 1/√D. `score_shift` = s shifts integer scores right by s places, ⌊q·k / 2^s⌋,
    with the gradient of the unrounded quotient; only for base 2, whose scores are integers.

    Source: softmax attention, Vaswani et al. 2017; base 2 without a scale, BSA eq. 12;
    shifted scores, docs/math/shiftmax.md#s11-shifted-scores.
    """

    base: float = math.e
    scale: float | None = None
    score_shift: int = 0

    def __post_init__(self) -> None:
        if self.base <= 1:
            raise UsageError(f"exponential kernel: base {self.base} must be greater than 1")
        if self.score_shift < 0 or (self.score_shift and (self.base != 2 or self.scale != 1)):
            raise UsageError(
                f"exponential kernel: score_shift = {self.score_shift} shifts integer scores; "
                "it is a count of places >= 0 and wants base 2 and scale 1"
            )

    def scores(self, q: Float[Tensor, "... N D"], k: Float[Tensor, "... M D"]) -> Float[Tensor, "... N M"]:
        """scale q·k, shifted."""
        scale = q.shape[-1] ** -0.5 if self.scale is None else self.scale
        products = (q if scale == 1 else q * scale) @ k.transpose(-1, -2)
        if not self.score_shift:
            return products
        quotient = products * 2.0**-self.score_shift
        return quotient + (quotient.floor() - quotient).detach()


@dataclass(frozen=True)
class Linear(Kernel):
    """κ(q, k) = scale q·k; its feature map is the identity. `scale` None stands for 1/√D.

    Source: spiking self-attention, Spikformer (Zhou et al. 2023), whose constant 0.125 is the normaliser here.
    """

    scale: float | None = 1.0
    positive: ClassVar[bool] = False  # type: ignore[misc]

    def scores(self, q: Float[Tensor, "... N D"], k: Float[Tensor, "... M D"]) -> Float[Tensor, "... N M"]:
        """scale q·k."""
        scale = q.shape[-1] ** -0.5 if self.scale is None else self.scale
        return (q if scale == 1 else q * scale) @ k.transpose(-1, -2)

    def feature_dim(self, head_dim: int) -> int:
        """The head width: Φ is the identity, up to the scale."""
        return head_dim

    def features(self, x: Float[Tensor, "... N D"]) -> Float[Tensor, "... N F"]:
        """√scale x."""
        scale = x.shape[-1] ** -0.5 if self.scale is None else self.scale
        return x if scale == 1 else x * math.sqrt(scale)


@dataclass(frozen=True)
class Uniform(Kernel):
    """κ = 1 for all pairs: every support point counts alike, the control that looks at nothing.

    Source: docs/math/systems.md#c14-attention-that-cannot-have-learned-where-to-look.
    """

    def scores(self, q: Float[Tensor, "... N D"], k: Float[Tensor, "... M D"]) -> Float[Tensor, "... N M"]:
        """Ones."""
        return q.new_ones(*q.shape[:-1], k.shape[-2])

    def feature_dim(self, head_dim: int) -> int:
        """One feature, a constant."""
        return 1

    def features(self, x: Float[Tensor, "... N D"]) -> Float[Tensor, "... N F"]:
        """Φ(x) = 1."""
        return x.new_ones(*x.shape[:-1], 1)


@dataclass(frozen=True)
class FeatureKernel(Kernel):
    """κ(q, k) = φ(q)·φ(k) for a given map φ: linear attention with φ = elu + 1, an approximation of another kernel
    with a truncated or random map.

    Source: linear attention, Katharopoulos et al. 2020, eq. 7.
    """

    map: FeatureMap

    @property
    def positive(self) -> bool:  # type: ignore[override]
        """Whether φ(q)·φ(k) > 0 for all points."""
        return self.map.positive

    def scores(self, q: Float[Tensor, "... N D"], k: Float[Tensor, "... M D"]) -> Float[Tensor, "... N M"]:
        """φ(q)·φ(k)."""
        return self.map(q) @ self.map(k).transpose(-1, -2)

    def score_dim(self, head_dim: int) -> int:
        """The dimension of φ: the features of both points are multiplied."""
        return self.map.dim(head_dim)

    def feature_dim(self, head_dim: int) -> int:
        """The dimension of φ."""
        return self.map.dim(head_dim)

    def features(self, x: Float[Tensor, "... N D"]) -> Float[Tensor, "... N F"]:
        """φ(x)."""
        return self.map(x)
