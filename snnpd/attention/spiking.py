"""Spiking attention: what the ANN layers declare, with spikes for queries and keys."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor, nn

from snnpd.attention.analog import token_norm
from snnpd.attention.layer import Code, ExpansionAttention, Transforms, every_head
from snnpd.attention.pooling import pooled_heads
from snnpd.errors import UsageError, unknown
from snnpd.expansion import (
    Causal,
    Constant,
    Exponential,
    FeatureKernel,
    FeatureMap,
    Kernel,
    Linear,
    Normaliser,
    Reach,
    Shiftmax,
    TokenBatchNorm,
)
from snnpd.expansion.features import ExactTernary, RandomFeatures, TruncatedTernary
from snnpd.expansion.power_weights import DEFAULT_BITS
from snnpd.neurons import create_neuron
from snnpd.projections import LinearNorm, Projection
from snnpd.shapes import check_heads
from snnpd.spikes import TERNARY

NeuronChoice = str | Callable[[], nn.Module]


def neuron_maker(neuron: NeuronChoice, options: Mapping[str, Any] | None, **over: Any) -> Code:
    """Makes neurons by name with `options` (`over` wins), or calls what the user gave (SpikingJelly's, say).

    Raises:
        UsageError: options for a callable, which has its own.
    """
    if isinstance(neuron, str):
        return lambda: create_neuron(neuron, **{**(options or {}), **over})
    if options:
        raise UsageError(f"neuron options {dict(options)} go with a neuron's name; a callable sets its own")
    return neuron


class SpikingOutput(nn.Module):
    """The attention output as spikes, then projected: neuron, linear map, batch-norm."""

    def __init__(self, dim: int, neuron: Code) -> None:
        super().__init__()
        self.neuron = neuron()
        self.project = LinearNorm(dim, dim)

    def forward(
        self, x: Float[Tensor, "T B N C"], mask: Bool[Tensor, "B N"] | None = None
    ) -> Float[Tensor, "T B N C"]:
        """Potentials for the residual sum."""
        return self.project(self.neuron(x), mask)


class SpikingAttention(ExpansionAttention):
    """Bias-free projections with batch-norm, neurons as codes, an output neuron of threshold ½."""

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        kernel: Kernel,
        normaliser: Normaliser,
        transforms: Sequence[Transforms],
        codes: tuple[Code, Code, Code],
        neuron: NeuronChoice,
        neuron_options: Mapping[str, Any] | None,
        out_threshold: float,
        qkv: Projection | None = None,
        reach: Reach | None = None,
        form: str = "auto",
    ) -> None:
        check_heads(dim, num_heads)
        super().__init__(
            dim,
            num_heads,
            kernel=kernel,
            normaliser=normaliser,
            transforms=transforms,
            codes=codes,
            qkv=qkv or LinearNorm(dim, 3 * dim),
            out=SpikingOutput(dim, neuron_maker(neuron, neuron_options, threshold=out_threshold)),
            reach=reach,
            form=form,
        )


class SpikingSelfAttention(SpikingAttention):
    """SSA: spikes for queries, keys and values, the linear kernel, a constant normaliser.

    Equation: f(q) = scale Σ_j (q·k_j) v_j, then a neuron of threshold ½ and the output projection.

    Source: Spikformer, Zhou et al. 2023, eq. 7, with its code's constant scale 0.125 whatever the head width.
    See docs/math/spiking.md#p1-spiking-self-attention-ssa.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        neuron: NeuronChoice = "lif",
        neuron_options: Mapping[str, Any] | None = None,
        scale: float = 0.125,
        out_threshold: float = 0.5,
        causal: bool = False,
        form: str = "auto",
    ) -> None:
        if scale <= 0:
            raise UsageError(f"spiking self-attention: scale {scale} must be positive")
        code = neuron_maker(neuron, neuron_options)
        super().__init__(
            dim,
            num_heads,
            kernel=Linear(),
            normaliser=Constant(1 / scale),
            transforms=every_head(dim, num_heads),
            codes=(code, code, code),
            neuron=neuron,
            neuron_options=neuron_options,
            out_threshold=out_threshold,
            reach=Causal() if causal else None,
            form=form,
        )


class BipolarAttention(SpikingAttention):
    """Ternary queries and keys, base-2 kernel, Shiftmax, real values; the layers below differ in transforms."""

    def __init__(
        self,
        dim: int,
        num_heads: int,
        transforms: Sequence[Transforms],
        *,
        neuron: NeuronChoice = "lif",
        neuron_options: Mapping[str, Any] | None = None,
        point_neuron: NeuronChoice = "ternary_lif",
        point_neuron_options: Mapping[str, Any] | None = None,
        rounding: str = "ceil",
        bits: int = DEFAULT_BITS,
        score_shift: int = 0,
        out_threshold: float = 0.5,
        features: str | FeatureMap | None = None,
        qkv: Projection | None = None,
        causal: bool = False,
        form: str = "auto",
    ) -> None:
        point = neuron_maker(point_neuron, point_neuron_options)
        sample = point()
        alphabet = getattr(sample, "alphabet", TERNARY)
        if alphabet != TERNARY:
            raise UsageError(
                f"bipolar attention wants ternary spikes for queries and keys, {point_neuron!r} emits "
                f"{alphabet.name}; use ternary_if or ternary_lif"
            )
        if getattr(sample, "amplitude", None) is not None:
            raise UsageError(
                "bipolar attention wants spikes of amplitude one for queries and keys: a learned amplitude "
                "would make weights that are no powers of two; leave 'amplitude' out of learned"
            )
        super().__init__(
            dim,
            num_heads,
            kernel=bipolar_kernel(score_shift, features),
            normaliser=Shiftmax(rounding, bits),
            transforms=transforms,
            codes=(point, point, nn.Identity),
            neuron=neuron,
            neuron_options=neuron_options,
            out_threshold=out_threshold,
            qkv=qkv,
            reach=Causal() if causal else None,
            form=form,
        )


FEATURES: dict[str, Callable[[], FeatureMap]] = {
    "exact": ExactTernary,
    "truncated": partial(TruncatedTernary, degree=2),
    "random": partial(RandomFeatures, num=256),
}


def bipolar_kernel(score_shift: int, features: str | FeatureMap | None) -> Kernel:
    """2^(q·k) itself, or by a feature map of it, with which the layer runs in its primal form.

    Raises:
        UsageError: unknown features, or shifted scores, which no map knows.
    """
    if features is None:
        return Exponential(base=2, scale=1.0, score_shift=score_shift)
    if score_shift:
        raise UsageError(
            f"score_shift = {score_shift} rounds scores, which a feature map never forms; leave it 0"
        )
    if isinstance(features, str):
        if features not in FEATURES:
            raise unknown("features", features, FEATURES)
        features = FEATURES[features]()
    return FeatureKernel(features)


class BipolarSelfAttention(BipolarAttention):
    """BSA: attention whose weights are powers of two, so that values are shifted and added, never multiplied.

    Equation: f(q) = Σ_j Shiftmax_j(q·k_j) v_j with q, k in {-1, 0, 1}^D and real v.

    Source: BSA, eq. 9-15; docs/math/spiking.md#p2-bipolar-self-attention-bsa.
    Options: `rounding` and `bits`, see `shiftmax`; `score_shift` = s shifts scores
    right by s places (0 is the paper); `point_neuron` makes the ternary queries and keys, `neuron` the
    output spikes (of `out_threshold` ½, as in Spikformer; the paper's text does not give it), each by name
    with its `..._options`, or by a callable that sets everything itself and is taken to emit what it should.
    `features` ("exact", "truncated", "random", or a `FeatureMap`) puts a feature map in the kernel's place and runs
    the primal form, linear in the number of tokens; `causal` hides later tokens.
    """

    def __init__(self, dim: int, num_heads: int, **options: Any) -> None:
        super().__init__(dim, num_heads, every_head(dim, num_heads), **options)


class BipolarBN(BipolarAttention):
    """BSA with token batch-norm on the membrane potentials of queries and keys, before the ternary neurons.

    Source: ours, after Attention-BN. Options of `BipolarSelfAttention`, and those of `AttentionBN`.
    """

    def __init__(
        self, dim: int, num_heads: int, *, beta: float = 1.0, statistics: str = "sample", **options: Any
    ) -> None:
        transforms = every_head(dim, num_heads, token_norm(dim, num_heads, beta, statistics))
        super().__init__(dim, num_heads, transforms, **options)


class BipolarSH(BipolarAttention):
    """BSA whose heads pool the membrane potentials of keys and values, before the ternary neurons.

    Source: ours, after Attention-SH. Options of `BipolarSelfAttention`, and those of `AttentionSH`.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        factors: Sequence[int] | None = None,
        grid: tuple[int, int] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(dim, num_heads, pooled_heads(dim, num_heads, factors, grid), **options)


class BipolarBNSH(BipolarAttention):
    """Bipolar-BN inside every pooled head of Bipolar-SH.

    Source: ours, after Attention-BN+SH; docs/math/transforms.md#t5-their-order-and-spikes.
    Options of `BipolarBN` and `BipolarSH`.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        beta: float = 1.0,
        factors: Sequence[int] | None = None,
        grid: tuple[int, int] | None = None,
        **options: Any,
    ) -> None:
        transforms = pooled_heads(dim, num_heads, factors, grid, TokenBatchNorm(beta))
        super().__init__(dim, num_heads, transforms, **options)
