"""Shiftmax attention, counted from its declaration: rules 4, 6 and 7, however the layer evaluates it."""

import math

import torch
from torch import Tensor

from snnpd.attention.views import HeadView
from snnpd.energy.rules_products import accumulate, meeting
from snnpd.energy.scene import Scene
from snnpd.energy.signals import Signal, combined
from snnpd.energy.sums import leading
from snnpd.errors import UsageError
from snnpd.expansion import Expansion, Exponential, Points, Shiftmax
from snnpd.expansion.integer_shiftmax import dyadic_numerators
from snnpd.expansion.power_weights import rounded_log2_sum

# Elements of a map that are held at once.
_MAP_ELEMENTS = 1 << 18


def is_shift_attention(expansion: Expansion | None) -> bool:
    """Whether weights are powers of two that a shift register applies."""
    if expansion is None:
        return False
    is_base2 = isinstance(expansion.kernel, Exponential) and expansion.kernel.base == 2
    return is_base2 and isinstance(expansion.normaliser, Shiftmax) and expansion.normaliser.rounding != "sum"


def attend(scene: Scene, view: HeadView) -> None:
    """Rules 4, 6 and 7 for the heads of a bipolar layer."""
    assert view.expansion is not None
    assert view.points is not None
    q, k, v = view.points[:3]
    left, right = scene.signals[q], scene.signals[k]
    if left is None or right is None or not (left.is_events and right.is_events):
        raise UsageError(
            f"{scene.layer}: queries or keys of Shiftmax attention come from a module that declares no alphabet; "
            "name it in `alphabets`"
        )
    rows = scene.rows(left)
    low, high = combined(left, right, int.__mul__)
    score = left.events(low * q.shape[-1], high * q.shape[-1])
    done, met = meeting(q, k, left, right, rows)
    sizes = [x.numel() // rows for x in (q, k, v, view.heads)]
    queries = q.numel() // q.shape[-1] // rows
    present, most = _present(view.expansion, view.points)
    pairs = queries * k.shape[-2]
    scene.dense(pairs * q.shape[-1], sizes[0], sizes[1], pairs)
    scene.dense(pairs * v.shape[-1], pairs, sizes[2], sizes[3])
    scene.count("product", "ac", left, done, pairs * q.shape[-1] - met, bits=score.width)
    accumulate(scene, left, done, pairs, sizes[1], right.width, score.width)
    _shiftmax(scene, left, score, present, queries, most)
    _values(scene, left, view, pairs)
    scene.signals.set(view.heads, left.analog())


def _present(expansion: Expansion, points: Points) -> tuple[int, int]:
    """Pairs of a query and a support point that it sees, for one sample and step; and the most that a query sees."""
    support = expansion.support(points)
    heads, queries, num_points = math.prod(points.q.shape[2:-2]), points.q.shape[-2], points.k.shape[-2]
    if support is None:
        return heads * queries * num_points, num_points
    if support.ndim > 2:
        raise UsageError(
            "padded tokens are in the batch; the report wants samples of their own length, one at a time"
        )
    seen = support.expand(queries, -1).sum(-1)
    return int(seen.sum()) * heads, int(seen.max())


def _shiftmax(scene: Scene, signal: Signal, score: Signal, pairs: int, queries: int, most: int) -> None:
    width = 2 * score.peak + 1 + math.ceil(math.log2(max(most, 1)))
    scene.count("shiftmax", "ac", signal, pairs, bits=score.width)
    scene.count("shiftmax", "ac", signal, pairs, bits=width)
    scene.count("shiftmax", "leading_one", signal, queries, bits=width)
    for mode in ("write", "read"):
        scene.access("score", mode, pairs, signal, pairs, score.width)


def _values(scene: Scene, signal: Signal, view: HeadView, pairs: int) -> None:
    assert view.expansion is not None
    assert view.points is not None
    points, rows, channels = view.points, scene.rows(signal), view.points.v.shape[-1]
    applied, met = _applied(view.expansion, points, rows, scene.word.bits)
    for kind in ("shift", "ac"):
        scene.count("values", kind, signal, applied * channels, (pairs - met) * channels)
    if _is_dyadic(view.expansion):
        scene.count("shiftmax", "ac", signal, pairs)
    outputs, operands = (x.numel() // rows for x in (view.heads, points.v))
    accumulate(scene, signal, applied * channels, outputs, operands, None, None)


def _is_dyadic(expansion: Expansion) -> bool:
    assert isinstance(expansion.normaliser, Shiftmax)
    return expansion.normaliser.rounding == "dyadic"


def _applied(expansion: Expansion, points: Points, rows: int, bits: int) -> tuple[Tensor, Tensor]:
    """Shifts of each row that a word can be given, and the pairs of query and point that have any."""
    q, k = (leading(x, rows) for x in points[:2])
    q, k = (x.unsqueeze(1) if x.ndim == 3 else x.flatten(1, -3) for x in (q, k))
    support, num_heads = expansion.support(points), q.shape[1]
    q, k = q.flatten(0, 1), k.flatten(0, 1)
    every = torch.full((len(q),), q.shape[1] * k.shape[1], device=q.device)
    if support is not None or _is_dyadic(expansion):
        wanted = torch.ones(q.shape[:2], dtype=torch.bool, device=q.device)
    else:
        wanted = _may_be_wide(q, k, bits)
    counts = torch.stack([every, every], -1)
    heads = wanted.any(-1).nonzero().flatten()
    for some in heads.split(max(1, _MAP_ELEMENTS // max(1, q.shape[1] * k.shape[1]))):
        scores = expansion.kernel.scores(q[some], k[some])
        count = _dyadic if _is_dyadic(expansion) else _single
        counts[some] = count(expansion, scores, support, bits)
    applied, met = counts.unflatten(0, (rows, num_heads)).sum(1).unbind(-1)
    return applied, met


def _may_be_wide(q: Tensor, k: Tensor, bits: int) -> Tensor:
    """Queries `[G, N]` that a shift of `bits` places or more is possible for.

    No score of a query exceeds its own sum of magnitudes, nor that of the largest point; no shift twice that and
    what the number of points adds.
    """
    own, largest = q.abs().sum(-1), k.abs().sum(-1).amax(-1, keepdim=True)
    return 2 * torch.minimum(own, largest) + math.ceil(math.log2(max(k.shape[1], 1))) >= bits


def _single(expansion: Expansion, scores: Tensor, seen: Tensor | None, bits: int) -> Tensor:
    """One shift a pair, n = γ - x, if it is narrower than a word; of each head, twice."""
    assert isinstance(expansion.normaliser, Shiftmax)
    if seen is not None:
        scores = scores.masked_fill(~seen, -math.inf)
    depth = scores - scores.amax(-1, keepdim=True)
    narrow = (depth > rounded_log2_sum(depth, -1, expansion.normaliser.rounding) - bits).flatten(1).sum(-1)
    return torch.stack([narrow, narrow], -1)


def _dyadic(expansion: Expansion, scores: Tensor, seen: Tensor | None, bits: int) -> Tensor:
    """A shift for every set bit of a weight, of each head; and the pairs that have any."""
    assert isinstance(expansion.normaliser, Shiftmax)
    words = dyadic_numerators(scores.long(), expansion.normaliser.bits, seen)
    set_bits = torch.zeros(len(words), dtype=torch.int64, device=words.device)
    for place in range(expansion.normaliser.bits + 1):
        set_bits += ((words >> place) & 1).flatten(1).sum(-1)
    return torch.stack([set_bits, (words != 0).flatten(1).sum(-1)], -1)
