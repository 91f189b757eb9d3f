"""Inputs on which float arithmetic is exact, so that spikes can be asked to be equal to the last bit."""

import torch
from torch import Tensor


def dyadic(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    """Multiples of 1/64 in [−2, 2]: exact in bfloat16 too."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-128, 129, shape, generator=generator).to(dtype) / 64
