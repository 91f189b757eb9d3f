"""Augmentations, each against what it must and must not do."""

import sys

import numpy as np
import pytest
import torch
from torch import Tensor

from snnpd.datasets.augmentation.images import RandAugment, RandomAffine, ShiftFlip
from snnpd.datasets.seeding import rng_for
from snnpd.errors import UsageError


def rngs(num: int, epoch: int = 0) -> list[np.random.Generator]:
    return [rng_for(0, epoch, index) for index in range(num)]


def shifted(image: Tensor, down: int, right: int) -> Tensor:
    """`image` moved by whole pixels, zeros coming in."""
    height, width = image.shape[-2:]
    wide = torch.nn.functional.pad(image, (2, 2, 2, 2))
    return wide[..., 2 - down : 2 - down + height, 2 - right : 2 - right + width]


@pytest.mark.parametrize("flip", [False, True])
def test_shifts_and_flips_reach_every_place_and_no_other(flip: bool) -> None:
    image = torch.rand(1, 3, 5, 6) + 0.1
    moved = ShiftFlip(2, flip=flip)(image.expand(400, -1, -1, -1), rngs(400))
    sources = [image, image.flip(-1)] if flip else [image]
    places = [shifted(source, d, r) for source in sources for d in range(-2, 3) for r in range(-2, 3)]
    seen = {next(i for i, place in enumerate(places) if torch.equal(place[0], one)) for one in moved}
    assert seen == set(range(len(places)))


def test_frames_move_together() -> None:
    still = torch.rand(1, 1, 2, 7, 7).expand(9, 4, -1, -1, -1)
    moved = ShiftFlip(2)(still, rngs(9))
    assert torch.equal(moved, moved[:, :1].expand_as(moved))
    assert not torch.equal(moved, still)


def test_affine_of_nothing_is_the_identity() -> None:
    images = torch.rand(4, 1, 8, 8)
    unmoved = RandomAffine(shift=0.0, turn=0.0, zoom=0.0)(images, rngs(4))
    torch.testing.assert_close(unmoved, images, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "bound"),
    [
        ({"shift": 1.0, "turn": 0.0, "zoom": 0.0}, 1.0),
        # At radius 3 from the centre, 10° are an arc of 0.52 pixels and 10 % of zoom are 0.33.
        ({"shift": 0.0, "turn": 10.0, "zoom": 0.0}, 0.53),
        ({"shift": 0.0, "turn": 0.0, "zoom": 0.1}, 0.34),
    ],
)
def test_affine_moves_a_dot_within_its_bound(options: dict[str, float], bound: float) -> None:
    images = torch.zeros(200, 1, 11, 11)
    images[:, :, 5, 8] = 1.0
    moved = RandomAffine(**options)(images, rngs(200))[:, 0].double()
    axis = torch.arange(11.0, dtype=torch.float64)
    total = moved.sum((1, 2))
    row = (moved.sum(2) * axis).sum(1) / total - 5
    column = (moved.sum(1) * axis).sum(1) / total - 8
    furthest = torch.maximum(row.abs(), column.abs()).max()
    # Bilinear resampling shifts a dot's centre of mass by a few hundredths.
    assert 0.6 * bound < furthest < bound + 0.08


def test_randaugment_is_seeded_by_sample_and_leaves_torch_alone() -> None:
    pytest.importorskip("torchvision")
    images = torch.rand(6, 3, 16, 16)
    augment = RandAugment()
    before = torch.random.get_rng_state()
    first, again, later = (
        augment(images, rngs(6)),
        augment(images, rngs(6)),
        augment(images, rngs(6, epoch=1)),
    )
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(first, again)
    assert not torch.equal(first, later)
    assert torch.equal(augment(images[4:5], rngs(6)[4:5]), first[4:5])
    assert 0 <= first.min() < first.max() <= 1


def test_randaugment_without_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.transforms", None)
    with pytest.raises(
        UsageError, match=r"randaugment needs a torchvision that fits .* or set randaugment=False"
    ):
        RandAugment()
