"""Re-parameterised convolutions: folded, at the border, in training, side by side."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from snnpd.attention.rep_projection import JoinedProjections, RepProjection, fold
from tests.attention.literature import project


class TestRepProjection:
    def make(self, in_features: int = 5, out_features: int = 3, **layout: Any) -> RepProjection:
        torch.manual_seed(0)
        projection = RepProjection(in_features, out_features, **layout).double()
        for _ in range(4):
            projection(torch.randn(2, 3, 12, in_features, dtype=torch.float64) + 1)
        for norm in (projection.inner.norm, projection.outer.norm):
            nn.init.normal_(norm.weight, 1, 0.3)
            nn.init.normal_(norm.bias)
        return projection.eval()

    @pytest.mark.parametrize("layout", [{}, {"causal": True}, {"grid": (3, 4)}, {"grid": [2, 6]}])
    @pytest.mark.parametrize("masked", [False, True])
    def test_the_folded_convolution_is_the_projection(self, layout: dict, masked: bool) -> None:
        projection = self.make(**layout)
        x = torch.randn(2, 3, 12, 5, dtype=torch.float64)
        mask = torch.rand(3, 12, generator=torch.Generator().manual_seed(0)) > 0.4 if masked else None
        folded = fold(projection)
        assert torch.allclose(folded(x, mask), projection(x, mask), atol=1e-10)
        assert folded.weight.shape == (3, 5, *((3, 3) if "grid" in layout else (3,)))
        assert not list(folded.parameters())
        if masked:
            assert (folded(x, mask)[:, ~mask] == 0).all()
            assert (folded(x, mask) - folded(x)).abs().max() > 0.1

    def test_zeros_behind_the_batch_norm_would_not_fold(self) -> None:
        """The slip that the padding is there against: the comparison must tell it."""
        projection, x = self.make(), torch.randn(1, 1, 12, 5, dtype=torch.float64)
        inner = projection.inner(x).flatten(0, 1).transpose(1, 2)
        mixed = F.conv1d(inner, projection.depthwise.weight, padding=1, groups=5).transpose(1, 2)
        difference = (projection.outer(mixed.unsqueeze(0)) - fold(projection)(x)).abs().amax((0, 1, 3))
        assert (difference[1:-1] < 1e-10).all()
        assert (difference[[0, -1]] > 1e-2).all()

    def test_in_training_the_border_has_running_statistics_and_no_gradient(self) -> None:
        projection = self.make().train()
        x = torch.randn(2, 3, 3, 5, dtype=torch.float64)
        inner, outer, taps = projection.inner, projection.outer, projection.depthwise.weight.squeeze(1)
        y = projection(x)
        border = project(inner, torch.zeros_like(x[:, :, :1])).detach()
        line = torch.cat([border, inner(x), border], 2)
        truth = outer(sum(line[:, :, i : i + 3] * taps[:, i] for i in range(3)))
        assert torch.allclose(y, truth, atol=1e-10)
        parameters, upstream = list(projection.parameters()), torch.randn_like(y)
        ours, theirs = (torch.autograd.grad((z * upstream).sum(), parameters) for z in (y, truth))
        for a, b in zip(ours, theirs, strict=True):
            assert torch.allclose(a, b, atol=1e-10)
        assert sum(float(grad.abs().max()) for grad in ours) > 0.1

    def test_projections_side_by_side_give_their_columns(self) -> None:
        parts = [self.make(4, 4), self.make(4, 4, causal=True), self.make(4, 4)]
        joined, x = JoinedProjections(parts, 4), torch.randn(2, 3, 7, 4, dtype=torch.float64)
        assert torch.equal(joined(x), torch.cat([part(x) for part in parts], -1))
        assert torch.equal(joined.columns(x, None, slice(4, 12)), joined(x)[..., 4:])
