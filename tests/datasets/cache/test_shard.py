"""The file format of the cache: what comes back, and what damage or malice in a file can do."""

import json
import os
import struct
import tracemalloc
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snnpd.datasets.cache.shard import DamagedShard, Shard, as_stored, write_shard
from snnpd.datasets.events import EVENT_DTYPE
from snnpd.errors import UsageError

KEY = "0123abcd"
EVENTS = np.array([(1, 2, 3_000_000_000, 1), (4, 5, 2**40, 0)], EVENT_DTYPE)


def written(folder: Path, samples: list[dict[str, Any]]) -> bytes:
    path = folder / "written"
    with path.open("w+b") as file:
        assert write_shard(file.fileno(), KEY, samples) == path.stat().st_size
    return path.read_bytes()


def opened(folder: Path, content: bytes) -> Shard:
    path = folder / "opened"
    path.write_bytes(content)
    with path.open("rb") as file:
        return Shard(file.fileno(), KEY)


def read_all(folder: Path, content: bytes) -> list[dict[str, np.ndarray]]:
    shard = opened(folder, content)
    return [shard.read(row) for row in range(len(shard))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shards")


@pytest.fixture(scope="module")
def samples() -> list[dict[str, np.ndarray]]:
    return [{"a": np.arange(3 * n, dtype=np.int16).reshape(n, 3), "b": np.float64(n)} for n in range(5)]


@pytest.mark.parametrize(
    "array",
    [
        *(np.arange(70).reshape(2, 5, 7).astype(code) for code in "?bBhHiIqQefd"),
        np.arange(6, dtype=">i4").reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(20)[::-2],
        np.array(7.5),
        np.zeros((0, 3), np.float32),
        EVENTS,
        EVENTS[:0],
    ],
    ids=lambda array: f"{array.dtype.str}{list(array.shape)}",
)
def test_an_array_comes_back_as_it_was_given(folder: Path, array: np.ndarray) -> None:
    once, twice = read_all(folder, written(folder, [{"x": array}, {"x": array}]))
    for found in (once["x"], twice["x"]):
        assert np.array_equal(found, array)
        assert found.shape == array.shape
        assert found.dtype == array.dtype.newbyteorder("<")
        assert found.ctypes.data % 64 == 0
        assert not found.flags.writeable


@pytest.mark.parametrize(
    "array",
    [
        np.array([None]),
        np.array(["text"]),
        np.zeros(2, np.complex64),
        np.zeros(2, np.longdouble),
        np.zeros(2, [("a", "i4"), ("b", "f4", (2,))]),
        np.zeros(2, np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    ],
    ids=lambda array: str(array.dtype),
)
def test_other_dtypes_are_refused(array: np.ndarray) -> None:
    with pytest.raises(UsageError, match="array 'x' has dtype"):
        as_stored({"x": array})


@pytest.mark.parametrize("second", [{"b": np.zeros(2)}, {"a": np.zeros(2, np.float32)}, {}])
def test_all_samples_have_the_same_arrays(folder: Path, second: dict[str, np.ndarray]) -> None:
    with pytest.raises(UsageError, match="sample 1 of a shard"):
        written(folder, [{"a": np.zeros(2)}, second])


@settings(max_examples=40)
@given(data=st.data())
def test_a_flipped_bit_is_noticed_or_harmless(
    folder: Path, samples: list[dict[str, np.ndarray]], data: st.DataObject
) -> None:
    content = bytearray(written(folder, samples))
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        found = read_all(folder, bytes(content))
    except DamagedShard:
        return
    for one, other in zip(found, samples, strict=True):
        assert all(np.array_equal(one[name], other[name]) for name in other)


def test_every_flipped_byte_that_is_read_is_noticed(folder: Path) -> None:
    content = written(folder, [{"a": np.arange(64, dtype=np.uint8)}])
    # Behind the 28 bytes of the header nothing is read up to byte 64.
    for position in [*range(28), *range(64, len(content), 3)]:
        damaged = bytearray(content)
        damaged[position] ^= 0x10
        with pytest.raises(DamagedShard):
            read_all(folder, bytes(damaged))


def test_every_other_length_is_noticed(folder: Path, samples: list[dict[str, np.ndarray]]) -> None:
    content = written(folder, samples)
    for length in [*range(70), *range(70, len(content), 23), len(content) - 1]:
        with pytest.raises(DamagedShard):
            opened(folder, content[:length])
    with pytest.raises(DamagedShard, match="length"):
        opened(folder, content + b"\0")


def hostile(manifest: bytes, start: int | None = None, length: int | None = None) -> bytes:
    """A file of 1 KB whose check sums are right and whose manifest says what it likes."""
    data = bytes(1024 - 64 - len(manifest))
    header = struct.pack(
        "<8sQQI",
        b"SNNPDC01",
        64 + len(data) if start is None else start,
        len(manifest) if length is None else length,
        zlib.crc32(manifest),
    )
    return header.ljust(64, b"\0") + data + manifest


def manifest(dtype: Any = "<u4", start: Any = 64, crc: Any = 0, shape: Any = (4,)) -> bytes:
    return json.dumps({"key": KEY, "arrays": {"x": dtype}, "samples": [[start, crc, shape]]}).encode()


def test_the_hostile_file_is_good_without_malice(folder: Path) -> None:
    content = hostile(manifest(crc=zlib.crc32(bytes(64))))
    assert np.array_equal(read_all(folder, content)[0]["x"], np.zeros(4, np.uint32))


@pytest.mark.parametrize(
    "content",
    [
        hostile(manifest(), length=4 << 30),
        hostile(manifest(), start=4 << 30),
        hostile(manifest(), start=2**64 - 1, length=2**64 - 1),
        hostile(manifest(), start=0, length=1024),
        hostile(manifest(shape=[1 << 30])),
        hostile(manifest(shape=[1 << 62, 1 << 62])),
        hostile(manifest(shape=[0, 1 << 62, 1 << 62])),
        hostile(manifest(shape=[-4])),
        hostile(manifest(shape=[1.0])),
        hostile(manifest(shape="44")),
        hostile(manifest(shape=[1] * 70)),
        hostile(manifest(shape=4)),
        hostile(manifest(start=4 << 30)),
        hostile(manifest(start=-64)),
        hostile(manifest(start=0)),
        hostile(manifest(start="64")),
        hostile(manifest(start=None)),
        hostile(manifest(crc="0")),
        hostile(manifest(dtype="|O8")),
        hostile(manifest(dtype="|V4294967296")),
        hostile(manifest(dtype="<U9999999")),
        hostile(manifest(dtype="<i3")),
        hostile(manifest(dtype="<u4, <u4")),
        hostile(manifest(dtype=[])),
        hostile(manifest(dtype=[["a", "<u4"], ["a", "<u4"]])),
        hostile(manifest(dtype=[["a", [["b", "<u4"]]]])),
        hostile(manifest(dtype=7)),
        hostile(manifest().replace(KEY.encode(), b"ffffffff")),
        hostile(b"[" * 900),
        hostile(b'{"a": ' * 150),
        hostile(b"9" * 900),
        hostile(b"\xff" * 10),
        hostile(b"null"),
        hostile(b"{}"),
        hostile(json.dumps({"key": KEY, "arrays": [], "samples": []}).encode()),
        hostile(json.dumps({"key": KEY, "arrays": {}, "samples": {}}).encode()),
        hostile(json.dumps({"key": KEY, "arrays": {"x": "<u4"}, "samples": [7, [], [64, 0]]}).encode()),
    ],
)
def test_a_claim_costs_no_memory_and_is_refused(folder: Path, content: bytes) -> None:
    assert len(content) == 1024
    tracemalloc.start()
    try:
        with pytest.raises(DamagedShard):
            read_all(folder, content)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=40)
@given(arrays=st.dictionaries(st.text(max_size=3), JSON | st.just("<u4")), samples=st.lists(JSON) | JSON)
def test_any_manifest_is_read_or_refused(folder: Path, arrays: Any, samples: Any) -> None:
    text = json.dumps({"key": KEY, "arrays": arrays, "samples": samples}).encode()
    with suppress(DamagedShard):
        read_all(folder, hostile(text[:900]))


@given(
    start=st.integers(-100, 1100) | st.integers(-(2**70), 2**70),
    shape=st.lists(st.integers(-2, 300) | st.integers(-(2**70), 2**70), max_size=4),
    dtype=st.sampled_from(["<u4", "|b1", "<f8", [["a", "|u1"], ["b", "<i8"]]]),
)
def test_any_place_is_inside_the_file_or_refused(
    folder: Path, start: int, shape: list[int], dtype: Any
) -> None:
    shard = opened(folder, hostile(manifest(dtype=dtype, start=start, shape=shape)))
    # As if the check sum of the claim fitted: what is left is the check of the place.
    shard._checked[0] = 1
    try:
        array = shard.read(0)["x"]
    except DamagedShard:
        return
    assert array.nbytes == 0 or 64 <= start <= 1024 - array.nbytes
    array.tobytes()


@settings(max_examples=40)
@given(content=st.binary(max_size=300))
def test_any_bytes_are_refused(folder: Path, content: bytes) -> None:
    for prefix in (b"", b"SNNPDC01"):
        with pytest.raises(DamagedShard):
            read_all(folder, prefix + content)


def test_a_shard_outlives_its_name_and_its_descriptor(
    folder: Path, samples: list[dict[str, np.ndarray]]
) -> None:
    shard = opened(folder, written(folder, samples))
    os.unlink(folder / "opened")
    assert np.array_equal(shard.read(3)["a"], samples[3]["a"])
