"""AEDAT 4, what DV writes: packets of flatbuffers, each compressed by itself."""

import struct
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from snnpd.datasets.events import Sensor
from snnpd.datasets.readers.columns import Columns
from snnpd.datasets.readers.file_bytes import in_line, read_bytes, sensor_of
from snnpd.datasets.readers.flatbuffer import DamagedError, root_table
from snnpd.datasets.readers.unpack import unpack
from snnpd.errors import UsageError

_MAGIC = b"#!AER-DAT4.0\r\n"
_COMPRESSIONS = {0: "none", 1: "lz4", 2: "lz4", 3: "zstd", 4: "zstd"}
_EVENT = np.dtype({"names": ["t", "x", "y", "p"], "formats": ["<i8", "<i2", "<i2", "u1"], "itemsize": 16})


def read_aedat4(path: Path) -> Columns:
    """The events of the first stream of events; frames, inertia and triggers are passed over.

    Source: iniVation, AEDAT 4 file format (IOHeader, packets of stream and size, EventPacket).

    Raises:
        UsageError: missing, empty, truncated, damaged, no stream of events, or lz4 or zstandard is not installed.
    """
    data, where = read_bytes(path), str(path)
    if not data.startswith(_MAGIC):
        raise UsageError(
            f"{where}: no AEDAT 4.0: found {data[:14]!r}, expected a first line #!AER-DAT4.0 (or 2.0 or 3.1)"
        )
    try:
        return _read(data, where)
    except DamagedError as error:
        raise UsageError(f"{where}: {error}; truncated or damaged, fetch the file again") from error


def _read(data: bytes, where: str) -> Columns:
    header, start = root_table(data, len(_MAGIC), b"IOHE")
    compression = header.number(0, "<i", 0)
    end = header.number(1, "<q", -1)
    if compression not in _COMPRESSIONS:
        raise DamagedError(f"unknown compression {compression}")
    if end > len(data):
        raise DamagedError(f"announces its table at byte {end}, but ends at {len(data)}")
    stream, sensor = _event_stream(header.string(2), where)
    view = memoryview(data)[: end if end > start else len(data)]
    parts, offset = [], start
    while offset < len(view):
        if len(view) - offset < 8:
            raise DamagedError("ends within a packet's header")
        number, size = struct.unpack_from("<ii", view, offset)
        offset += 8
        if not 0 <= size <= len(view) - offset:
            raise DamagedError(
                f"a packet at byte {offset - 8} announces {size} bytes, {len(view) - offset} are there"
            )
        if number == stream:
            parts.append(_events(unpack(view[offset : offset + size], _COMPRESSIONS[compression], where)))
        offset += size
    events = np.frombuffer(b"".join(parts), _EVENT)
    return Columns(events["x"], events["y"], events["t"], events["p"], sensor)


def _events(packet: bytes | memoryview) -> memoryview:
    table, _ = root_table(packet, 0, b"EVTS")
    return table.structs(0, _EVENT.itemsize)


def _event_stream(info: str, where: str) -> tuple[int, Sensor | None]:
    """The number of the first stream of events and its sensor, from the XML tree in the header."""
    # A document type is where entities that grow without bound are declared.
    if "<!" in info:
        raise DamagedError("the description of the streams declares entities")
    try:
        tree = ElementTree.fromstring(info)
    except (ElementTree.ParseError, ValueError) as error:
        raise DamagedError(f"the description of the streams is no XML ({in_line(error)})") from error
    streams = {}
    for node in tree.iterfind("node[@name='outInfo']/node"):
        name = node.get("name", "")
        if name.isdecimal() and len(name) < 10 and _attribute(node, "typeIdentifier") == "EVTS":
            streams[int(name)] = node
    if not streams:
        raise UsageError(f"{where}: no stream of events in it; record events, or leave the file out")
    first = min(streams)
    width, height = (_attribute(streams[first], f"node[@name='info']/{size}") for size in ("sizeX", "sizeY"))
    if not (width.isdecimal() and height.isdecimal() and len(width + height) < 20):
        return first, None
    return first, sensor_of(int(height), int(width), where)


def _attribute(node: ElementTree.Element, path: str) -> str:
    parent, _, key = path.rpartition("/")
    found = node.find(f"{parent + '/' if parent else ''}attr[@key='{key}']")
    return "" if found is None or found.text is None else found.text.strip()
