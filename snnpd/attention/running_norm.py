"""Attention-BN's statistics as running means over earlier batches: the form that may be causal."""

import torch
from torch import Tensor, nn

from snnpd.expansion import Points, Transform


class RunningTokenNorm(nn.Module, Transform):
    """Queries and keys standardised by running statistics of the keys of their head.

    Equation: q, k ← (· - βμ)/s with μ, s running means over the batches before this one, in training too: no
    token enters its own statistics, so a causal layer stays causal.

    Source: after Attention-BN, see `TokenBatchNorm`; running statistics are what makes it causal:
    docs/math/transforms.md#t3-running-statistics.
    """

    is_positional = True
    mean: Tensor
    variance: Tensor

    def __init__(
        self, num_heads: int, head_dim: int, beta: float = 1.0, epsilon: float = 1e-5, momentum: float = 0.1
    ) -> None:
        super().__init__()
        self.beta, self.epsilon, self.momentum = beta, epsilon, momentum
        self.register_buffer("mean", torch.zeros(num_heads, 1, head_dim))
        self.register_buffer("variance", torch.ones(num_heads, 1, head_dim))

    def forward(self, points: Points) -> Points:
        """Points with standardised q and k; in training, the keys enter the statistics afterwards."""
        deviation = (self.variance + self.epsilon).sqrt()
        shift = self.beta * self.mean
        q = ((points.q - shift) / deviation).to(points.q.dtype)
        k = ((points.k - shift) / deviation).to(points.k.dtype)
        if self.training:
            self._remember(points)
        return points._replace(q=q, k=k)

    @torch.no_grad()
    def _remember(self, points: Points) -> None:
        # sums over all tokens of a batch leave the range of float16
        keys = points.k.to(torch.promote_types(points.k.dtype, torch.float32))
        real = torch.ones_like(keys[..., :1]) if points.mask is None else points.mask.unsqueeze(-1).expand(
            *keys.shape[:-1], -1
        ).to(keys.dtype)  # fmt: skip
        axes = (*range(keys.ndim - 3), -2)  # all but heads and channels
        count = real.sum(axes, keepdim=True)
        if not count.any():
            return
        mean = (keys * real).sum(axes, keepdim=True) / count.clamp_min(1)
        variance = ((keys - mean).square() * real).sum(axes, keepdim=True) / count.clamp_min(1)
        self.mean.lerp_(mean.view_as(self.mean).to(self.mean.dtype), self.momentum)
        self.variance.lerp_(variance.view_as(self.variance).to(self.variance.dtype), self.momentum)
