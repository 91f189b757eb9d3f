"""Timm's RandAugment, seeded per sample."""

import random
import sys
from contextlib import suppress

import numpy as np
import pytest
import torch

from snnpd.datasets.augmentation import timm_recipe as augment_timm
from snnpd.datasets.augmentation.timm_recipe import TimmRandAugment
from snnpd.datasets.seeding import rng_for
from snnpd.errors import UsageError

IMAGES = torch.rand(24, 3, 16, 20, generator=torch.Generator().manual_seed(0))


def rngs(epoch: int = 0) -> list[np.random.Generator]:
    return [rng_for(0, epoch, index) for index in range(len(IMAGES))]


def test_it_is_seeded_by_sample() -> None:
    pytest.importorskip("timm")
    augment = TimmRandAugment("rand-m9-n2-mstd0.4-inc1")
    before = np.random.get_state()[1].copy()
    first = augment(IMAGES, rngs())
    assert np.array_equal(np.random.get_state()[1], before)
    random.seed(9)
    np.random.seed(9)
    assert torch.equal(augment(IMAGES, rngs()), first)
    alone = [augment(IMAGES[i : i + 1], rngs()[i : i + 1]) for i in range(len(IMAGES))]
    assert torch.equal(torch.cat(alone), first)
    assert not torch.equal(augment(IMAGES, rngs(epoch=1)), first)
    assert first.shape == IMAGES.shape
    assert 0 <= first.min() < first.max() <= 1


def test_the_global_generators_are_put_back_even_behind_an_error() -> None:
    # Not around an augmentation: the checker of its signature draws from Python's generator, too.
    before = random.getstate(), np.random.get_state()[1].copy()
    with suppress(KeyError), augment_timm._global_generators_put_back():
        random.seed(1)
        np.random.seed(1)
        raise KeyError
    assert random.getstate() == before[0]
    assert np.array_equal(np.random.get_state()[1], before[1])


def test_it_is_timms() -> None:
    auto_augment = pytest.importorskip("timm.data.auto_augment")
    from PIL import Image

    first = TimmRandAugment("rand-m9-n2-mstd0.4-inc1", fill=(0.0, 1.0, 0.5))(IMAGES, rngs())
    theirs = auto_augment.rand_augment_transform("rand-m9-n2-mstd0.4-inc1", {"img_mean": (0, 255, 128)})
    changed = 0
    for image, found, rng in zip(IMAGES, first, rngs(), strict=True):
        pixels = (image.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
        random.seed(int(rng.integers(2**63)))
        np.random.seed(int(rng.integers(2**32)))
        expected = np.asarray(theirs(Image.fromarray(pixels)))
        assert np.array_equal(found.permute(1, 2, 0).numpy(), expected.astype(np.float32) / 255)
        changed += not np.array_equal(pixels, expected)
    # Each of its two layers is skipped half of the time.
    assert 0.5 < changed / len(IMAGES) < 1


@pytest.mark.parametrize("recipe", ["rand-m9-what", "augmix", "rand-q9", "9"])
def test_a_recipe_that_timm_does_not_know(recipe: str) -> None:
    pytest.importorskip("timm")
    if recipe == "rand-m9-what":
        # Timm ignores what has no number in it.
        assert isinstance(TimmRandAugment(recipe), TimmRandAugment)
    else:
        with pytest.raises(UsageError, match=f"does not know the RandAugment recipe '{recipe}'"):
            TimmRandAugment(recipe)


def test_without_timm(monkeypatch: pytest.MonkeyPatch) -> None:
    augment_timm._transform.cache_clear()
    monkeypatch.setitem(sys.modules, "timm.data.auto_augment", None)
    with pytest.raises(UsageError, match=r"RandAugment needs timm .*; pip install 'snnpd\[images\]'"):
        TimmRandAugment()
