"""Augmentations of pictures against scipy, numpy and what is computed by hand."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from snnpd.datasets.augmentation.erase import Cutout, RandomErasing
from snnpd.datasets.augmentation.frames import Flip, PerSample, Roll, Rotate, Shear, Translate
from snnpd.datasets.augmentation.nda import NDA, SNNAugmentWide
from snnpd.datasets.seeding import rng_for
from snnpd.errors import UsageError

BATCH = 16
CALM = [Flip(), Roll(3), Translate(2, 3), Rotate(40.0), Shear(40.0), Cutout(4), RandomErasing(0.7)]
ALL = [
    *CALM,
    Rotate(40.0, "bilinear"),
    Shear(40.0, "bilinear"),
    RandomErasing(0.7, mean=(0.5, 0.2), std=0.1),
    NDA(num_ops=2),
    SNNAugmentWide(),
]


class Highest(np.random.Generator):
    """Draws the largest number that can come."""

    def uniform(self, low: float, high: float) -> float:
        return high

    def integers(self, low: int, high: int | None = None, size: int | None = None, endpoint: bool = False):
        top = (low if high is None else high) - (not endpoint)
        return top if size is None else np.full(size, top)

    def random(self) -> float:
        return 1 - 2**-53


HIGHEST = Highest(np.random.PCG64(0))


def rngs(num: int, epoch: int = 0) -> list[np.random.Generator]:
    return [rng_for(3, epoch, index) for index in range(num)]


def ternary(batch: int = BATCH, height: int = 9, width: int = 12) -> Tensor:
    draws = rng_for(1, 2, 3).integers(-1, 2, size=(batch, 3, 2, height, width))
    return torch.from_numpy(draws).float()


@pytest.mark.parametrize("augment", ALL, ids=repr)
def test_laws_of_all(augment: PerSample) -> None:
    x = ternary()
    before = x.clone()
    moved = augment(x, rngs(BATCH))
    assert torch.equal(x, before)
    assert moved.shape == x.shape
    assert moved.dtype == x.dtype
    assert not torch.equal(moved, x)
    assert torch.equal(
        moved, torch.cat([augment(x[i : i + 1], rngs(BATCH)[i : i + 1]) for i in range(BATCH)])
    )
    assert not torch.equal(moved, augment(x, rngs(BATCH, epoch=1)))
    assert eval(repr(augment)) == augment


@pytest.mark.parametrize("augment", ALL, ids=repr)
def test_all_time_steps_move_alike_and_stay_in_order(augment: PerSample) -> None:
    x = ternary()
    moved = augment(x, rngs(BATCH))
    for step in range(3):
        assert torch.equal(moved[:, step], augment(x[:, step], rngs(BATCH)))


@pytest.mark.parametrize("augment", [*CALM, NDA(2, 1), SNNAugmentWide()], ids=repr)
def test_ternary_stays_ternary(augment: PerSample) -> None:
    assert set(augment(ternary(), rngs(BATCH)).unique().tolist()) == {-1.0, 0.0, 1.0}


def test_bilinear_leaves_the_alphabet() -> None:
    assert len(Rotate(40.0, "bilinear")(ternary(), rngs(BATCH)).unique()) > 100


PICTURE = torch.arange(1.0, 13).reshape(3, 4)


@pytest.mark.parametrize(
    ("augment", "expected"),
    [
        (Flip(1.0), [[4, 3, 2, 1], [8, 7, 6, 5], [12, 11, 10, 9]]),
        (Flip(1.0, "y"), [[9, 10, 11, 12], [5, 6, 7, 8], [1, 2, 3, 4]]),
        (Flip(0.5), PICTURE.tolist()),
        (Roll(1), [[12, 9, 10, 11], [4, 1, 2, 3], [8, 5, 6, 7]]),
        (Translate(rows=1), [[0, 0, 0, 0], [1, 2, 3, 4], [5, 6, 7, 8]]),
        (Translate(columns=2), [[0, 0, 1, 2], [0, 0, 5, 6], [0, 0, 9, 10]]),
        (Translate(rows=99, columns=99), [[0] * 4] * 3),
        (Rotate(180), [[12, 11, 10, 9], [8, 7, 6, 5], [4, 3, 2, 1]]),
        # A slope of 1: the row above the centre goes right, the one below goes left.
        (Shear(45), [[0, 1, 2, 3], [5, 6, 7, 8], [10, 11, 12, 0]]),
        # Its centre is the last pixel: two rows and columns before it, the pixel itself and what is outside.
        (Cutout(4), [[1, 0, 0, 0], [5, 0, 0, 0], [9, 0, 0, 0]]),
        (Cutout(2), [[1, 2, 3, 4], [5, 6, 0, 0], [9, 10, 0, 0]]),
        (RandomErasing(1.0, area=(0.5, 0.5), aspect=(1.5, 1.5)), PICTURE.tolist()),
    ],
    ids=repr,
)
def test_by_hand(augment: PerSample, expected: list[list[float]]) -> None:
    assert augment.one(PICTURE, HIGHEST).tolist() == expected


def test_a_quarter_turn_is_numpys() -> None:
    square = torch.arange(25.0).reshape(1, 5, 5)
    assert torch.equal(Rotate(90).one(square, HIGHEST), torch.rot90(square, dims=(1, 2)))


@pytest.mark.parametrize(("order", "interpolation"), [(0, "nearest"), (1, "bilinear")])
@pytest.mark.parametrize("index", range(4))
def test_rotation_is_scipys(order: int, interpolation: str, index: int) -> None:
    x = torch.rand(2, 1, 11, 14, generator=torch.Generator().manual_seed(index)) + 0.1
    turned = Rotate(50.0, interpolation).one(x, rng_for(0, 0, index))
    angle = rng_for(0, 0, index).uniform(-50.0, 50.0)
    expected = ndimage.rotate(
        x.double().numpy(), angle, axes=(-1, -2), reshape=False, order=order, mode="grid-constant"
    )
    np.testing.assert_allclose(turned.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(("order", "interpolation"), [(0, "nearest"), (1, "bilinear")])
@pytest.mark.parametrize("index", range(4))
def test_shear_is_scipys(order: int, interpolation: str, index: int) -> None:
    x = torch.rand(2, 1, 11, 14, generator=torch.Generator().manual_seed(index)) + 0.1
    slanted = Shear(50.0, interpolation).one(x, rng_for(0, 0, index))
    slope = np.tan(np.radians(rng_for(0, 0, index).uniform(-50.0, 50.0)))
    for picture, found in zip(x[:, 0].double().numpy(), slanted[:, 0].numpy(), strict=True):
        expected = ndimage.affine_transform(
            picture, [[1, 0], [slope, 1]], offset=(0, -5 * slope), order=order, mode="grid-constant"
        )
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("augment", "places"),
    [(Roll(2), 25), (Translate(2, 1), 15), (Flip(), 2), (Cutout(2), 64)],
    ids=repr,
)
def test_every_place_is_reached(augment: PerSample, places: int) -> None:
    # Each value once, none zero: 8 × 8 asymmetric pixels.
    x = torch.arange(1.0, 65).reshape(1, 1, 8, 8).expand(900, -1, -1, -1)
    assert len({one.numpy().tobytes() for one in augment(x, rngs(900))}) == places


def test_erasing_hides_one_rectangle_of_the_asked_area_and_aspect() -> None:
    erased = RandomErasing(1.0, area=(0.1, 0.3), aspect=(0.5, 2.0))(torch.ones(200, 1, 40, 50), rngs(200))
    areas, aspects = [], []
    for one in erased[:, 0] == 0:
        height, width = int(one.any(1).sum()), int(one.any(0).sum())
        assert one.sum() == height * width > 0
        areas.append(height * width / 2000)
        aspects.append(height / width)
    assert 0.09 < min(areas) < 0.12
    assert 0.28 < max(areas) < 0.31
    assert 0.47 < min(aspects) < 0.6
    assert 1.7 < max(aspects) < 2.12


def test_erasing_fills_with_the_mean_and_noise_of_each_channel() -> None:
    augment = RandomErasing(1.0, area=(0.5, 0.6), mean=(1.0, -2.0), std=(0.0, 3.0))
    x = torch.zeros(2, 60, 60)
    erased = augment.one(x, rng_for(0, 1, 2))
    hidden = erased[0] == 1.0
    assert torch.equal(hidden, erased[1] != 0)
    noise = erased[1][hidden]
    assert noise.mean().item() == pytest.approx(-2.0, abs=0.25)
    assert noise.std().item() == pytest.approx(3.0, abs=0.25)
    share = RandomErasing(0.25)(torch.ones(800, 1, 9, 9), rngs(800)).flatten(1).amin(1).eq(0).float().mean()
    assert share.item() == pytest.approx(0.25, abs=0.05)
    with pytest.raises(UsageError, match=r"3 values for samples of shape \(2, 60, 60\)"):
        replace(augment, mean=(1.0, 2.0, 3.0)).one(x, rng_for(0))


@pytest.mark.parametrize(
    ("choices", "strengths"),
    [
        (NDA(strength=2).choices(48), (Roll(5), Rotate(30.0), Cutout(16), Shear(30.0))),
        (NDA(strength=1).choices(48), (Roll(3), Rotate(15.0), Cutout(8), Shear(15.0))),
        (NDA(strength=2).choices(96)[0::2], (Roll(10), Cutout(32))),
    ],
)
def test_nda_has_the_ranges_of_its_paper(
    choices: tuple[PerSample, ...], strengths: tuple[PerSample, ...]
) -> None:
    assert choices == strengths


@pytest.mark.parametrize("augment", [NDA(), SNNAugmentWide()], ids=["nda", "wide"])
def test_a_flip_and_one_operation_all_equally_often(augment: NDA | SNNAugmentWide) -> None:
    x = torch.arange(1.0, 1 + 24 * 24).reshape(1, 24, 24)
    nda = isinstance(augment, NDA)
    operations = augment.choices(24) if nda else augment.choices()
    seen: Counter[tuple[bool, int]] = Counter()
    ways = [(flip, number) for flip in (False, True) for number in range(len(operations) + 1)]
    for index in range(140):
        moved = augment.one(x, rng_for(0, 0, index))
        seen[next(way for way in ways if torch.equal(_one_way(x, operations, *way, index), moved))] += 1
    assert sum(count for (flip, _), count in seen.items() if flip) / 140 == pytest.approx(0.5, abs=0.1)
    kinds = len(operations) + (not nda)
    for number in range(kinds):
        share = (seen[False, number] + seen[True, number]) / 140
        assert share == pytest.approx(1 / kinds, abs=0.1)


def _one_way(x: Tensor, operations: tuple[PerSample, ...], flip: bool, number: int, index: int) -> Tensor:
    rng = rng_for(0, 0, index)
    # The flip and the number of the operation.
    rng.random()
    rng.integers(4, size=1)
    flipped = x.flip(-1) if flip else x
    return operations[number].one(flipped, rng) if number < len(operations) else flipped
