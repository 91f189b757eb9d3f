"""Files of events, byte by byte as their formats' specifications say; each function gives the bytes of one file."""

import io
import struct
import zipfile
from collections.abc import Sequence

import numpy as np

from snnpd.datasets.events import EVENT_DTYPE


def random_events(
    num: int = 1000,
    height: int = 128,
    width: int = 128,
    *,
    span_us: int = 10**6,
    start_us: int = 0,
    seed: int = 0,
) -> np.ndarray:
    rng = np.random.default_rng(seed)
    events = np.empty(num, EVENT_DTYPE)
    events["x"], events["y"] = rng.integers(0, width, num), rng.integers(0, height, num)
    events["t"] = np.sort(rng.integers(0, span_us, num)) + start_us
    events["p"] = rng.integers(0, 2, num)
    return events


def _column(events: np.ndarray, name: str) -> np.ndarray:
    return events[name].astype(np.int64)


AEDAT2_HEADER = b"#!AER-DAT2.0\r\n# This is a raw AE data file - do not edit\r\n# Timestamps tick is 1 us\r\n"


def aedat2_bytes(events: np.ndarray, chip: str = "dvs128", height: int = 128, width: int = 128) -> bytes:
    """The sensor counts columns from the right and rows from the bottom; a DVS128 writes 0 for ON."""
    x, y = width - 1 - _column(events, "x"), height - 1 - _column(events, "y")
    p = _column(events, "p")
    address = y << 8 | x << 1 | (1 - p) if chip == "dvs128" else y << 22 | x << 12 | p << 11
    records = np.empty(len(events), [("address", ">u4"), ("t", ">u4")])
    records["address"], records["t"] = address, events["t"]
    named = (
        b"" if chip == "dvs128" else b"# AEChip: eu.seebetter.ini.chips.davis.%s\r\n" % chip.upper().encode()
    )
    return AEDAT2_HEADER + named + records.tobytes()


def aedat3_header(source: str = "DVS128") -> bytes:
    lines = [
        "#!AER-DAT3.1",
        "#Format: RAW",
        f"#Source 1: {source}",
        "#Start-Time: 2016-10-11 10:00:00 (TZ+0100)",
    ]
    return "".join(line + "\r\n" for line in [*lines, "#!END-HEADER"]).encode()


def aedat3_packet(payload: bytes, num: int, *, kind: int = 1, size: int = 8, overflow: int = 0) -> bytes:
    return struct.pack("<hhiiiiii", kind, 1, size, 4, overflow, num, num, num) + payload


def aedat3_bytes(events: np.ndarray, source: str = "DVS128", packet: int = 300) -> bytes:
    """Packets of polarity events, with a special event (type 0) between them and an invalid event in each."""
    content = aedat3_header(source)
    overflows = events["t"] >> 31
    for begin in range(0, len(events), packet):
        for overflow in np.unique(overflows[begin : begin + packet]):
            part = events[begin : begin + packet][overflows[begin : begin + packet] == overflow]
            records = np.zeros(len(part) + 1, [("word", "<u4"), ("t", "<u4")])
            word = _column(part, "x") << 17 | _column(part, "y") << 2 | _column(part, "p") << 1 | 1
            records["word"][:-1], records["t"][:-1] = word, part["t"] & 0x7FFFFFFF
            content += aedat3_packet(struct.pack("<II", 1 << 1 | 1, 0), 1, kind=0)
            content += aedat3_packet(records.tobytes(), len(records), overflow=int(overflow))
    return content


def aedat4_packet(events: np.ndarray) -> bytes:
    """A flatbuffer: size, root offset, identifier, table of offsets, table, vector of structs of 16 bytes."""
    records = np.zeros(len(events), [("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("p", "u1"), ("pad", "V3")])
    for name in "txyp":
        records[name] = events[name]
    head = struct.pack("<I4sHHHHiI4xI", 16, b"EVTS", 6, 8, 4, 0, 8, 8, len(events))
    return struct.pack("<I", len(head) + records.nbytes) + head + records.tobytes()


def aedat4_header(compression: int, table: int, info: bytes) -> bytes:
    head = struct.pack(
        "<I4sHHHHHHiiqII", 20, b"IOHE", 10, 20, 4, 8, 16, 0, 12, compression, table, 4, len(info)
    )
    return b"#!AER-DAT4.0\r\n" + struct.pack("<I", len(head) + len(info) + 1) + head + info + b"\0"


def aedat4_info(streams: Sequence[tuple[int, str]], height: int, width: int) -> bytes:
    nodes = "".join(
        f'<node name="{number}" path="/mainloop/Recorder/outInfo/{number}/"><attr key="typeIdentifier" '
        f'type="string">{kind}</attr><node name="info" path="/"><attr key="sizeX" type="int">{width}</attr>'
        f'<attr key="sizeY" type="int">{height}</attr></node></node>'
        for number, kind in streams
    )
    return f'<dv version="2.0"><node name="outInfo" path="/mainloop/Recorder/outInfo/">{nodes}</node></dv>'.encode()


def aedat4_bytes(
    events: np.ndarray, compression: str = "none", *, height: int = 128, width: int = 128, packet: int = 400
) -> bytes:
    """Packets of stream 1 (events), one of stream 0 (frames) before them, a table of packets at the end."""
    number, pack = {"none": (0, bytes), "lz4": (1, _lz4), "zstd": (3, _zstd)}[compression]
    body = struct.pack("<ii", 0, 5) + b"frame"
    for begin in range(0, len(events), packet):
        data = pack(aedat4_packet(events[begin : begin + packet]))
        body += struct.pack("<ii", 1, len(data)) + data
    info = aedat4_info([(0, "FRME"), (1, "EVTS")], height, width)
    table = len(aedat4_header(number, 0, info)) + len(body)
    return aedat4_header(number, table, info) + body + b"table of packets"


def aedat4_of_packet(
    packet: bytes, compression: str = "none", *, height: int = 128, width: int = 128
) -> bytes:
    """A file of this one packet, without the table of packets at the end."""
    number, pack = {"none": (0, bytes), "lz4": (1, _lz4), "zstd": (3, _zstd)}[compression]
    packed = pack(packet)
    header = aedat4_header(number, -1, aedat4_info([(1, "EVTS")], height, width))
    return header + struct.pack("<ii", 1, len(packed)) + packed


def _lz4(data: bytes) -> bytes:
    import lz4.frame

    return lz4.frame.compress(data)


def _zstd(data: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor().compress(data)


def dat_bytes(events: np.ndarray, height: int = 240, width: int = 304, version: int = 2) -> bytes:
    header = f"% Data file containing CD events\n% Date 2020-09-14 14:18:29\n% Version {version}\n"
    header += f"% Height {height}\n% Width {width}\n"
    shift_y, shift_p = (9, 17) if version == 1 else (14, 28)
    records = np.empty(len(events), [("t", "<u4"), ("word", "<u4")])
    records["t"] = events["t"]
    records["word"] = _column(events, "p") << shift_p | _column(events, "y") << shift_y | _column(events, "x")
    return header.encode() + b"\x0c\x08" + records.tobytes()


def evt_header(encoding: str, height: int = 720, width: int = 1280, more: str = "") -> bytes:
    lines = ["date 2023-03-29 16:37:46", f"format {encoding};height={height};width={width}{more}", "end"]
    return "".join(f"% {line}\n" for line in lines).encode()


def _with_time_words(
    events: np.ndarray, low_bits: int, high_bits: int
) -> list[tuple[int, int, int, int, int]]:
    """(high, low, x, y, p) of each event, where high comes -1 if it is that of the event before."""
    rows, last = [], -1
    for event in events:
        high = int(event["t"]) >> low_bits
        changed = -1 if high == last else high & ((1 << high_bits) - 1)
        rows.append((changed, int(event["t"]) & ((1 << low_bits) - 1), *(int(event[name]) for name in "xyp")))
        last = high
    return rows


def evt2_bytes(events: np.ndarray, height: int = 720, width: int = 1280) -> bytes:
    """With a trigger and a vendor's word, which are no events."""
    words = [0xA << 28, 0xE << 28 | 5]
    for high, low, x, y, p in _with_time_words(events, 6, 28):
        words += [] if high < 0 else [8 << 28 | high]
        words.append(p << 28 | low << 22 | x << 11 | y)
    return evt_header("EVT2", height, width) + np.array(words, "<u4").tobytes()


def evt21_bytes(events: np.ndarray, height: int = 720, width: int = 1280, legacy: bool = False) -> bytes:
    """One event a word, under the bit of its place among 32 neighbours."""
    words = []
    for high, low, x, y, p in _with_time_words(events, 6, 28):
        words += [] if high < 0 else [8 << 60 | high << 32]
        words.append(p << 60 | low << 54 | (x & ~31) << 43 | y << 32 | 1 << (x & 31))
    if legacy:
        words = [(word & 0xFFFFFFFF) << 32 | word >> 32 for word in words]
    more = ";endianness=legacy" if legacy else ""
    return evt_header("EVT21", height, width, more) + np.array(words, "<u8").tobytes()


def evt3_words(events: np.ndarray, others: Sequence[int] = (0xA000, 0xE001)) -> list[int]:
    """Says only what changes; every third event stands in a vector, alone in 12 or 8 places.

    Before them stand the `others`, a trigger and a vendor's word, which are no events.
    """
    words, last_low, last_row = list(others), -1, -1
    for number, (high, low, x, y, p) in enumerate(_with_time_words(events, 12, 12)):
        words += [] if high < 0 else [0x8000 | high]
        words += [0x6000 | low] if high >= 0 or low != last_low else []
        words += [y] if y != last_row else []
        if number % 3:
            words.append(0x2000 | p << 11 | x)
        else:
            place = min(x, 5)
            words += [0x3000 | p << 11 | (x - place), (0x4000 if number % 2 else 0x5000) | 1 << place]
        last_low, last_row = low, y
    return words


def evt3_bytes(
    events: np.ndarray, height: int = 720, width: int = 1280, others: Sequence[int] = (0xA000, 0xE001)
) -> bytes:
    return evt_header("EVT3", height, width) + np.array(evt3_words(events, others), "<u2").tobytes()


def bin40_bytes(events: np.ndarray) -> bytes:
    """Times beyond 2^13 between neighbours come as events in row 240, each of which adds 2^13 to all that follow."""
    content, added = bytearray(), 0
    for event in events:
        t = int(event["t"]) - added
        while t >= 1 << 23:
            content += bytes([0, 240, 0, 0, 0])
            t, added = t - (1 << 13), added + (1 << 13)
        content += bytes(
            [int(event["x"]), int(event["y"]), int(event["p"]) << 7 | t >> 16, t >> 8 & 255, t & 255]
        )
    return bytes(content)


def npy_bytes(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def table_of(events: np.ndarray, order: str = "txyp") -> np.ndarray:
    return np.stack([_column(events, name) for name in order], axis=1)


def npz_bytes(events: np.ndarray, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name in "txyp":
            archive.writestr(f"{name}.npy", npy_bytes(np.ascontiguousarray(events[name])))
    return stream.getvalue()


def text_bytes(events: np.ndarray, order: str = "txyp", between: str = " ", header: str = "") -> bytes:
    lines = [between.join(str(value) for value in row) for row in table_of(events, order).tolist()]
    return "".join(line + "\n" for line in [*([header] if header else []), *lines]).encode()


def mat_bytes(events: np.ndarray, packed: bool = True) -> bytes:
    from scipy.io import savemat

    stream = io.BytesIO()
    columns = {"ts": "t", "x": "x", "y": "y", "pol": "p"}
    types = {"ts": "u4", "x": "u1", "y": "u1", "pol": "u1"}
    arrays = {name: events[column].astype(types[name])[:, None] for name, column in columns.items()}
    savemat(stream, arrays, do_compression=packed)
    return stream.getvalue()


def h5_bytes(events: np.ndarray, place: str = "events", **options: object) -> bytes:
    """One dataset a column in the group `place`; under CD/events one dataset with named fields, as Metavision has."""
    import h5py

    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        if place == "CD/events":
            file.attrs["geometry"] = "1280x720"
            record = np.empty(len(events), [("x", "<u2"), ("y", "<u2"), ("p", "<i2"), ("t", "<i8")])
            for name in "xytp":
                record[name] = events[name]
            file.create_dataset(place, data=record)
        else:
            for name in "xytp":
                file.create_dataset(f"{place}/{name}", data=events[name], **options)
    return stream.getvalue()


def shd_bytes(
    times: Sequence[np.ndarray], units: Sequence[np.ndarray], labels: Sequence[int], **options: object
) -> bytes:
    """Lists of float16 seconds and of units of any length, one a recording, and a label each."""
    import h5py

    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        for name, lists, kind in (("times", times, "f2"), ("units", units, "u2")):
            dataset = file.create_dataset(
                f"spikes/{name}", (len(lists),), h5py.vlen_dtype(np.dtype(kind)), **options
            )
            for number, values in enumerate(lists):
                dataset[number] = values.astype(kind)
        file["labels"] = np.asarray(labels, "u2")
        file["extra/keys"] = np.array([b"zero", b"one"])
    return stream.getvalue()
