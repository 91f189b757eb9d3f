"""Taps that an input reaches, against a convolution of ones."""

import pytest
import torch
from torch.nn import functional

from snnpd.energy.taps import reached_taps
from snnpd.errors import UsageError


@pytest.mark.parametrize("size", [1, 4, 7])
@pytest.mark.parametrize("kernel", [1, 2, 3])
@pytest.mark.parametrize(
    ("stride", "padding", "dilation"), [(1, 0, 1), (1, 1, 1), (2, 1, 1), (3, 2, 2), (2, 0, 1)]
)
def test_taps_are_those_that_a_convolution_meets(
    size: int, kernel: int, stride: int, padding: int, dilation: int
) -> None:
    if size + 2 * padding < dilation * (kernel - 1) + 1:
        with pytest.raises(UsageError, match="does not fit into"):
            reached_taps(size, kernel, stride, padding, dilation)
        return
    one_hot = torch.eye(size).unsqueeze(1)
    weight = torch.ones(1, 1, kernel)
    met = functional.conv1d(one_hot, weight, stride=stride, padding=padding, dilation=dilation)
    taps = reached_taps(size, kernel, stride, padding, dilation)
    assert taps.tolist() == met.flatten(1).sum(1).tolist()
    assert size < kernel or stride > kernel or taps.sum() > 0


def test_a_pool_that_rounds_its_size_up_reads_beyond_the_border() -> None:
    # 5 inputs, windows of 2 every 2: two whole ones, and with ceil_mode a third that holds the last input alone
    assert reached_taps(5, 2, 2, 0, 1).tolist() == [1, 1, 1, 1, 0]
    assert reached_taps(5, 2, 2, 0, 1, num_outputs=3).tolist() == [1, 1, 1, 1, 1]
