"""Seeds for whole epochs, so that a resumed run needs no memory of the random numbers that were drawn before."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def seed_everything(*key: int) -> None:
    """Seeds torch (all devices), numpy and Python as a function of `key`, `(seed, epoch, rank)` say."""
    state = np.random.SeedSequence(key).generate_state(4)
    torch.manual_seed((int(state[0]) << 32) | int(state[1]))
    np.random.seed(state[2])
    random.seed(int(state[3]))


@contextmanager
def seeded(*key: int) -> Iterator[None]:
    """Torch's random numbers as a function of `key` within the block, and as if nothing had been drawn after it."""
    state = int(np.random.SeedSequence(key).generate_state(1)[0])
    with torch.random.fork_rng():
        torch.manual_seed(state)
        yield
