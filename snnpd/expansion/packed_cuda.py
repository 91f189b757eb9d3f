"""Packed ternary attention on a GPU: launches what `cuda/packed.cu` holds on torch's current stream."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from snnpd import cuda_code
from snnpd.expansion.packed_words import Operands, Rule

SOURCE = Path(__file__).parent / "cuda" / "packed.cu"
THREADS = 128
# As in the source: the channels of one thread.
CHANNELS = 8
# The words of a value and of a sum, as C++ names them.
KINDS = {
    torch.int16: ("short", "int"),
    torch.int32: ("int", "long long"),
    torch.int64: ("long long", "long long"),
}
# Every name expression of the source; points of one word have kernels of their own.
VARIANTS = tuple(
    name
    for words in (0, 1)
    for name in (
        f"shiftmax<{words}>",
        *(f"attend<{value}, {total}, {words}>" for value, total in KINDS.values()),
    )
)


def attend(
    operands: Operands,
    rule: Rule,
    load: Callable[..., Any] = cuda_code.load,
    launch: Callable[..., None] = cuda_code.launch,
) -> Tensor:
    """The attended values of all rows `[G N, E]`, int64."""
    num_queries, num_words = operands.q_sign.shape[1:]
    num_points, num_channels = operands.values.shape[1:]
    num_groups = operands.which.shape[1]
    num_rows, num_masks = (
        num_groups * num_queries,
        1 if operands.present is None else operands.present.shape[1],
    )
    values = operands.values.to(value_dtype(rule))
    values = pad(values, (0, -num_channels % CHANNELS)).contiguous()
    out = values.new_empty(num_rows, num_channels, dtype=torch.int64)
    sizes = (num_groups, num_queries, num_points, num_words, num_masks, rule.score_shift, rule.bits)
    points = (*operands[:4], operands.present, operands.which, np.int64(num_rows), *map(np.int32, sizes))
    # γ of every row; for `dyadic` its first largest score, and what that is given.
    rows = values.new_empty(3, num_rows, dtype=torch.int32).unbind()
    signs = None if rule.bits or num_masks > 1 else sum_of_signs(operands)
    variant, blocks = 1 if num_words == 1 else 0, -(-num_rows // THREADS)

    def run(name: str, chunks: int, *arguments: Any) -> None:
        kernel = load(SOURCE, name, out.device)
        launch(kernel, (blocks, chunks), (THREADS,), (*points, *arguments), 0, out)

    run(f"shiftmax<{variant}>", 1, *rows)
    value, total = KINDS[values.dtype]
    rest = (*rows, values, signs, np.int32(rule.reach), np.int32(num_channels), out)
    run(f"attend<{value}, {total}, {variant}>", values.shape[-1] // CHANNELS, *rest)
    return out


def value_dtype(rule: Rule) -> torch.dtype:
    """The narrowest word that holds the values, and a row's sums in the word that goes with it."""
    if rule.reach <= 15 and rule.reach + rule.bits <= 31:
        return torch.int16
    return torch.int32 if rule.reach <= 31 else torch.int64


def sum_of_signs(operands: Operands) -> Tensor:
    """Σ_j -1 over the present negative values `[G, E]`, for masks that are the same for all queries."""
    is_negative = operands.values < 0
    if operands.present is None:
        return -is_negative.sum(1)[operands.which[2]]
    is_present = operands.present.view(torch.bool)[operands.which[3]].transpose(1, 2)
    return -(is_negative[operands.which[2]] & is_present).sum(1)
