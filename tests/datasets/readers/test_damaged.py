"""Bad files: each is refused in one line, and costs no more memory than its bytes allow."""

import io
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snnpd.datasets.readers.any import FORMATS, read_events
from snnpd.errors import UsageError
from tests.datasets.readers import files
from tests.datasets.readers.damage import SMALL, kinds

KINDS = {name: kind for name, kind in kinds().items() if "inside" not in name}
EVENTS = files.random_events(20)
INFO = files.aedat4_info([(1, "EVTS")], 128, 128)


def changed(**columns: list[int]) -> np.ndarray:
    """Three events in the upper left corner, with other values in these columns."""
    events = np.zeros(3, [("x", "i8"), ("y", "i8"), ("t", "i8"), ("p", "i8")])
    for name, values in ({"t": [5, 6, 7]} | columns).items():
        events[name] = values
    return events


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(UsageError) as caught:
        read_events(path, **options)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert message.isprintable()
    return message


OFF_X, OFF_Y = changed(x=[0, 304, 0]), changed(y=[0, 0, 240])
BACK = changed(t=[5, 4, 6])
NAN = np.array([[0.5, 1, 1, 1], [np.nan, 1, 1, 1]])
FLOATS = np.array([[0.5, 1, 1, 1], [1.5, 1.5, 1, 1]])

# Suffix, content, what the message says.
BAD: dict[str, tuple[str, bytes, str]] = {
    "x off the sensor, dat": (".dat", files.dat_bytes(OFF_X), "event 1 at x 304, y 0 lies outside of the sensor"),
    "y off the sensor, dat": (".dat", files.dat_bytes(OFF_Y), "event 2 at x 0, y 240 lies outside"),
    "x off the sensor, evt2": (".raw", files.evt2_bytes(OFF_X, 240, 304), "event 1 at x 304"),
    "y off the sensor, evt3": (".raw", files.evt3_bytes(OFF_Y, 240, 304), "event 2 at x 0, y 240"),
    "x off the sensor, evt21": (".raw", files.evt21_bytes(OFF_X, 240, 304), "event 1 at x 304"),
    "y off the sensor, aedat3": (".aedat", files.aedat3_bytes(changed(y=[0, 0, 128])), "event 2 at x 0, y 128"),
    "x off the sensor, aedat4": (".aedat4", files.aedat4_bytes(changed(x=[0, 0, 128])), "event 2 at x 128, y 0"),
    "x off the sensor, text": (".txt", b"304 240\n" + files.text_bytes(OFF_X), "event 1 at x 304"),
    "x off the sensor, aedat2": (
        ".aedat", files.aedat2_bytes(changed(x=[0, 0, -5]), "davis346", 260, 346), "event 2 has x -5"),
    "x of 32768": (".npy", files.npy_bytes(files.table_of(changed(x=[0, 1 << 15, 0]))), "event 1 has x 32768"),
    "x below 0": (".npy", files.npy_bytes(files.table_of(changed(x=[0, -1, 0]))), "event 1 has x -1"),
    "x a fraction": (".npy", files.npy_bytes(FLOATS), "event 1 has x 1.5, expected a whole number"),
    "t no number": (".npy", files.npy_bytes(NAN), "event 1 has t nan"),
    "t of 1e308 seconds": (".npy", files.npy_bytes(np.array([[0.5, 1, 1, 1], [1e308, 1, 1, 1]])), "less than 2^62"),
    "t of 2^62": (".npy", files.npy_bytes(files.table_of(changed(t=[1, 2, 1 << 62]))), "event 2 has t 46116860"),
    "t of 2^62, text": (".csv", b"99999999999999999999 1 1 1\n", "line 1 has a number beyond 2^62"),
    "t back, aedat2": (".aedat", files.aedat2_bytes(BACK), "event 1 at 4 µs after one at 5 µs"),
    "t back, aedat3": (".aedat", files.aedat3_bytes(BACK), "event 1 at 4 µs after one at 5 µs"),
    "t back, aedat4": (".aedat4", files.aedat4_bytes(BACK), "event 1 at 4 µs after one at 5 µs"),
    "t back, dat": (".dat", files.dat_bytes(BACK), "time stamps go back: event 1 at 4 µs"),
    "t back, evt2": (".raw", files.evt2_bytes(BACK), "event 1 at 4 µs after one at 5 µs"),
    "t back, bin": (".bin", files.bin40_bytes(BACK), "event 1 at 4 µs after one at 5 µs"),
    "t back, npy": (".npy", files.npy_bytes(BACK), "event 1 at 4 µs after one at 5 µs"),
    "t back, text": (".csv", files.text_bytes(BACK), "event 1 at 4 µs after one at 5 µs"),
    "t beyond 32 bits, dat": (
        ".dat", files.dat_bytes(changed(t=[5, 2**32 - 1, 5])), "event 2 at 5 µs after one at 4294967295 µs"),
    "t beyond 32 bits, aedat2": (
        ".aedat", files.aedat2_bytes(changed(t=[5, 2**32 - 1, 5])), "event 2 at 5 µs after one at 4294967295 µs"),
    "p of 2, dat": (".dat", files.dat_bytes(changed(p=[0, 2, 1])), "event 1 has p 2, expected a polarity of 0 or 1"),
    "p of 2, npy": (".npy", files.npy_bytes(changed(p=[0, 2, 1])), "event 1 has p 2"),
    "p of 2, text": (".csv", files.text_bytes(changed(p=[0, 2, 1])), "event 1 has p 2"),
    "p of 2, aedat4": (".aedat4", files.aedat4_bytes(changed(p=[0, 2, 1])), "event 1 has p 2"),
    "p of 0 and -1": (".npy", files.npy_bytes(changed(p=[-1, 0, 1])), "event 1 has p 0, expected -1 or 1"),
    "no magic, aedat4": (".aedat4", b"\x89PNG\r\n\x1a\n" * 9, "expected a first line #!AER-DAT4.0"),
    "no magic, npy": (".npy", b"\x89PNG\r\n\x1a\n" * 9, "no .npy array of version 1 or 2: found"),
    "no magic, npz": (".npz", b"\x89PNG\r\n\x1a\n" * 9, "damaged .npz file"),
    "no magic, mat": (".mat", b"\x89PNG\r\n\x1a\n" * 20, "no MATLAB file of version 5"),
    "no magic, h5": (".h5", b"\x89PNG\r\n\x1a\n" * 9, "no HDF5 file"),
    "no magic, raw": (".raw", b"\x89PNG\r\n\x1a\n" * 9, "no encoding in the header"),
    "no suffix": ("", b"\x89PNG\r\n\x1a\n" * 9, "neither content nor suffix tell the format"),
    "another encoding": (".raw", files.evt_header("EVT4") + bytes(8), "encoding 'evt4'"),
    "another version, dat": (".dat", files.dat_bytes(EVENTS).replace(b"Version 2", b"Version 7"), "version 7"),
    "triggers, dat": (".dat", files.dat_bytes(EVENTS).replace(b"\x0c\x08", b"\x0e\x08", 1), "type 0x0e and 8 bytes"),
    "pickled": (".npy", files.npy_bytes(np.array([[None]])), "holds pickled Python objects, which are not loaded"),
    "three columns": (".npy", files.npy_bytes(np.zeros((5, 3), int)), "holds 5 × 3 values, expected events × 4"),
    "names of another thing": (".csv", b"a,b,c,d\n1,2,3,4\n", "expected one each of x, y, t and p"),
    "a line of three": (".csv", b"1 2 3 0\n1 2 3\n", "line 2 has another count of numbers"),
    "a word": (".csv", b"1 2 3 0\n\n1 z 3 0\n", "line 3 has something that is no number"),
    "control characters": (".csv", b"x,\x1b[31m\x07,t,p\n1,2,3,0\n", "expected one each"),
    "strings, aedat4": (".aedat4", files.aedat4_header(0, -1, b"<!DOCTYPE x>"), "declares entities"),
    "no events, aedat4": (
        ".aedat4", files.aedat4_header(0, -1, files.aedat4_info([(0, "FRME")], 8, 8)), "no stream of events"),
    "no header's end, aedat3": (".aedat", b"#!AER-DAT3.1\r\n#Format: RAW\r\n", "the header has no end"),
    "a chip unknown": (".aedat", files.AEDAT2_HEADER + b"\xff" * 8, "give format='aedat2-dvs128'"),
    "no sensor, raw": (".raw", files.evt_header("EVT2", 0, 0) + bytes(8), "announces a sensor of 0 × 0 pixels"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    suffix, content, message = BAD[name]
    path = tmp_path / f"recording{suffix}"
    path.write_bytes(content)
    assert message in refusal(path)


@pytest.mark.parametrize("name", FORMATS)
def test_an_empty_and_a_missing_file_and_a_folder_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "recording"
    assert "no such file" in refusal(path, format=name)
    path.write_bytes(b"")
    assert "empty file" in refusal(path, format=name)
    path.unlink()
    path.mkdir()
    assert "not a file" in refusal(path, format=name)


@pytest.mark.parametrize(
    "name", [name for name in KINDS if name not in ("zip", "tar", "gzip", "spikes", "text")]
)
def test_a_file_cut_anywhere_is_refused_or_gives_the_first_events(tmp_path: Path, name: str) -> None:
    """Records without a count in the header end where they end: between two of them, nobody can tell."""
    suffix, seeds, _, _ = KINDS[name]
    content, path = seeds[0], tmp_path / f"recording{suffix}"
    path.write_bytes(content)
    whole = read_events(path, unit="us" if name == "npy" else None).events.tolist()
    num_refused, cuts = 0, {*range(1, len(content), 397 if name == "h5" else 7), len(content) - 1}
    for cut in cuts:
        path.write_bytes(content[:cut])
        try:
            events = read_events(path).events.tolist()
        except UsageError:
            num_refused += 1
        else:
            assert events == whole[: len(events)]
            # Behind its events, AEDAT 4 keeps a table that is not needed.
            assert len(events) < len(whole) or name == "aedat4"
    assert num_refused > len(cuts) / 2


def test_text_cut_anywhere_is_refused_or_gives_the_first_events(tmp_path: Path) -> None:
    """But for its last number, which may have lost digits."""
    path, content, num_read = tmp_path / "a.txt", files.text_bytes(EVENTS), 0
    for cut in range(1, len(content)):
        path.write_bytes(content[:cut])
        try:
            events = read_events(path).events.tolist()[:-1]
        except UsageError:
            continue
        num_read += 1
        assert events == EVENTS.tolist()[: len(events)]
    assert num_read > len(EVENTS)


def _npy_header(text: bytes, claimed: int | None = None) -> bytes:
    return b"\x93NUMPY\x02\x00" + struct.pack("<I", len(text) if claimed is None else claimed) + text


def _shaped(shape: str) -> bytes:
    return _npy_header(b"{'descr': '<i8', 'fortran_order': False, 'shape': %s, }\n" % shape.encode())


def _zip_of(content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("events.npy", content)
    return stream.getvalue()


def _mat_claiming(size: int) -> bytes:
    content = bytearray(files.mat_bytes(EVENTS, packed=False))
    struct.pack_into("<I", content, 132, size)
    return bytes(content)


def _h5_claiming() -> bytes:
    h5py = pytest.importorskip("h5py")
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        for name in "xytp":
            file.create_dataset(name, (1 << 29,), "i8")
    return stream.getvalue()


def _bomb(packing: str) -> bytes:
    packet = files.aedat4_packet(files.random_events(20)) + bytes(1 << 26)
    return files.aedat4_of_packet(packet, packing)


CLAIMS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "aedat3 packet": (".aedat", lambda: files.aedat3_header() + files.aedat3_packet(bytes(80), (1 << 29) - 1)),
    "aedat4 header": (".aedat4", lambda: b"#!AER-DAT4.0\r\n" + b"\xff" * 4 + bytes(900)),
    "aedat4 packet": (
        ".aedat4", lambda: files.aedat4_header(0, -1, INFO) + struct.pack("<ii", 1, (1 << 31) - 1) + bytes(90)),
    "aedat4 vector": (
        ".aedat4", lambda: files.aedat4_of_packet(
            files.aedat4_packet(EVENTS).replace(struct.pack("<I", 20), struct.pack("<I", 1 << 28)))),
    "npy shape": (".npy", lambda: _shaped(f"({1 << 27}, 4)") + bytes(900)),
    "npy shape of 10^30": (".npy", lambda: _shaped(f"({10**30}, 4)") + bytes(900)),
    "npy header": (".npy", lambda: _npy_header(b" " * 900, 0xFFFFFFFF)),
    "npz shape": (".npz", lambda: _zip_of(_shaped(f"({1 << 27}, 4)") + bytes(900))),
    "npz header": (".npz", lambda: _zip_of(_npy_header(b" " * 900, 0xFFFFFFFF))),
    "mat array": (".mat", lambda: _mat_claiming(0xFFFFFFF0)),
    "h5 dataset": (".h5", _h5_claiming),
}  # fmt: skip


def _peak_bytes(path: Path) -> tuple[int, str]:
    """What refusing a file takes at most, once the code is loaded."""
    refusal(path)
    tracemalloc.start()
    message = refusal(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak, message


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_of_four_gigabytes_costs_nothing(tmp_path: Path, name: str) -> None:
    suffix, make = CLAIMS[name]
    path = tmp_path / f"recording{suffix}"
    path.write_bytes(make())
    assert path.stat().st_size < 4096
    peak, message = _peak_bytes(path)
    assert peak < 2 << 20
    assert any(word in message for word in ("truncated", "damaged", "trailing"))


def test_a_packet_that_unpacks_to_far_more_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("zstandard")
    path = tmp_path / "a.aedat4"
    path.write_bytes(_bomb("zstd"))
    peak, message = _peak_bytes(path)
    assert peak < 4 << 20
    assert "unpacks to more" in message


def test_columns_of_different_lengths_are_told_before_they_are_unpacked(tmp_path: Path) -> None:
    stream, path = io.BytesIO(), tmp_path / "a.npz"
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in "xyt":
            archive.writestr(f"{name}.npy", files.npy_bytes(np.zeros(1 << 20, np.int64)))
        archive.writestr("p.npy", files.npy_bytes(SMALL["p"]))
    path.write_bytes(stream.getvalue())
    peak, message = _peak_bytes(path)
    assert peak < 2 << 20
    assert "different lengths (x.npy 1048576" in message
