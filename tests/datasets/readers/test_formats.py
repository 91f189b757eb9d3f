"""Every format, written byte by byte: what is read are the true events to the last bit, and what others read."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snnpd.datasets.events import EVENT_DTYPE, Sensor
from snnpd.datasets.readers.any import FORMATS, read_events
from snnpd.errors import UsageError
from tests.datasets.readers import files

DVS, HD = Sensor(128, 128), Sensor(720, 1280)
EVENTS = files.random_events(700)
DAVIS = files.random_events(700, height=260, width=346)
ATIS = files.random_events(700, height=240, width=304)
LARGE = files.random_events(700, height=720, width=1280, span_us=4 * 10**7)
# Across the places where the clocks of AEDAT 3 (31 bits), EVT 2 (34 bits) and EVT 3 (24 bits) wrap.
LATE_31 = files.random_events(700, start_us=2**31 - 500_000)
LATE_34 = files.random_events(700, height=720, width=1280, start_us=2**34 - 500_000)
BRIEF = files.random_events(700, height=720, width=1280, span_us=4096, start_us=5 << 12)
SACCADES = files.random_events(700, height=34, width=34, span_us=9 * 10**6)
NAMED = files.text_bytes(EVENTS, "xypt", ",", "x,y,polarity,timestamp")
SECONDS = np.stack([EVENTS["t"] / 1e6, *(EVENTS[name] for name in "xyp")], axis=1)

# Name of the file, content, true events, sensor that the file tells, options.
ROWS: dict[str, tuple[str, Any, np.ndarray, Sensor | None, dict[str, str]]] = {
    "aedat2": ("a.aedat", files.aedat2_bytes, EVENTS, DVS, {}),
    "aedat2-davis": ("a.aedat", partial(files.aedat2_bytes, chip="davis346", height=260, width=346), DAVIS,
                     Sensor(260, 346), {}),
    "aedat3": ("a.aedat", files.aedat3_bytes, EVENTS, DVS, {}),
    "aedat3-wrap": ("a.aedat", files.aedat3_bytes, LATE_31, DVS, {}),
    "aedat3-davis": ("a.aedat", partial(files.aedat3_bytes, source="DAVIS346"), DAVIS, Sensor(260, 346), {}),
    "aedat4": ("a.aedat4", files.aedat4_bytes, EVENTS, DVS, {}),
    "aedat4-lz4": ("a.aedat4", partial(files.aedat4_bytes, compression="lz4"), EVENTS, DVS, {}),
    "aedat4-zstd": ("a.aedat4", partial(files.aedat4_bytes, compression="zstd"), EVENTS, DVS, {}),
    "dat": ("a.dat", files.dat_bytes, ATIS, Sensor(240, 304), {}),
    "dat-1": ("a_td.dat", partial(files.dat_bytes, version=1), ATIS, Sensor(240, 304), {}),
    "evt2": ("a.raw", files.evt2_bytes, LARGE, HD, {}),
    "evt2-wrap": ("a.raw", files.evt2_bytes, LATE_34, HD, {}),
    "evt21": ("a.raw", files.evt21_bytes, LARGE, HD, {}),
    "evt21-legacy": ("a.raw", partial(files.evt21_bytes, legacy=True), LARGE, HD, {}),
    "evt3": ("a.raw", files.evt3_bytes, LARGE, HD, {}),
    "bin": ("a.bin", files.bin40_bytes, SACCADES, None, {}),
    "npy-named": ("a.npy", files.npy_bytes, EVENTS, None, {}),
    "npy-table": ("a.npy", lambda events: files.npy_bytes(files.table_of(events)), EVENTS, None, {}),
    "npy-order": ("a.npy", lambda events: files.npy_bytes(files.table_of(events, "xytp")), EVENTS, None,
                  {"columns": "xytp"}),
    "npy-fortran": ("a.npy", lambda events: files.npy_bytes(np.asfortranarray(files.table_of(events))), EVENTS,
                    None, {}),
    "npy-big-endian": ("a.npy", lambda events: files.npy_bytes(files.table_of(events).astype(">i4")), EVENTS,
                       None, {}),
    "npy-seconds": ("a.npy", lambda events: files.npy_bytes(SECONDS), EVENTS, None, {}),
    "npy-signs": ("a.npy", lambda events: files.npy_bytes(files.table_of(events) * [1, 1, 1, 2] - [0, 0, 0, 1]),
                  EVENTS, None, {}),
    "npz": ("a.npz", files.npz_bytes, EVENTS, None, {}),
    "h5": ("a.h5", partial(files.h5_bytes, place="/"), EVENTS, None, {}),
    "h5-packed": ("a.hdf5", partial(files.h5_bytes, compression="gzip", shuffle=True), EVENTS, None, {}),
    "h5-metavision": ("a.h5", partial(files.h5_bytes, place="CD/events"), LARGE, HD, {}),
    "mat": ("a.mat", files.mat_bytes, EVENTS, None, {}),
    "mat-plain": ("a.mat", partial(files.mat_bytes, packed=False), EVENTS, None, {}),
    "text": ("a.txt", files.text_bytes, EVENTS, None, {}),
    "csv-named": ("a.csv", lambda events: NAMED, EVENTS, None, {}),
    "csv-crlf": ("a.csv", lambda events: NAMED.replace(b"\n", b"\r\n"), EVENTS, None, {}),
    "text-seconds": ("a.txt", lambda events: b"\n".join(b"%.6f %d %d %d" % tuple(row) for row in SECONDS), EVENTS,
                     None, {}),
    "text-sensor": ("a.txt", lambda events: b"128 128\n" + files.text_bytes(events), EVENTS, DVS, {}),
}  # fmt: skip

NEEDS = {
    "aedat4-lz4": "lz4",
    "aedat4-zstd": "zstandard",
    "h5": "h5py",
    "h5-packed": "h5py",
    "h5-metavision": "h5py",
}


@pytest.mark.parametrize("name", ROWS)
def test_the_true_events_are_read(tmp_path: Path, name: str) -> None:
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    file, write, expected, sensor, options = ROWS[name]
    path = tmp_path / file
    path.write_bytes(write(expected))
    events, found = read_events(path, **options)
    assert events.dtype == EVENT_DTYPE
    np.testing.assert_array_equal(events, expected)
    assert found == sensor


def test_every_format_has_a_row() -> None:
    written = {name.partition("-")[0] for name in ROWS} | {"text", "evt"}
    assert {name.partition("-")[0] for name in FORMATS} <= written


@pytest.mark.parametrize("name", ["aedat2", "aedat3", "aedat4", "npy-named", "npz", "h5", "mat"])
def test_content_tells_the_format_whatever_the_suffix(tmp_path: Path, name: str) -> None:
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    path = tmp_path / "recording.xyz"
    path.write_bytes(ROWS[name][1](EVENTS))
    np.testing.assert_array_equal(read_events(path).events, EVENTS)


@pytest.mark.parametrize(
    ("format", "content"),
    [
        ("evt2", files.evt2_bytes(LARGE).split(b"% end\n")[1]),
        ("evt3", files.evt3_bytes(LARGE).split(b"% end\n")[1]),
        ("evt21", files.evt21_bytes(LARGE, legacy=True).split(b"% end\n")[1]),
    ],
)
def test_a_format_given_by_name_needs_no_header(tmp_path: Path, format: str, content: bytes) -> None:
    path = tmp_path / "recording.raw"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="no encoding in the header"):
        read_events(path)
    events, sensor = read_events(path, format=format)
    np.testing.assert_array_equal(events, LARGE)
    assert sensor is None


def test_the_vectors_of_evt3(tmp_path: Path) -> None:
    """Time 5 · 2^12 + 7, row 3: twelve and eight neighbours from column 100 on, then one event after a wrap."""
    words = [0x8005, 0x6007, 0x0003, 0x3800 | 100, 0x4801, 0x5081, 0x8FFF, 0x8000, 0x6001, 0x2009]
    path = tmp_path / "a.raw"
    path.write_bytes(files.evt_header("EVT3") + np.array(words, "<u2").tobytes())
    t = 5 << 12 | 7
    expected = [(x, 3, t, 1) for x in (100, 111, 112, 119)] + [(9, 3, 1 << 24 | 1, 0)]
    assert read_events(path).events.tolist() == expected


def test_the_masks_of_evt21(tmp_path: Path) -> None:
    """Row 3, columns 64, 69 and 95 at 2 · 64 + 9 µs."""
    words = [8 << 60 | 2 << 32, 1 << 60 | 9 << 54 | 64 << 43 | 3 << 32 | 1 << 31 | 1 << 5 | 1]
    path = tmp_path / "a.raw"
    path.write_bytes(files.evt_header("EVT21") + np.array(words, "<u8").tobytes())
    assert read_events(path).events.tolist() == [(x, 3, 137, 1) for x in (64, 69, 95)]


@pytest.mark.parametrize(
    ("header", "line", "unit", "t"),
    [
        (b"t_ms,x,y,p\n", b"1500,1,2,1", None, 1_500_000),
        (b"timestamp_ns,x,y,p\n", b"1500,1,2,1", None, 2),
        (b"", b"1500 1 2 1", "s", 1_500_000_000),
        (b"", b"0.0000015 1 2 1", None, 2),
        (b"# comment\n\n", b"1.5e3;1;2;1", "us", 1500),
        (b"", b"9007199254740993 1 2 1", None, 9007199254740993),
    ],
)
def test_times_of_every_unit(tmp_path: Path, header: bytes, line: bytes, unit: str | None, t: int) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(header + line)
    assert read_events(path, unit=unit).events.tolist() == [(1, 2, t, 1)]


@pytest.mark.parametrize(
    ("content", "file"),
    [(b"1.0 1 2 1\n2.0 1 2 1\n", "a.txt"), (files.npy_bytes(files.table_of(EVENTS).astype("f8")), "a.npy")],
)
def test_a_unit_that_cannot_be_told_is_asked_for(tmp_path: Path, content: bytes, file: str) -> None:
    path = tmp_path / file
    path.write_bytes(content)
    with pytest.raises(UsageError, match="give unit='s' or unit='us'"):
        read_events(path)
    assert read_events(path, unit="s").events["t"][-1] == 10**6 * read_events(path, unit="us").events["t"][-1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "aedat5"}, "did you mean"),
        ({"columns": "xyt"}, "once each"),
        ({"unit": "minutes"}, "known: ns, us, ms, s"),
        ({"format": "dat", "unit": "s"}, "says it itself"),
    ],
)
def test_a_wrong_request_says_what_is_right(tmp_path: Path, options: dict[str, str], message: str) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(files.npy_bytes(files.table_of(EVENTS)))
    with pytest.raises(UsageError, match=message):
        read_events(path, **options)


def test_a_stable_sort_is_made_on_request(tmp_path: Path) -> None:
    shuffled = EVENTS[np.random.default_rng(0).permutation(len(EVENTS))]
    shuffled["t"] //= 1000
    path = tmp_path / "a.dat"
    path.write_bytes(files.dat_bytes(shuffled))
    with pytest.raises(UsageError, match="time stamps go back"):
        read_events(path)
    np.testing.assert_array_equal(
        read_events(path, sort=True).events, shuffled[np.argsort(shuffled["t"], kind="stable")]
    )


@pytest.mark.parametrize("dtype", ["i8", "i4", "u8"])
def test_integer_times_in_nanoseconds_are_rounded(tmp_path: Path, dtype: str) -> None:
    table = np.array([[1499, 1, 2, 1], [1500, 1, 2, 1]], dtype)
    path = tmp_path / "a.npy"
    path.write_bytes(files.npy_bytes(table))
    assert read_events(path, unit="ns").events["t"].tolist() == [1, 2]


def _tonic_addresses(path: Path) -> tuple[np.ndarray, np.ndarray]:
    io = pytest.importorskip("tonic.io")
    version, start, _ = io.read_aedat_header_from_file(str(path))
    events = io.get_aer_events_from_file(str(path), version, start)
    return events["address"].astype(np.int64), events["timeStamp"].astype(np.int64)


def _tonic_aedat2(path: Path) -> dict[str, np.ndarray]:
    """Counted from the right and from the bottom, as the camera does; OFF is 1."""
    address, t = _tonic_addresses(path)
    return {"x": 127 - (address >> 1 & 127), "y": 127 - (address >> 8 & 127), "t": t, "p": 1 - (address & 1)}


def _tonic_aedat3(path: Path) -> dict[str, np.ndarray]:
    """With the fields of `tonic.io.read_dvs_ibm`."""
    address, t = _tonic_addresses(path)
    return {"x": address >> 17 & 0x1FFF, "y": address >> 2 & 0x1FFF, "t": t, "p": address >> 1 & 1}


def _tonic_bin(path: Path) -> np.ndarray:
    columns = np.dtype([(name, int) for name in "xytp"])
    return pytest.importorskip("tonic.io").read_mnist_file(str(path), columns)


def _expelliarmus(path: Path, encoding: str) -> np.ndarray:
    return pytest.importorskip("expelliarmus").Wizard(encoding=encoding).read(path)


def _aedat(path: Path) -> dict[str, np.ndarray]:
    decoder = pytest.importorskip("aedat").Decoder(path)
    events = np.concatenate([packet["events"] for packet in decoder])
    return {name: events["on" if name == "p" else name] for name in "xytp"}


def _aedat3_alone(events: np.ndarray) -> bytes:
    """One packet of valid events: tonic takes all packets and all events."""
    words = [int(x) << 17 | int(y) << 2 | int(p) << 1 | 1 for x, y, _, p in events.tolist()]
    records = np.stack([np.array(words, "<u4"), events["t"].astype("<u4")], axis=1)
    return files.aedat3_header() + files.aedat3_packet(records.tobytes(), len(events))


def _aedat4_alone(events: np.ndarray, compression: str) -> bytes:
    return files.aedat4_of_packet(files.aedat4_packet(events), compression)


# Name of the file, content, true events, who else reads it.
ORACLES: dict[str, tuple[str, Callable[[np.ndarray], bytes], np.ndarray, Callable[[Path], Any]]] = {
    "tonic-aedat2": ("a.aedat", files.aedat2_bytes, EVENTS, _tonic_aedat2),
    "tonic-aedat3": ("a.aedat", _aedat3_alone, EVENTS, _tonic_aedat3),
    "tonic-bin": ("a.bin", files.bin40_bytes, SACCADES, _tonic_bin),
    "expelliarmus-dat": ("a.dat", files.dat_bytes, ATIS, partial(_expelliarmus, encoding="dat")),
    "expelliarmus-evt2": ("a.raw", files.evt2_bytes, LARGE, partial(_expelliarmus, encoding="evt2")),
    # It refuses words that are no events, and adds a round where both parts of the time change.
    "expelliarmus-evt3": ("a.raw", partial(files.evt3_bytes, others=()), BRIEF,
                          partial(_expelliarmus, encoding="evt3")),
    "aedat-none": ("a.aedat4", partial(_aedat4_alone, compression="none"), EVENTS, _aedat),
    "aedat-lz4": ("a.aedat4", partial(_aedat4_alone, compression="lz4"), EVENTS, _aedat),
    "aedat-zstd": ("a.aedat4", partial(_aedat4_alone, compression="zstd"), EVENTS, _aedat),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", ORACLES)
def test_others_read_the_same(tmp_path: Path, name: str) -> None:
    packing = name.removeprefix("aedat-")
    if packing in ("lz4", "zstd"):
        pytest.importorskip(packing.replace("zstd", "zstandard"))
    file, write, expected, read = ORACLES[name]
    path = tmp_path / file
    path.write_bytes(write(expected))
    theirs, ours = read(path), read_events(path).events
    for column in "xytp":
        np.testing.assert_array_equal(np.asarray(theirs[column]).astype(np.int64), ours[column], column)


def test_a_filter_of_hdf5plugin_is_found(tmp_path: Path) -> None:
    hdf5plugin = pytest.importorskip("hdf5plugin")
    (tmp_path / "blosc.h5").write_bytes(files.h5_bytes(EVENTS, **hdf5plugin.Blosc()))
    assert (read_events(tmp_path / "blosc.h5").events == EVENTS).all()
