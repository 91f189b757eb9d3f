"""Augmentations by name, as recipes ask for them."""

from typing import Any

import pytest

from snnpd.datasets.augmentation.event_drop import DropByTime, EventDrop
from snnpd.datasets.augmentation.frames import Flip, Roll
from snnpd.datasets.augmentation.images import ShiftFlip
from snnpd.datasets.augmentation.nda import NDA
from snnpd.datasets.augmentation.table import (
    AUGMENTATIONS,
    EVENT_AUGMENTATIONS,
    IMAGE_AUGMENTATIONS,
    OFFERED,
    PICTURE_AUGMENTATIONS,
    SERIES_AUGMENTATIONS,
    Chosen,
    choose_augmentations,
    choose_for_pictures,
)
from snnpd.errors import UsageError

DEFAULT = Chosen(samples=(Roll(2),))


@pytest.mark.parametrize(
    ("wishes", "source", "chosen"),
    [
        (True, "events", DEFAULT),
        (False, "events", Chosen()),
        ([], "frames", Chosen()),
        ("nda", "frames", Chosen(samples=(NDA(),))),
        ({"name": "nda", "strength": 1}, "events", Chosen(samples=(NDA(strength=1),))),
        (
            ["flip", "event_drop", {"name": "shift_flip", "pad": 3}],
            "events",
            Chosen((EventDrop(),), (Flip(), ShiftFlip(3))),
        ),
        ([{"name": "drop_by_time", "ratios": [0.1, 0.2]}], "events", Chosen((DropByTime((0.1, 0.2)),))),
    ],
)
def test_what_recipes_ask_for(wishes: Any, source: Any, chosen: Chosen) -> None:
    assert choose_augmentations(wishes, source, DEFAULT) == chosen


@pytest.mark.parametrize(
    ("wishes", "source", "message"),
    [
        ("ndaa", "frames", "unknown augmentation 'ndaa'; did you mean 'nda'"),
        (
            "event_drop",
            "frames",
            "augmentation 'event_drop' is not for frames; for them there are cutout, flip",
        ),
        ("randaugment", "events", "augmentation 'randaugment' is not for events"),
        ("shift_flip", "image", "augmentation 'shift_flip' needs pad; write {name: shift_flip, pad: …}"),
        (
            {"name": "roll", "pixel": 3},
            "image",
            "unknown option of augmentation 'roll' 'pixel'; did you mean",
        ),
        ({"pixels": 3}, "image", "augment has {'pixels': 3}; give a name"),
        ([["roll"]], "image", r"augment has \['roll'\]; give a name"),
        (3, "image", "augment is 3; give true, false, a name, or a list"),
        (
            {"name": "roll", "pixels": 1.5},
            "image",
            "augmentation 'roll': pixels is 1.5; give int",
        ),
        ({"name": "roll", "pixels": True}, "image", "pixels is True; give int"),
        (
            {"name": "roll", "pixels": 10**9},
            "image",
            "Roll: pixels is 1000000000; give a whole number from 0 to 32767",
        ),
        ({"name": "flip", "probability": "often"}, "image", "probability is 'often'; give float"),
        ({"name": "flip", "probability": float("nan")}, "image", "Flip: probability is nan"),
        ({"name": "rotate", "degrees": -1}, "image", "Rotate: degrees is -1; give a number from 0 upwards"),
        ({"name": "shear", "degrees": 90}, "image", "Shear: degrees is 90; give a number from 0 to below 90"),
        (
            {"name": "rotate", "interpolation": "cubic"},
            "image",
            "interpolation is 'cubic'; give .*'nearest'",
        ),
        ({"name": "random_erasing", "area": [0.5, 0.2]}, "image", "area is .* ascending .* at most 1"),
        ({"name": "random_erasing", "aspect": 2}, "image", "aspect is 2; give tuple\\[float, float\\]"),
        (
            {"name": "random_erasing", "mean": "grey"},
            "image",
            r"mean is 'grey'; give float \| tuple\[float, \.\.\.\]",
        ),
        ({"name": "shift_flip", "pad": -1}, "image", "ShiftFlip: pad is -1; give a whole number"),
        ({"name": "affine", "zoom": 1}, "image", "RandomAffine: zoom is 1; give a number from 0 to below 1"),
        (
            {"name": "event_drop", "time_ratios": []},
            "events",
            r"EventDrop: time_ratios is \(\); give one or more",
        ),
        (
            {"name": "drop_by_area", "ratios": 0.2},
            "events",
            "ratios is 0.2; give tuple\\[float, \\.\\.\\.\\]",
        ),
        ({"name": "time_scale", "factor": [0, 1]}, "events", "TimeScale: factor is .*, at most 1000"),
        ({"name": "event_flip", "axis": "z"}, "events", "axis is 'z'; give .*'x', 'y'"),
        (
            {"name": "randaugment", "magnitude": 31},
            "image",
            "magnitude is 31; give a whole number from 0 to 30",
        ),
    ],
)
def test_what_recipes_get_wrong(wishes: Any, source: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        choose_augmentations(wishes, source)
    assert "\n" not in str(caught.value)


def test_every_name_is_in_one_table() -> None:
    tables = (PICTURE_AUGMENTATIONS, IMAGE_AUGMENTATIONS, EVENT_AUGMENTATIONS, SERIES_AUGMENTATIONS)
    assert sum(map(len, tables)) == len(AUGMENTATIONS) == len(set(AUGMENTATIONS.values()))


@pytest.mark.parametrize(("source", "default"), [("image", (Flip(),)), ("frames", (Roll(2), Flip()))])
def test_sets_of_pictures_choose_by_name_too(source: Any, default: Any) -> None:
    assert choose_for_pictures(True, source, *default) == default
    assert choose_for_pictures(False, source, *default) == ()
    assert choose_for_pictures("nda", source, *default) == (NDA(),)
    with pytest.raises(UsageError, match="'time_jitter' is not for"):
        choose_for_pictures("time_jitter", source, *default)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_every_name_can_be_chosen_for_some_source_and_says_what_it_is(name: str) -> None:
    pytest.importorskip({"timm": "timm", "randaugment": "torchvision"}.get(name, "torch"))
    wish = {"name": name} | ({"pad": 2} if name == "shift_flip" else {})
    for source, offered in OFFERED.items():
        if name in offered:
            chosen = choose_augmentations(wish, source)
            (only,) = chosen.events + chosen.samples
            assert type(only) is AUGMENTATIONS[name]
            assert bool(chosen.events) == (name in EVENT_AUGMENTATIONS)
        else:
            with pytest.raises(UsageError, match=f"'{name}' is not for {source}; for them there are"):
                choose_augmentations(wish, source)
    assert any(name in offered for offered in OFFERED.values())
