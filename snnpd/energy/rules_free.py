"""What costs nothing, and what the letters become by it: copies, joins, repetitions."""

from collections.abc import Iterable

import torch
from torch import Tensor

from snnpd.energy.scene import Call, Scene
from snnpd.energy.signals import Signal, joined
from snnpd.errors import UsageError

# Made anew, from an activation's shape alone.
CREATIONS = frozenset(
    [
        "empty_like",
        "zeros_like",
        "ones_like",
        "full_like",
        "rand_like",
        "randn_like",
        "new_empty",
        "new_zeros",
        "new_ones",
        "new_full",
        "new_empty_strided",
        "arange",
        "empty",
    ]
)
# Elements of the arguments, in another order or number; truth values and indices are no arguments of theirs.
COPIES = frozenset(
    [
        "clone",
        "_to_copy",
        "cat",
        "stack",
        "index",
        "gather",
        "index_select",
        "repeat",
        "roll",
        "flip",
        "where",
        "scatter",
        "index_put",
        "masked_select",
        "pixel_shuffle",
        "pixel_unshuffle",
        "copy",
        "lift_fresh_copy",
        "im2col",
        "upsample_nearest2d",
        "upsample_nearest1d",
        "select_scatter",
        "slice_scatter",
        "native_dropout",
        "unsafe_split",
        "unsafe_split_with_sizes",
        "split_copy",
        "split_with_sizes_copy",
        "resolve_conj",
        "repeat_interleave",
        "_unsafe_view",
        "_reshape_alias",
        "lift_fresh",
        "sym_size",
        "reflection_pad1d",
        "reflection_pad2d",
        "replication_pad1d",
        "replication_pad2d",
        "tril",
        "triu",
        "expand_copy",
        "view_copy",
    ]
)
# What tells about activations without using them up.
LOOKS = frozenset(
    [
        "isnan",
        "isinf",
        "isfinite",
        "any",
        "all",
        "is_nonzero",
        "_local_scalar_dense",
        "equal",
        "allclose",
        "promote_types",
        "argmax",
        "argmin",
        "aminmax",
        "_assert_async",
        "nonzero",
        "item",
        "isin",
        "count_nonzero",
        "linalg_vector_norm",
        "_assert_tensor_metadata",
        "histc",
        "bincount",
    ]
)


def copied(scene: Scene, call: Call) -> Signal | None:
    """The letters of all that is copied; zeros that no activation made are letters of any alphabet."""
    if call.name == "index":
        _check_packing(scene, call)
    tensors = [x for x in _tensors(call.args) if x.is_floating_point() or scene.signals[x] is not None]
    known = [signal for x in tensors if (signal := scene.signals[x]) is not None]
    if not known:
        return None
    constants = [x for x in tensors if scene.signals[x] is None and bool(x.any())]
    signal = joined(known).analog() if constants else joined(known)
    return signal.with_steps(_steps(scene, call, known))


def _check_packing(scene: Scene, call: Call) -> None:
    """Raises UsageError where a mask takes real tokens out of padded samples: rows have no common length then."""
    for axis, index in enumerate(call.args[1]):
        is_mask = isinstance(index, Tensor) and index.dtype == torch.bool
        if is_mask and axis < 2 and index.ndim > 1 and index.shape[0] == scene.batch_size:
            raise UsageError(
                f"{scene.layer}: padded tokens are in the batch; the report wants samples of their own length"
            )


def _steps(scene: Scene, call: Call, known: list[Signal]) -> int:
    """Time steps of what is stacked or repeated over time, or of its parts as they were."""
    steps, out = max(signal.steps for signal in known), call.result
    if steps > 1 or out.ndim < 2 or out.shape[1] != scene.batch_size:
        return steps
    pieces = len(call.args[0]) if isinstance(call.args[0], list | tuple) else 0
    is_over_time = call.name == "repeat" or (call.name in ("stack", "cat") and pieces == out.shape[0])
    return out.shape[0] if is_over_time else steps


def written(scene: Scene, call: Call) -> Signal | None:
    """copy_ and index_put_ into a tensor: the letters of both, or of what is written if that tensor was zero."""
    target, known = call.args[0], scene.signals[call.args[0]]
    news = [
        s for x in _tensors(call.args[1:]) if x.is_floating_point() and (s := scene.signals[x]) is not None
    ]
    if not news:
        return known
    if known is None:
        return joined(news) if scene.signals.is_zero(target) else joined(news).analog()
    return joined([known, *news])


def _tensors(values: Iterable[object]) -> Iterable[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)
