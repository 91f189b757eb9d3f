"""`report`: what a network costs on real data."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from spikingjelly.activation_based.base import MemoryModule
from torch import Tensor, nn

from snnpd.energy.records import Tables
from snnpd.energy.report import EnergyReport, Headline, costs_by_name
from snnpd.energy.samples import Encode, Piece, pieces
from snnpd.energy.scene import Word
from snnpd.energy.tally import Alphabets, count_batch
from snnpd.errors import UsageError
from snnpd.spikes import Alphabet

Forward = Callable[[nn.Module, Tensor], Any]


def report(
    model: nn.Module,
    loader: Iterable[Any],
    *,
    encode: Encode | None = None,
    is_time_first: bool = True,
    forward: Forward | None = None,
    inputs: Alphabet | None = None,
    alphabets: Alphabets | None = None,
    word: Word | None = None,
    costs: str | Sequence[str] | None = None,
    max_samples: int | None = None,
    name: str | None = None,
    data: str = "",
    version: str = "",
    progress: Callable[[int], None] | None = None,
) -> EnergyReport:
    """Operations and energy of one inference, counted on all samples of a loader.

    Works on any module: neurons of this library and SpikingJelly's declare their letters, everything else is analog.
    The network runs in evaluation mode and is left in the mode it was in.

    Args:
        loader: batches: a tensor, a pair (x, y), or a named tuple with `x` and, for series, `mask` and `times`.
        encode: from the loader's x, and its mask, to `[T, B, ...]`; None takes x as it is.
        is_time_first: x is `[T, B, ...]`; False: `[B, ...]`, a network without time or one that makes its own steps.
        forward: how the network is called; None calls it with x.
        inputs: the letters of the input, such as {0, 1} of binary events; None counts it as analog.
        alphabets: letters of modules that declare none, by qualified name or by class name.
        word: the width of weights, potentials and values; None is 32-bit floats.
        costs: cost models by name; None is all.
        max_samples: stop after so many samples; None reads all.
        progress: called with the number of samples done so far.

    Example:
        >>> import torch, snnpd
        >>> net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
        >>> counted = report(net, [torch.ones(5, 4)], is_time_first=False)
        >>> [(row["kind"], row["done"]) for row in counted.to_dict()["totals"]["operations"]]
        [('mac', 18.0), ('compare', 3.0)]

    Raises:
        UsageError: values outside a declared alphabet, a kernel that hides its operations, no samples, an unknown
            cost model.
    """
    chosen = costs_by_name(costs)
    tables = Tables()
    is_time_first = is_time_first or encode is not None
    count = partial(
        count_batch,
        model,
        time_steps=None if is_time_first else 0,
        word=word,
        inputs=inputs,
        alphabets=alphabets,
    )
    with _evaluating(model) as device:
        for batch in loader:
            for piece in pieces(batch, encode, device, is_time_first):
                piece = _cut(piece, max_samples, tables.num_samples, is_time_first)
                if piece.num_samples:
                    _reset(model)
                    tables.add(count(piece.x, forward, given=piece.given), piece.num_samples)
            if progress is not None:
                progress(tables.num_samples)
            if max_samples is not None and tables.num_samples >= max_samples:
                break
    if not tables.num_samples:
        raise UsageError("the loader gave no samples; a report wants at least one")
    types = {key: type(module).__name__ for key, module in model.named_modules()}
    size = sum(parameter.numel() for parameter in model.parameters())
    types.setdefault(type(model).__name__, type(model).__name__)
    headline = Headline(name or type(model).__name__, data, size, word or Word(), types, version)
    return EnergyReport(headline, tables, chosen)


def _reset(model: nn.Module) -> None:
    """Neurons at rest. (A `reset` of any other module may mean anything, new weights too.)"""
    for module in model.modules():
        if isinstance(module, MemoryModule):
            module.reset()


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[torch.device]:
    """Evaluation mode for a while; gives the device of the network."""
    modes = {module: module.training for module in model.modules()}
    try:
        model.eval()
        yield next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    finally:
        for module, was_training in modes.items():
            module.training = was_training
        _reset(model)


def _cut(piece: Piece, max_samples: int | None, seen: int, is_time_first: bool) -> Piece:
    """No more samples than are wanted."""
    if max_samples is None or seen + piece.num_samples <= max_samples:
        return piece
    wanted = max_samples - seen
    x = piece.x[:, :wanted] if is_time_first else piece.x[:wanted]
    return Piece(x, {name: part[:wanted] for name, part in piece.given.items()}, wanted)
