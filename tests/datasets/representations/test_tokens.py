"""Event tokens, and surfaces and voxels, against plain loops."""

import numpy as np
import pytest

from snnpd.datasets.events import Sensor
from snnpd.datasets.representations.table import create_representation
from tests.datasets.representations.examples import SENSOR, at_times, random_recording, recording


def test_tokens_by_hand() -> None:
    events = recording([(0, 0, 1000, 1), (6, 4, 1250, 0), (3, 2, 4000, 1)])
    features, times_ms = create_representation("tokens", max_tokens=5)(events, SENSOR)
    np.testing.assert_allclose(features, [[-6 / 7, -4 / 5, 1], [6 / 7, 4 / 5, -1], [0, 0, 1]], atol=1e-6)
    assert features.dtype == np.float32
    assert times_ms.tolist() == [0, 0.25, 3]


@pytest.mark.parametrize(("num", "kept"), [(9, [1, 4, 7]), (4, [0, 2, 3]), (3, [0, 1, 2]), (2, [0, 1])])
def test_of_many_events_some_evenly_spaced(num: int, kept: list[int]) -> None:
    represent = create_representation("tokens", max_tokens=3)
    assert represent(at_times(*range(num)), SENSOR).times_ms.tolist() == pytest.approx(
        [k / 1000 for k in kept]
    )


def test_a_spike_of_a_cochlea_is_a_token_on_one_axis() -> None:
    events = at_times(0, 3)
    events["x"], events["p"] = [0, 699], 0
    features, _ = create_representation("tokens", max_tokens=3)(events, Sensor(1, 700, 1))
    np.testing.assert_allclose(features, [[-699 / 700, 0, 1], [699 / 700, 0, 1]], atol=1e-6)


def test_groups_against_a_loop() -> None:
    events = random_recording(203, start_us=500, stop_us=1500)
    represent = create_representation("token_groups", slicing="duration", window_us=90, start_us=560)
    features, times_ms = represent(events, SENSOR)
    rows, times = [], []
    for start in range(560, 1501, 90):
        group = [event for event in events.tolist() if start <= event[2] < start + 90]
        x = np.array([(event[0] + 0.5) / 7 * 2 - 1 for event in group])
        y = np.array([(event[1] + 0.5) / 5 * 2 - 1 for event in group])
        sign = np.array([2 * event[3] - 1 for event in group])
        rows.append([x.mean(), y.mean(), sign.mean(), x.std(), y.std(), np.log(1 + len(group))])
        times.append(np.mean([event[2] - 500 for event in group]) / 1000)
    np.testing.assert_allclose(features, rows, atol=1e-6)
    np.testing.assert_allclose(times_ms, times, atol=1e-12)


def test_slices_without_events_give_no_token() -> None:
    represent = create_representation("token_groups", slicing="duration", window_us=10)
    features, times_ms = represent(at_times(5, 7, 45), SENSOR)
    np.testing.assert_allclose(times_ms, [0.001, 0.04])
    np.testing.assert_allclose(features[:, -1], np.log([3, 2]), atol=1e-6)


@pytest.mark.parametrize(("name", "width"), [("tokens", 3), ("token_groups", 6)])
def test_nothing_is_a_token_of_zeros(name: str, width: int) -> None:
    options = {"max_tokens": 4} if name == "tokens" else {"num_slices": 4}
    features, times_ms = create_representation(name, **options)(at_times(), SENSOR)
    assert features.tolist() == [[0] * width]
    assert times_ms.tolist() == [0]


def test_voxels_against_the_equation() -> None:
    events = random_recording(300, start_us=-50, stop_us=950)
    voxels = create_representation("voxel", num_slices=6, start_us=0, stop_us=900)(events, SENSOR)
    expected = np.zeros((6, 1, 5, 7))
    for x, y, t, p in events.tolist():
        if 0 <= t <= 900:
            for k in range(6):
                expected[k, 0, y, x] += (2 * p - 1) * max(0.0, 1 - abs(k - 5 * t / 900))
    np.testing.assert_allclose(voxels, expected, atol=1e-6)


@pytest.mark.parametrize("slicing", [{"num_slices": 4}, {"slicing": "events", "num_slices": 4}])
def test_surfaces_against_a_loop(slicing: dict) -> None:
    events = random_recording(60)
    surfaces = create_representation("time_surface", tau_us=200, **slicing)(events, SENSOR)
    parts = [events[k * 15 : (k + 1) * 15] for k in range(4)]
    stops = [250, 500, 750, 1000] if len(slicing) == 1 else [part["t"][-1] for part in parts]
    for k, stop in enumerate(stops):
        is_seen = (
            events["t"] < stop
            if len(slicing) == 1 and k < 3
            else np.arange(60) < (60 if k == 3 else 15 * (k + 1))
        )
        expected = np.zeros((2, 5, 7))
        for x, y, t, p in events[is_seen].tolist():
            expected[p, y, x] = np.exp((t - stop) / 200)
        np.testing.assert_allclose(surfaces[k], expected, atol=1e-6)
    assert 0 < surfaces.min(initial=1, where=surfaces > 0) < surfaces.max() <= 1


@pytest.mark.parametrize(("tau_us", "old"), [(1e-300, 0.0), (1e300, 1.0)])
def test_surfaces_of_any_decay(tau_us: float, old: float) -> None:
    surface = create_representation("time_surface", num_slices=1, tau_us=tau_us)(
        recording([(0, 0, 0, 0), (1, 0, 9, 0)]), SENSOR
    )
    assert surface[0, 0, 0, :3].tolist() == [old, 1, 0]
