"""Damaged files of every format, and what reads them; `feed` runs in a process of its own, which it may end."""

import gzip
import io
import json
import os
import random
import resource
import shutil
import signal
import sys
import tarfile
import time
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np

from snnpd.datasets.events import EVENT_DTYPE, Recording, Sensor, check_events
from snnpd.datasets.readers.any import read_events
from snnpd.datasets.readers.archives import extract_gzip, extract_tar, extract_zip
from snnpd.datasets.readers.spikes import read_spike_labels, read_spikes
from snnpd.errors import UsageError
from tests.datasets.readers import files

MOST_MB = 200
MOST_CPU_SECONDS = 20
SMALL = files.random_events(40)
LISTS = [np.arange(num) / 10 for num in (3, 0, 5)], [np.arange(num) for num in (3, 0, 5)]
PACKINGS = ["none"] + [
    name for name, package in (("lz4", "lz4"), ("zstd", "zstandard")) if find_spec(package)
]
NASTY = [b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\0\0\0\x10", b"\0\0\0\0", b"\x01\0\0\0"]
NASTY += [word[::-1] for word in NASTY] + [
    b"999999999",
    b"-1",
    b"nan",
    b"1e999",
    b"\n",
    b"%",
    b",",
    b"\0" * 8,
]


class Kind(NamedTuple):
    """Valid contents of files with this suffix; `wrap` packs them after they are damaged, past all check sums."""

    suffix: str
    seeds: Sequence[bytes]
    read: Callable[[Path], None]
    wrap: Callable[[bytes], bytes] = bytes


def check_recording(recording: Recording) -> None:
    events, sensor = recording
    assert events.dtype == EVENT_DTYPE
    assert len(events) > 0
    check_events(events, sensor or Sensor(1 << 15, 1 << 15), "what was read")


def _events(path: Path, **options: str) -> None:
    check_recording(read_events(path, **options))


def _spikes(path: Path) -> None:
    labels = read_spike_labels(path)
    for recording in read_spikes(path, range(len(labels))):
        check_events(recording.events, Sensor(1, 700, 1), "what was read")


def _extracted(path: Path, extract: Callable[[Path, Path], Path]) -> None:
    """Nothing stands beside the archive unless it was unpacked whole, and then only its folder."""
    before = set(path.parent.iterdir())
    target = path.parent / "unpacked" / "here"
    try:
        extract(path, target)
        assert target.exists()
    except UsageError:
        assert not target.parent.exists() or not list(target.parent.iterdir())
        raise
    finally:
        assert set(path.parent.iterdir()) - before <= {target.parent}
        shutil.rmtree(target.parent, ignore_errors=True)


def _in_zip(content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in "xytp":
            archive.writestr(
                f"{name}.npy", content if name == "t" else files.npy_bytes(SMALL[name].astype("i4"))
            )
    return stream.getvalue()


def _tar(mode: str) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name in ("a/1.bin", "b" * 120):
            info = tarfile.TarInfo(name)
            info.size = 5
            archive.addfile(info, io.BytesIO(b"\0" * 5))
    return stream.getvalue()


def kinds() -> dict[str, Kind]:
    """Every format in all its forms."""
    events, table = SMALL, files.table_of(SMALL)
    text = [
        files.text_bytes(events),
        files.text_bytes(events, "xypt", ",", "x,y,p,t"),
        b"128 128\n0.5 1 1 0\n",
    ]
    shd = [files.shd_bytes(*LISTS, [0, 1, 2])]
    shd += [files.shd_bytes(*LISTS, [0, 1, 2], chunks=(2,), **more) for more in ({}, {"compression": "gzip"})]
    h5 = [files.h5_bytes(events, place) for place in ("/", "events", "CD/events")]
    h5 += [files.h5_bytes(events, "events", chunks=(16,), compression="gzip", shuffle=True)]
    arrays = [events, table, np.asfortranarray(table), table / 3.0]
    zips = [files.npz_bytes(events), files.npz_bytes(events, zipfile.ZIP_STORED)]
    evt = [files.evt2_bytes(events), files.evt21_bytes(events), files.evt3_bytes(events)]
    made = {
        "aedat2": Kind(
            ".aedat", [files.aedat2_bytes(events), files.aedat2_bytes(events, "davis346")], _events
        ),
        "aedat3": Kind(".aedat", [files.aedat3_bytes(events, packet=15)], _events),
        "aedat4": Kind(".aedat4", [files.aedat4_bytes(events, name) for name in PACKINGS], _events),
        "dat": Kind(".dat", [files.dat_bytes(events), files.dat_bytes(events, version=1)], _events),
        "evt": Kind(".raw", evt, _events),
        "bin": Kind(".bin", [files.bin40_bytes(events)], _events),
        "npy": Kind(".npy", [files.npy_bytes(array) for array in arrays], _events),
        "npz": Kind(".npz", zips, _events),
        "npz-inside": Kind(".npz", [files.npy_bytes(SMALL["t"])], _events, _in_zip),
        "text": Kind(".csv", text, _events),
        "mat": Kind(".mat", [files.mat_bytes(events, False), files.mat_bytes(events)], _events),
        "h5": Kind(".h5", h5, _events),
        "spikes": Kind(".h5", shd, _spikes),
        "zip": Kind(".zip", zips, partial(_extracted, extract=extract_zip)),
        "tar": Kind(".tar", [_tar("w"), _tar("w:gz")], partial(_extracted, extract=extract_tar)),
        "tar-inside": Kind(".tgz", [_tar("w")], partial(_extracted, extract=extract_tar), gzip.compress),
        "gzip": Kind(".gz", [gzip.compress(b"a" * 99)], partial(_extracted, extract=extract_gzip)),
    }
    for name in PACKINGS:
        wrap = partial(files.aedat4_of_packet, compression=name)
        made[f"aedat4-{name}-inside"] = Kind(".aedat4", [files.aedat4_packet(events)], _events, wrap)
    return made


def damaged(seed: bytes, draw: random.Random) -> bytes:
    """The content with one to sixteen bytes or words changed, pieces moved, or cut; now and then random bytes."""
    if draw.random() < 0.02:
        return seed[: draw.choice([0, 0, 14, 40])] + draw.randbytes(draw.randrange(300))
    data = bytearray(seed)
    for _ in range(draw.choice([1, 1, 1, 2, 4, 16])):
        place = draw.randrange(min(len(data), draw.choice([64, 1 << 10, 1 << 20])))
        change = draw.random()
        if change < 0.4:
            data[place] ^= 1 << draw.randrange(8)
        elif change < 0.6:
            data[place] = draw.choice([0, 1, 127, 128, 255, draw.randrange(256)])
        elif change < 0.8:
            word = draw.choice(NASTY)
            data[place : place + len(word)] = word
        elif change < 0.9:
            begin = draw.randrange(len(data))
            data[place : place + draw.choice([0, 4, 20])] = data[begin : begin + draw.choice([0, 4, 20])]
        elif change < 0.95:
            data = data[: draw.randrange(1, len(data) + 1)]
        if len(data) < 2:
            break
    return bytes(data)


def feed(names: Sequence[str], seconds: float, seed: int, folder: Path) -> None:
    """Reads damaged files for so long and writes how often what came out to `tally.json`.

    The file at work stays in `folder` when the process ends: by an exception that is no UsageError, by a signal,
    after `MOST_CPU_SECONDS` with one file, or when one takes `MOST_MB`.
    """
    warnings.simplefilter("error")
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    made = {name: kind for name, kind in kinds().items() if name in names}
    for name, kind in made.items():
        for content in kind.seeds:
            _read_one(kind, kind.wrap(content), folder / f"valid-{name}{kind.suffix}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    resource.setrlimit(resource.RLIMIT_AS, (_address_space() + (4 << 30),) * 2)
    tally: dict[str, Counter[str]] = {name: Counter() for name in made}
    draw, spent = random.Random(seed), dict.fromkeys(made, 0.0)
    now = start = time.monotonic()
    while now < start + seconds:
        # Each kind for the same time, as some are slow.
        name = min(spent, key=lambda name: spent[name])
        kind = made[name]
        content = kind.wrap(damaged(draw.choice(kind.seeds), draw))
        outcome = _read_one(kind, content, folder / f"case-{name}{kind.suffix}")
        tally[name][outcome] += 1
        more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
        assert more < MOST_MB << 10, f"{name}: takes {more >> 10} MB"
        (folder / f"case-{name}{kind.suffix}").unlink()
        spent[name] -= now
        now = time.monotonic()
        spent[name] += now
    (folder / "tally.json").write_text(json.dumps(tally))


def _read_one(kind: Kind, content: bytes, path: Path) -> str:
    path.write_bytes(content)
    signal.setitimer(signal.ITIMER_PROF, MOST_CPU_SECONDS)
    message = _message(kind, path)
    signal.setitimer(signal.ITIMER_PROF, 0)
    if message is None:
        return "read"
    assert str(path.parent) in message
    assert message.isprintable(), f"more than a line: {message!r}"
    assert len(message) < 900
    return "refused"


def _message(kind: Kind, path: Path) -> str | None:
    try:
        kind.read(path)
    except UsageError as error:
        return str(error)
    return None


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


if __name__ == "__main__":
    place = Path(sys.argv[3])
    place.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    feed(sys.argv[4:] or list(kinds()), float(sys.argv[1]), int(sys.argv[2]), place)
    print((place / "tally.json").read_text())
