"""The digits as events."""

from typing import Any

import numpy as np
import pytest
import torch

from snnpd.datasets.digits import digit_samples, digits
from snnpd.datasets.event_digits import event_digits, saccade_events
from snnpd.datasets.frames import events_to_frames
from snnpd.datasets.progress import track_slow
from snnpd.datasets.simulator.saccade import DURATION_US
from snnpd.datasets.splits import Splits
from snnpd.errors import UsageError
from tests.datasets.contract import DatasetContract


class TestEventDigits(DatasetContract):
    CENTRED = False

    def make(self, **options: Any) -> Splits:
        return event_digits(**options)


def test_parts_are_those_of_the_digits() -> None:
    ours, theirs = event_digits(seed=3), digits(seed=3)
    for name in ("train", "val", "test"):
        assert np.array_equal(getattr(ours, name).labels, getattr(theirs, name).labels)
    assert ours.input_shape == (2, 20, 20)
    assert len(ours.test) == 360
    assert ours.test[0][0].shape == (6, 2, 20, 20)


def test_a_sample_is_the_count_of_its_own_events() -> None:
    """The digits were filmed many on one tall sensor: each must be what it is alone."""
    pixels = digit_samples()[1].data[:, 0].numpy() / 16
    test = event_digits().test
    for index in (0, 127, 128, 359):
        events = saccade_events(pixels[index : index + 1])
        counts = events_to_frames(events, 6, 20, 20, start_us=0, stop_us=DURATION_US)
        frames = test.standard.undo(test[index][0])
        np.testing.assert_allclose(frames, np.log1p(counts), atol=1e-5)
        # Every saccade moves every edge: no window of a digit is empty, and both polarities fire.
        assert (counts.sum(axis=(2, 3)) > 20).all()


def test_events_are_those_of_the_shipped_results() -> None:
    """Their number, within what the last bit of another machine's logarithm may move."""
    splits = event_digits(val_fraction=0)
    for part, num in ((splits.train, 4_752_718), (splits.test, 1_182_926)):
        assert part.data.double().expm1().sum().item() == pytest.approx(num, abs=20)


def test_signed_frames_are_differences() -> None:
    images = digit_samples()[1].data[:1, 0].numpy() / 16
    signed, pair = (
        event_digits(signed=s, time_steps=3, sensor=12, threshold=0.5).test for s in (True, False)
    )
    assert signed[0][0].shape == (3, 1, 12, 12)
    counts = pair.standard.undo(pair[0][0]).expm1()
    difference = counts[:, 1] - counts[:, 0]
    frames = signed.standard.undo(signed[0][0])[:, 0]
    torch.testing.assert_close(frames, difference.sign() * difference.abs().log1p(), atol=1e-4, rtol=0)
    assert difference.min() < 0 < difference.max()
    assert len(saccade_events(images, sensor=12, threshold=0.5)) == pytest.approx(counts.sum().item())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"time_steps": 0}, "time_steps is 0"),
        ({"sensor": 6}, "a sensor of 6 × 6 pixels for images of 8 × 8"),
        ({"threshold": -1.0}, r"contrast threshold is -1.0"),
    ],
)
def test_cameras_that_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        event_digits(**options)


@pytest.mark.parametrize(("after_s", "shows"), [(0.0, True), (60.0, False)])
def test_progress_shows_only_when_it_takes_long(
    capfd: pytest.CaptureFixture[str], after_s: float, shows: bool
) -> None:
    assert list(track_slow([3, 1, 2], "counting", after_s=after_s)) == [3, 1, 2]
    out, err = capfd.readouterr()
    assert out == ""
    assert ("counting" in err) == shows
    assert shows or err == ""
