import numpy as np
import pytest
import torch

from snnpd.datasets.augmentation.bands import ShiftBands
from snnpd.errors import UsageError


@pytest.mark.parametrize("most", [0, 2, 9])
def test_bands_move_together_and_fall_off_the_edge(most: int) -> None:
    x = torch.arange(1.0, 31).view(1, 5, 6).expand(300, -1, -1)
    moved = ShiftBands(most)(x, [np.random.default_rng(seed) for seed in range(300)])
    shifts = set()
    for one in moved:
        # At the far edge lie bands from inside; what came in is silent.
        if not one.any():
            shifts.add("away")
            continue
        shift = int((one[0] != 0).nonzero()[0]) or -int((one[0] == 0).sum())
        shifts.add(shift)
        expected = torch.zeros(5, 6)
        if shift >= 0:
            expected[:, shift:] = x[0][:, : 6 - shift]
        else:
            expected[:, :shift] = x[0][:, -shift:]
        assert torch.equal(one, expected)
    wanted = set(range(-min(most, 5), min(most, 5) + 1)) | ({"away"} if most > 5 else set())
    assert shifts == wanted


def test_a_number_that_cannot_be() -> None:
    with pytest.raises(UsageError, match="most is -1"):
        ShiftBands(-1)
