"""What a loader gives, cut into pieces that a network can be shown without padding."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from snnpd.errors import UsageError

Encode = Callable[[Tensor, Tensor | None], Tensor]


class Piece(NamedTuple):
    """Samples of one length: inputs, time first if they have time steps, and what else the network is called with."""

    x: Tensor
    given: dict[str, Tensor]
    num_samples: int


def pieces(batch: Any, encode: Encode | None, device: torch.device, is_time_first: bool) -> Iterator[Piece]:
    """The samples of a batch: a tensor, a pair (x, y), or a named tuple with `x`, and maybe `mask` and `times`.

    Padding is cut off: series of different lengths come in pieces, one for each length. An encoder turns what the
    loader gives into `[T, B, ...]`.

    Raises:
        UsageError: no tensor in the batch, or a mask with gaps.
    """
    x = batch if isinstance(batch, Tensor) else getattr(batch, "x", None)
    if x is None and isinstance(batch, list | tuple) and batch:
        x = batch[0]
    if not isinstance(x, Tensor):
        raise UsageError(
            f"the loader gave {type(batch).__name__}; a batch is a tensor, a pair (x, y), or has an `x`"
        )
    _check_layout(batch, x, encode, is_time_first)
    mask, times = getattr(batch, "mask", None), getattr(batch, "times", None)
    x = x.to(device)
    if mask is None:
        inputs = x if encode is None else encode(x, None)
        given = {} if times is None else {"times": times.to(device)}
        yield Piece(inputs, given, inputs.shape[1 if is_time_first or encode is not None else 0])
        return
    for length, chosen in _lengths(mask):
        part = x[chosen, :length] if encode is not None else x[:, chosen, :length]
        inputs = part if encode is None else encode(part, None)
        given = {} if times is None else {"times": times[chosen, :length].to(device)}
        yield Piece(inputs, given, len(chosen))


def _check_layout(batch: Any, x: Tensor, encode: Encode | None, is_time_first: bool) -> None:
    """Raises UsageError where the labels tell that the first axis is not what it is taken for."""
    y = getattr(batch, "y", None)
    if y is None and type(batch) in (list, tuple) and len(batch) > 1:
        y = batch[1]
    if encode is not None or not isinstance(y, Tensor) or y.ndim == 0:
        return
    axis = 1 if is_time_first else 0
    if x.ndim <= axis or x.shape[axis] != len(y):
        form, other = ("[T, B, ...]", "False") if is_time_first else ("[B, ...]", "True")
        raise UsageError(
            f"a batch of {list(x.shape)} with {len(y)} labels is no {form}; give is_time_first={other}, or an encode "
            "that makes time steps"
        )


def _lengths(mask: Tensor) -> Iterator[tuple[int, Tensor]]:
    lengths = mask.sum(-1)
    if not bool((mask == (torch.arange(mask.shape[-1]) < lengths.cpu()[:, None]).to(mask.device)).all()):
        raise UsageError("a mask has gaps: real tokens are to stand before the padding; reorder them")
    for length in lengths.unique().tolist():
        yield length, (lengths == length).nonzero().flatten()
