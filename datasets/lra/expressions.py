"""The expressions of ListOps: their grammar, their values, and as many of them as wanted."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from statistics import median

import numpy as np
import torch

from snnpd.datasets.lra.tokens import LabelledTokens
from snnpd.errors import UsageError

OPERATORS = ("[MIN", "[MAX", "[MED", "[SM")
END = "]"
TOKENS = (*"0123456789", *OPERATORS, END)
OPERATOR_SHARE = 0.25

_NUMBER = {token: number for number, token in enumerate(TOKENS)}
_MOST_TRIES = 20_000


@dataclass(frozen=True)
class Grammar:
    """Which expressions there are: nested `max_depth` deep at most, 2 to `max_args` arguments an operator.

    A place is an operator with probability 1/4, at the last depth never; otherwise a digit. Operators are the
    smallest, the largest, the median (rounded down) and the sum modulo 10 of their arguments. Only expressions
    of more than `min_length` and fewer than `max_length` tokens (digits, operators, closing brackets) count.

    Source: Nangia & Bowman, "ListOps: A Diagnostic Dataset for Latent Tree Learning", 2018; lengths, depth and
    arguments of Tay et al., "Long Range Arena", ICLR 2021, and its public generator.

    Raises:
        UsageError: options that allow no expression.
    """

    min_length: int = 500
    max_length: int = 2000
    max_depth: int = 10
    max_args: int = 10

    def __post_init__(self) -> None:
        if self.max_depth < 2 or self.max_args < 2:
            raise UsageError(
                f"max_depth is {self.max_depth}, max_args is {self.max_args}; give at least 2 for each"
            )
        if not 0 <= self.min_length < self.max_length - 1:
            raise UsageError(
                f"lengths are above {self.min_length} and below {self.max_length}; leave at least one between"
            )

    def expressions(self, seed: int) -> Iterator[tuple[list[str], int]]:
        """Tokens and value of one expression after the other, an endless stream that is a function of `seed`.

        Raises:
            UsageError: of very many expressions in a row none has an allowed length.
        """
        # Of Python's generator only `random()` is promised to give the same numbers in all versions.
        draw = Random(seed).random
        while True:
            for _ in range(_MOST_TRIES):
                tokens, value = self._grow(draw)
                if self.min_length < len(tokens) < self.max_length:
                    break
            else:
                raise UsageError(
                    f"no expression of {self.min_length} to {self.max_length} tokens came up in {_MOST_TRIES:,} "
                    "tries; widen the lengths, or raise max_depth or max_args"
                )
            yield tokens, value

    def _grow(self, draw: Callable[[], float]) -> tuple[list[str], int]:
        """An expression and its value; one that becomes too long is left off as soon as it is."""
        tokens: list[str] = []
        # The operators that are open, how many arguments each takes, and those that it has.
        pending: list[tuple[str, int, list[int]]] = []
        while len(tokens) < self.max_length:
            if len(pending) + 1 < self.max_depth and draw() < OPERATOR_SHARE:
                operator = OPERATORS[int(len(OPERATORS) * draw())]
                pending.append((operator, 2 + int((self.max_args - 1) * draw()), []))
                tokens.append(operator)
                continue
            value = int(10 * draw())
            tokens.append(TOKENS[value])
            while pending:
                operator, num_args, args = pending[-1]
                args.append(value)
                if len(args) < num_args:
                    break
                value = apply(operator, args)
                tokens.append(END)
                pending.pop()
            if not pending:
                return tokens, value
        return tokens, 0


def apply(operator: str, args: list[int]) -> int:
    """The value of an operator, a digit."""
    if operator == "[MIN":
        return min(args)
    if operator == "[MAX":
        return max(args)
    if operator == "[MED":
        return int(median(args))
    return sum(args) % 10


def distinct(stream: Iterator[tuple[list[str], int]], num: int, seen: set[bytes]) -> LabelledTokens:
    """The next `num` expressions of a stream that are not among `seen`, to which they are added.

    Raises:
        UsageError: the grammar allows too few.
    """
    sequences, labels = [], []
    for tries, (tokens, value) in enumerate(stream):
        code = bytes(_NUMBER[token] for token in tokens)
        if code not in seen:
            seen.add(code)
            sequences.append(torch.frombuffer(bytearray(code), dtype=torch.uint8))
            labels.append(value)
        if len(sequences) == num:
            break
        if tries > 100 * num + _MOST_TRIES:
            raise UsageError(
                f"found {len(sequences)} different expressions, {num} are asked for; widen the lengths"
            )
    return LabelledTokens(sequences, np.array(labels, dtype=np.int64))


def encode(text: str) -> torch.Tensor:
    """The token numbers `[N]` of an expression; the public files' round brackets, which say nothing, are skipped.

    Raises:
        ValueError: what is no token.
    """
    words = text.replace("(", " ").replace(")", " ").split()
    for word in words:
        if word not in _NUMBER:
            raise ValueError(f"{word[:24]!r} is no token of ListOps")
    return torch.tensor([_NUMBER[word] for word in words], dtype=torch.uint8)
