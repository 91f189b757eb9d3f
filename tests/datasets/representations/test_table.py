"""Representations by name, what identifies them, and requests that cannot be met."""

import pickle
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest

from snnpd.datasets.events import EVENT_DTYPE, Sensor
from snnpd.datasets.representations import form
from snnpd.datasets.representations.form import Representation
from snnpd.datasets.representations.spatial import Crop
from snnpd.datasets.representations.table import create_representation
from snnpd.errors import UsageError
from tests.datasets.representations.examples import SENSOR, at_times, random_recording, recording

WINDOWS = {"slicing": "duration", "window_us": 10}
MADE: list[tuple[str, dict[str, Any]]] = [
    ("frames", {"num_slices": 4}),
    ("frames", {"num_slices": 5}),
    ("frames", {"num_slices": 4, "stop_us": 100}),
    ("frames", {"num_slices": 4, "slicing": "events"}),
    ("frames", {"num_slices": 4, "downsample": 2}),
    ("frames", {"num_slices": 4, "crop": (4, 4)}),
    ("frames", {"num_slices": 4, "crop": (4, 4), "downsample": 2}),
    ("signed", {"num_slices": 4}),
    ("frames", WINDOWS),
    ("frames", WINDOWS | {"keep_incomplete": False}),
    ("voxel", {"num_slices": 4}),
    ("time_surface", {"num_slices": 4, "tau_us": 5.0}),
    ("tokens", {"max_tokens": 9}),
]


def test_repr_identifies() -> None:
    made = [create_representation(name, **options) for name, options in MADE]
    assert len({repr(one) for one in made}) == len(MADE)
    assert [repr(create_representation(name, **options)) for name, options in MADE] == [
        repr(one) for one in made
    ]
    plain, numpys = (create_representation("frames", num_slices=four) for four in (4, np.int64(4)))
    assert repr(plain) == repr(numpys)
    for one in made:
        assert pickle.loads(pickle.dumps(one)) == one
        assert isinstance(one, Representation)
        with pytest.raises(FrozenInstanceError):
            one.slicing = None  # type: ignore[attr-defined]


def test_a_crop_comes_before_downsampling() -> None:
    made = create_representation("frames", num_slices=2, crop=(4, 6), downsample=2)
    assert made(random_recording(), SENSOR).shape == (2, 2, 2, 3)
    assert create_representation("frames", num_slices=2, downsample=99)(random_recording(), SENSOR).shape[
        2:
    ] == (1, 1)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("frame", {}, "unknown representation 'frame'; did you mean 'frames'"),
        ("frames", {"slicing": "tim"}, "unknown slicing 'tim'; did you mean 'time'"),
        ("frames", {}, "slicing 'time' needs the option 'num_slices'"),
        ("frames", {"slicing": "duration"}, "slicing 'duration' needs the option 'window_us'"),
        ("time_surface", {"num_slices": 3}, "representation 'time_surface' needs the option 'tau_us'"),
        ("time_surface", {"num_slices": 3, "tau_us": 0}, "tau_us is 0; give a positive"),
        ("time_surface", {"num_slices": 3, "tau_us": float("nan")}, "tau_us is nan"),
        ("time_surface", {"num_slices": 3, "tau_us": "5"}, "tau_us is '5'; give a number"),
        ("frames", {"num_slices": 2.5}, "num_slices is 2.5; give a whole number"),
        ("frames", {"num_slices": True}, "num_slices is True; give a whole number"),
        ("frames", {"num_slices": 3, "stop_us": "end"}, "stop_us is 'end'; give a whole number"),
        ("frames", WINDOWS | {"keep_incomplete": "no"}, "keep_incomplete is 'no'; give True or False"),
        (
            "frames",
            {"slicing": 3, "num_slices": 3},
            "slicing is 3; give one of time, duration, events, event_count",
        ),
        ("frames", {"num_slices": 3, "downsample": "2"}, "downsample is '2'; give a whole number"),
        ("frames", {"num_slices": 3, "crop": 4}, "crop is 4; give a height and a width"),
        ("frames", {"num_slices": 3, "crop": (4, 4, 4)}, r"crop is \(4, 4, 4\); give a height and a width"),
        ("frames", {"num_slices": 3, "crop": (4, 2.5)}, "width of the crop is 2.5; give a whole number"),
        ("frames", {"num_slice": 3}, "unknown option 'num_slice'; did you mean 'num_slices'"),
        ("frames", {"num_slices": 3, "tau_us": 3}, "unknown option 'tau_us'"),
        ("frames", {"num_slices": 3, "downsampel": 3}, "did you mean 'downsample'"),
        (
            "voxel",
            {"slicing": "time", "num_slices": 3},
            "representation 'voxel' has no slices; leave slicing='time'",
        ),
        ("voxel", {"num_slices": 3, "start_us": 3, "stop_us": 2}, "3 slices over 3 to 2 µs"),
        ("tokens", {"max_tokens": 0}, "max_tokens is 0"),
        ("frames", {"num_slices": 3, "downsample": 0}, "downsampling factor is 0"),
        ("frames", {"num_slices": 3, "crop": (0, 3)}, "height of the crop is 0"),
    ],
)
def test_representations_that_cannot_be(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        create_representation(name, **options)
    assert "\n" not in str(caught.value)


WRONG: dict[str, tuple[np.ndarray, str]] = {
    "right of the sensor": (
        recording([(7, 0, 0, 1)]),
        "event 0 at x 7, y 0 lies outside of the sensor of 5 × 7",
    ),
    "below the sensor": (recording([(0, 0, 0, 1), (0, 5, 0, 1)]), "event 1 at x 0, y 5"),
    "negative": (recording([(-1, 0, 0, 1)]), "event 0 at x -1"),
    "a third polarity": (recording([(0, 0, 0, 2)]), "event 0 has polarity 2"),
    "a negative polarity": (recording([(0, 0, 0, -1)]), "event 0 has polarity -1"),
    "back in time": (at_times(5, 4), "event 1 at 4 µs after one at 5 µs"),
    "an early epoch": (at_times(-(2**62), 0), "a time stamp of -4611686018427387904 µs is beyond"),
    "a late epoch": (at_times(0, 2**63 - 1), "a time stamp of 9223372036854775807 µs is beyond"),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize(("name", "options"), [*MADE, ("token_groups", {"num_slices": 4})])
def test_events_that_cannot_be(name: str, options: dict[str, Any], wrong: str) -> None:
    events, message = WRONG[wrong]
    with pytest.raises(UsageError, match=message):
        create_representation(name, **options)(events, SENSOR)


@pytest.mark.parametrize(
    ("name", "options", "sensor", "message"),
    [
        ("frames", WINDOWS | {"window_us": 1}, SENSOR, r"3600000001 slices, 3834792 at most .*; take fewer or longer"),
        ("time_surface", {"num_slices": 10**8, "tau_us": 3}, SENSOR, "100000000 slices, 3834792 at most"),
        ("voxel", {"num_slices": 10**8}, SENSOR, "100000000 slices, 7669584 at most"),
        ("token_groups", {"num_slices": 10**8}, SENSOR, "100000000 slices, 44739242 at most"),
        ("frames", {"num_slices": 1}, Sensor(32767, 32767), "1 slices, 0 at most"),
        ("frames", {"num_slices": 1}, Sensor(0, 5), "event 0 at x 0, y 0 lies outside"),
        ("signed", {"num_slices": 1}, Sensor(5, 7, 3), "a sensor of 3 polarities has no sign; take 'frames'"),
        ("voxel", {"num_slices": 1}, Sensor(5, 7, 3), "a sensor of 3 polarities"),
        ("frames", {"num_slices": 1, "crop": (6, 2)}, SENSOR, "a crop of 6 × 2 at row 0, column 2 of a sensor"),
        ("frames", {"num_slices": 1, "crop": (2, 9)}, SENSOR, "a crop of 2 × 9 at row 1, column 0 of a sensor of 5"),
    ],
)  # fmt: skip
def test_sensors_and_sizes_that_do_not_fit(
    name: str, options: dict[str, Any], sensor: Sensor, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        create_representation(name, **options)(at_times(0, 3_600_000_000), sensor)


@pytest.mark.parametrize("corner", [(-1, 0), (0, 5)])
def test_crops_beyond_the_sensor(corner: tuple[int, int]) -> None:
    crop = Crop(
        of=create_representation("frames", num_slices=1), height=2, width=3, top=corner[0], left=corner[1]
    )
    with pytest.raises(UsageError, match="give one that lies on it"):
        crop(random_recording(), SENSOR)


def test_the_largest_result_is_within_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(form, "MAX_CELLS", 4 * 2 * 35)
    events = random_recording()
    assert create_representation("frames", num_slices=4)(events, SENSOR).size == form.MAX_CELLS
    with pytest.raises(UsageError, match="5 slices, 4 at most"):
        create_representation("frames", num_slices=5)(events, SENSOR)


def test_events_of_another_form() -> None:
    plain = np.zeros(3, dtype=[("x", "i2"), ("y", "i2"), ("p", "i1"), ("t", "i8")])
    assert plain.dtype != EVENT_DTYPE
    with pytest.raises(UsageError, match=r"give one axis of snnpd\.datasets\.events\.EVENT_DTYPE"):
        create_representation("frames", num_slices=1)(plain, SENSOR)
