"""The files of SHD and SSC: every layout that HDF5 has for lists, and lists that cannot be."""

from pathlib import Path

import numpy as np
import pytest

from snnpd.datasets.events import Sensor
from snnpd.datasets.readers.any import read_events
from snnpd.datasets.readers.spikes import read_class_names, read_spike_labels, read_spikes
from snnpd.errors import UsageError
from tests.datasets.readers import files

h5py = pytest.importorskip("h5py")
RNG = np.random.default_rng(0)
COUNTS = [5, 0, 300, 1, *RNG.integers(0, 40, 70)]
TIMES = [np.sort(RNG.integers(0, 1000, num)) / 1024 for num in COUNTS]
UNITS = [RNG.integers(0, 700, num) for num in COUNTS]
LABELS = list(range(len(COUNTS)))
LAYOUTS = [
    {},
    {"chunks": (7,)},
    {"chunks": (7,), "compression": "gzip"},
    {"chunks": (100,), "maxshape": (None,), "compression": "gzip", "shuffle": True},
]


def written(path: Path, **options: object) -> Path:
    path.write_bytes(files.shd_bytes(TIMES, UNITS, LABELS, **options))
    return path


@pytest.mark.parametrize("options", LAYOUTS)
def test_every_recording_is_read_whatever_the_layout(tmp_path: Path, options: dict[str, object]) -> None:
    path = written(tmp_path / "a.h5", **options)
    recordings = list(read_spikes(path, LABELS))
    assert len(recordings) == len(COUNTS) > 64
    for (events, sensor), times, units in zip(recordings, TIMES, UNITS, strict=True):
        assert sensor == Sensor(1, 700, 1)
        np.testing.assert_array_equal(events["x"], units)
        np.testing.assert_array_equal(events["t"], np.rint(times.astype("f2").astype(float) * 1e6))
        assert not events["y"].any()
        assert not events["p"].any()
    assert read_spike_labels(path).tolist() == LABELS
    assert read_class_names(path) == ("zero", "one")


def test_recordings_come_in_the_order_asked_for_and_sorted_by_time(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    path.write_bytes(
        files.shd_bytes([np.array([2.0, 1.0]), np.array([0.5])], [np.array([7, 9]), np.array([3])], [0, 1])
    )
    last, first = read_spikes(path, [1, 0])
    assert last.events.tolist() == [(3, 0, 500_000, 0)]
    assert first.events.tolist() == [(9, 0, 1_000_000, 0), (7, 0, 2_000_000, 0)]


def test_requests_and_files_that_cannot_be(tmp_path: Path) -> None:
    path = written(tmp_path / "a.h5")
    with pytest.raises(UsageError, match="recording 74, the file has 74"):
        list(read_spikes(path, [0, 74]))
    with pytest.raises(UsageError, match="read them one by one"):
        read_events(path)
    with pytest.raises(UsageError, match=r"event . at x 6.., y 0 lies outside of the sensor of 1 × 600"):
        list(read_spikes(path, LABELS, num_units=600))
    path.write_bytes(files.shd_bytes(TIMES, UNITS, LABELS[:-1]))
    with pytest.raises(UsageError, match="found 73 labels for 74 recordings"):
        read_spike_labels(path)
    path.write_bytes(files.h5_bytes(files.random_events(20)))
    for read in (read_spike_labels, lambda path: list(read_spikes(path, [0]))):
        with pytest.raises(UsageError, match="no lists of numbers at spikes/times"):
            read(path)
    with pytest.raises(UsageError, match="no list of class names at extra/keys"):
        read_class_names(path)


def test_a_length_of_four_billion_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.h5")
    with h5py.File(path) as file:
        place = file["spikes/times"].id.get_offset()
    content = bytearray(path.read_bytes())
    content[place : place + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="recording 0 announces 4294967295 numbers in /spikes/times"):
        list(read_spikes(path, [0]))
    assert len(list(read_spikes(path, range(1, 10)))) == 9


def test_a_link_to_another_file_is_not_followed(tmp_path: Path) -> None:
    written(tmp_path / "secret.h5")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["spikes"] = h5py.ExternalLink("secret.h5", "/spikes")
    with pytest.raises(UsageError, match="spikes is a link to elsewhere"):
        list(read_spikes(tmp_path / "a.h5", [0]))
