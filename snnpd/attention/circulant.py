"""Circular attention (CAT): tokens are mixed by a circulant, one weight per cyclic shift, in O(N log N)."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from snnpd.attention.analog import SoftmaxAttention
from snnpd.attention.base import Attention
from snnpd.attention.spiking import NeuronChoice, SpikingOutput, neuron_maker
from snnpd.attention.views import HeadView, Observed
from snnpd.errors import UsageError, unknown
from snnpd.expansion import Exponential, Kernel, Normaliser, RowSum, Shiftmax
from snnpd.expansion.circulant import causal_circulant_scores, circulant_matrix, circulant_mix, real_first
from snnpd.expansion.power_weights import DEFAULT_BITS
from snnpd.projections import LinearNorm, PlainLinear
from snnpd.shapes import check_heads, merge_heads, split_heads

FORMS = ("fft", "dense")


class CircularMixing(Attention, Observed):
    """Heads that mix tokens by a circulant; the layers below declare where its scores and values come from.

    Equation: z* = z normalised over the tokens, h_i = Σ_j z*_((i − j) mod n) v_j, over the n real tokens of a sample.

    A cyclic shift of the tokens by s moves z and v alike, and so the output by 2 s; other permutations change it.
    See docs/math/systems.md#c5-mixing-by-a-circulant,
    docs/math/systems.md#c6-shifted-tokens-come-out-shifted-twice-as-far.
    `form` "fft" takes O(N log N); "dense" writes the N × N circulant out and multiplies, exactly where a transform
    rounds. With `causal` row i is normalised over the shifts 0..i.

    Raises:
        UsageError: unknown form; `causal` without form="dense", for its rows differ and the cost is O(N²).
    """

    no_context = "a weight belongs to a cyclic shift within one sequence; use softmax attention across two"
    no_expansion = (
        "the weight of tokens i and j is the score of a third, at place i - j: no kernel of the two"
    )

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        kernel: Kernel,
        normaliser: Normaliser,
        score: nn.Module,
        value: nn.Module,
        out: nn.Module,
        causal: bool,
        form: str,
    ) -> None:
        super().__init__(dim, num_heads)
        if form not in FORMS:
            raise unknown("form", form, FORMS)
        if causal and form != "dense":
            raise UsageError(
                "causal circular attention: its mask comes before the normaliser and makes rows differ, which leaves "
                "no circulant to transform and costs O(N^2); ask for that with form='dense'"
            )
        normaliser.check(kernel)
        self.kernel, self.normaliser, self.causal, self.form = kernel, normaliser, causal, form
        self.score, self.value, self.out = score, value, out

    def attend(
        self, x: Tensor, mask: Tensor | None, context: Tensor | None, context_mask: Tensor | None
    ) -> Tensor:
        """Real tokens to the front, mixing, and back to their places."""
        if mask is None:
            return self.out(merge_heads(self._heads(x, None, None)))
        order, _ = real_first(mask)
        front = x.take_along_dim(order[None, :, :, None], 2)
        heads = self._heads(front, mask.take_along_dim(order, -1), order.argsort(-1))
        return self.out(merge_heads(heads), mask)

    def _heads(
        self, x: Float[Tensor, "T B N C"], mask: Bool[Tensor, "B N"] | None, back: Int[Tensor, "B N"] | None
    ) -> Float[Tensor, "T B H N E"]:
        """The heads of tokens of which the real ones come first, in the order `back`."""
        scores = self.score(x, mask).transpose(-1, -2)
        values = split_heads(self.value(x, mask), self.num_heads)
        if self.form == "dense":
            heads = self._matrix(scores, mask) @ values
        else:
            heads = circulant_mix(self._weights(scores, mask), values, _lengths(mask))
        heads = _reorder(heads, back, -2)
        if self.watchers:
            self.show(HeadView(heads, attention_map=partial(self._map, scores, mask, back)))
        return heads

    def _weights(self, scores: Float[Tensor, "T B H N"], mask: Tensor | None) -> Float[Tensor, "T B H N"]:
        key_mask = None if mask is None else mask.unsqueeze(-2)
        return self.normaliser.weights(self.kernel, scores, key_mask)

    def _matrix(self, scores: Float[Tensor, "T B H N"], mask: Tensor | None) -> Float[Tensor, "T B H N N"]:
        if self.causal:
            return self.normaliser.weights(self.kernel, causal_circulant_scores(scores), None)
        return circulant_matrix(self._weights(scores, mask), _lengths(mask))

    def _map(self, scores: Tensor, mask: Tensor | None, back: Tensor | None) -> Float[Tensor, "T B H N N"]:
        return _reorder(_reorder(self._matrix(scores, mask), back, -2), back, -1)

    def extra_repr(self) -> str:
        """The normaliser, and how the mixing is computed."""
        return f"dim={self.dim}, num_heads={self.num_heads}, normaliser={self.normaliser}, form={self.form}"


def _lengths(mask: Tensor | None) -> Int[Tensor, "B 1"] | None:
    return None if mask is None else mask.sum(-1, keepdim=True)


def _reorder(x: Float[Tensor, "T B H N E"], order: Tensor | None, axis: int) -> Float[Tensor, "T B H N E"]:
    if order is None:
        return x
    index = order[None, :, None, :, None] if axis == -2 else order[None, :, None, None, :]
    return x.take_along_dim(index, axis)


class CircularAttention(CircularMixing):
    """CAT: one linear map gives a score per token and head, in place of queries and keys.

    Equation: z = X W_A, softmax over the tokens; with W_V that makes (C + H) C weights against 3 C².

    Source: CAT, Yamada 2025 (arXiv 2504.06704), at second hand; see `circulant_mix` and
    docs/math/systems.md#c8-where-the-scores-come-from.
    """

    def __init__(self, dim: int, num_heads: int, *, causal: bool = False, form: str = "fft") -> None:
        check_heads(dim, num_heads)
        super().__init__(
            dim,
            num_heads,
            kernel=Exponential(),
            normaliser=RowSum(),
            score=PlainLinear(dim, num_heads),
            value=PlainLinear(dim, dim),
            out=PlainLinear(dim, dim),
            causal=causal,
            form=form,
        )


class AveragedKeyScores(nn.Module):
    """Scores of queries against the mean key of their sample and head.

    Shapes: x `[T, B, N, C]` to `[T, B, N, H]`; mask `[B, N]`, True where a token is real.
    """

    def __init__(self, dim: int, num_heads: int, kernel: Kernel) -> None:
        super().__init__()
        self.num_heads, self.kernel = num_heads, kernel
        self.qk = PlainLinear(dim, 2 * dim)

    def forward(
        self, x: Float[Tensor, "T B N C"], mask: Bool[Tensor, "B N"] | None = None
    ) -> Float[Tensor, "T B N H"]:
        """s(q_i, mean_j k_j)."""
        q, k = (split_heads(part, self.num_heads) for part in self.qk(x, mask).chunk(2, -1))
        if mask is None:
            key = k.mean(-2, keepdim=True)
        else:
            real = mask[:, None, :, None].to(k.dtype)
            key = (k * real).sum(-2, keepdim=True) / real.sum(-2, keepdim=True).clamp_min(1)
        return self.kernel.scores(q, key).squeeze(-1).transpose(-1, -2)


class AveragedKeyCAT(CircularMixing):
    """CAT with queries and keys: the score of a token is its query against the mean key.

    Equation: z_i = q_i·mean_j k_j/√D. The statement at hand has no 1/√D; public code does.

    Source: CAT, Yamada 2025 (arXiv 2504.06704), at second hand. The mean is over all tokens, so there is no
    causal form. See docs/math/systems.md#c8-where-the-scores-come-from.
    """

    def __init__(self, dim: int, num_heads: int, *, form: str = "fft") -> None:
        check_heads(dim, num_heads)
        kernel = Exponential()
        super().__init__(
            dim,
            num_heads,
            kernel=kernel,
            normaliser=RowSum(),
            score=AveragedKeyScores(dim, num_heads, kernel),
            value=PlainLinear(dim, dim),
            out=PlainLinear(dim, dim),
            causal=False,
            form=form,
        )


def cat_alter(dim: int, num_heads: int, *, layer_index: int = 0) -> Attention:
    """CAT-Alter: softmax attention in layers of even index, CAT in those of odd index.

    Source: CAT, Yamada 2025 (arXiv 2504.06704), at second hand; which of the two comes first is our choice.
    """
    return (CircularAttention if layer_index % 2 else SoftmaxAttention)(dim, num_heads)


class SpikeCountScores(nn.Module):
    """The sum of a head's ternary spikes, a whole number from −D to D: its score by additions alone.

    Shapes: x `[T, B, N, C]` to `[T, B, N, H]`; mask `[B, N]`, True where a token is real.

    Raises:
        UsageError: spikes of a learned amplitude, whose sums are no whole numbers.
    """

    def __init__(self, dim: int, num_heads: int, neuron: nn.Module, kernel: Kernel) -> None:
        super().__init__()
        if getattr(neuron, "amplitude", None) is not None:
            raise UsageError(
                "spiking CAT wants spikes of amplitude one for its scores: a learned amplitude would make weights "
                "that are no powers of two; leave 'amplitude' out of learned"
            )
        self.num_heads, self.kernel, self.neuron = num_heads, kernel, neuron
        self.project = LinearNorm(dim, dim)

    def forward(
        self, x: Float[Tensor, "T B N C"], mask: Bool[Tensor, "B N"] | None = None
    ) -> Float[Tensor, "T B N H"]:
        """s(spikes_i, 1)."""
        spikes = split_heads(self.neuron(self.project(x, mask)), self.num_heads)
        ones = spikes.new_ones(1, spikes.shape[-1])
        return self.kernel.scores(spikes, ones).squeeze(-1).transpose(-1, -2)


class SpikingCircular(CircularMixing):
    """Spiking CAT: scores are counts of ternary spikes, normalised by Shiftmax, so the circulant is of powers of two.

    Equation: z_i = Σ_d s_id ≫ score_shift, s ternary; z* = Shiftmax over the tokens; real v, as in bipolar attention.

    Source: ours. On such a circulant v is shifted and added, N² times; form="fft", the default, computes the same
    in floating point with O(N log N) multiplications. `point_neuron` makes the spikes of the scores, `neuron` the
    output spikes of `out_threshold` ½, each by name with its `..._options` or by a callable. The scores take a map of
    C² weights where CAT takes H C: a head counts its own D channels.
    See docs/math/systems.md#c8-where-the-scores-come-from.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        neuron: NeuronChoice = "lif",
        neuron_options: Mapping[str, Any] | None = None,
        point_neuron: NeuronChoice = "ternary_lif",
        point_neuron_options: Mapping[str, Any] | None = None,
        rounding: str = "ceil",
        bits: int = DEFAULT_BITS,
        score_shift: int = 0,
        out_threshold: float = 0.5,
        causal: bool = False,
        form: str = "fft",
    ) -> None:
        check_heads(dim, num_heads)
        kernel = Exponential(base=2, scale=1.0, score_shift=score_shift)
        point = neuron_maker(point_neuron, point_neuron_options)
        super().__init__(
            dim,
            num_heads,
            kernel=kernel,
            normaliser=Shiftmax(rounding, bits),
            score=SpikeCountScores(dim, num_heads, point(), kernel),
            value=LinearNorm(dim, dim),
            out=SpikingOutput(dim, neuron_maker(neuron, neuron_options, threshold=out_threshold)),
            causal=causal,
            form=form,
        )
