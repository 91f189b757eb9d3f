"""Head distance against loops, and row sums of known maps."""

import math

import pytest
import torch

from snnpd.analysis.heads import head_distance, row_sum_range
from snnpd.attention import HeadView, create_attention, observe


def test_head_distance_is_the_mean_over_pairs() -> None:
    heads = torch.randn(2, 3, 4, 5, 6, generator=torch.Generator().manual_seed(0))
    mask = torch.arange(5) < torch.tensor([[5], [2], [4]])
    found, sizes = [], []
    for t in range(2):
        for b, n in mask.nonzero().tolist():
            token = heads[t, b, :, n]
            found += [float((token[i] - token[j]).norm()) for i in range(4) for j in range(i)]
            sizes += [float(head.square().sum()) for head in token]
    distance = head_distance(heads, mask)
    assert distance.absolute == pytest.approx(sum(found) / len(found), rel=1e-6)
    rms = math.sqrt(sum(sizes) / len(sizes))
    assert distance.relative == pytest.approx(distance.absolute / (math.sqrt(2) * rms), rel=1e-6)


def test_equal_heads_are_redundant_and_one_head_has_no_distance() -> None:
    heads = torch.randn(1, 2, 1, 3, 4).expand(1, 2, 5, 3, 4)
    assert head_distance(heads) == (0.0, 0.0)
    assert head_distance(heads[:, :, :1]) is None
    assert head_distance(torch.zeros(1, 1, 2, 1, 3)).relative == 0


def test_row_sums_are_those_of_real_queries() -> None:
    weights = torch.tensor([[0.25, 0.5], [3.0, 4.0]]).view(1, 1, 1, 2, 2)
    view = HeadView(torch.zeros(1, 1, 1, 2, 3), attention_map=lambda: weights)
    assert row_sum_range(view) == (0.75, 7.0)
    assert row_sum_range(view, torch.tensor([[True, False]])) == (0.75, 0.75)
    assert row_sum_range(HeadView(torch.zeros(1, 1, 1, 2, 3))) is None


def test_bipolar_rows_stay_within_their_bounds() -> None:
    layer, x = create_attention("bsa", 16, 4).eval(), (torch.rand(2, 3, 7, 16) > 0.5).float()
    with torch.no_grad(), observe(layer) as views:
        layer(x)
    low, high = row_sum_range(views[""][0])
    assert 0.5 < low <= high <= 1
