"""Inputs on which float arithmetic is exact, so that spikes can be asked to be equal to the last bit."""

import torch
from torch import Tensor


def dyadic(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32, parts: int = 64) -> Tensor:
    """Multiples of 1/parts in [−2, 2]: exact in bfloat16 too. The fewer parts, the longer sums and products stay so."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-2 * parts, 2 * parts + 1, shape, generator=generator).to(dtype) / parts
