"""The files of SHD and SSC: many recordings of a cochlea's spikes in one HDF5 file, read one at a time."""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnpd.datasets.events import Recording, Sensor
from snnpd.datasets.readers.columns import Columns, recording_of
from snnpd.datasets.readers.h5 import check_size, child, open_h5, read_apart, read_array
from snnpd.datasets.readers.own_process import Found
from snnpd.errors import UsageError

NUM_UNITS = 700
# Recordings that are read at once: opening a file takes longer than reading one of them.
BLOCK = 64
# One entry of a dataset of variable length: length, address of a heap and number therein.
_ENTRY = np.dtype([("length", "<u4"), ("heap", "<u8"), ("number", "<u4")])
_DEFLATE, _SHUFFLE = 1, 2


def read_spike_labels(path: Path) -> NDArray[np.int64]:
    """The class of each recording of the file.

    Raises:
        UsageError: missing or damaged, no labels, or not as many as recordings.
    """
    _, (labels,) = read_apart(lambda: (None, [_labels(path)]), path)
    return labels.astype(np.int64)


def read_class_names(path: Path) -> tuple[str, ...]:
    """The names of the classes in the order of their labels, as the file says.

    Raises:
        UsageError: missing or damaged, or no names.
    """
    names, _ = read_apart(lambda: (_class_names(path), []), path)
    return tuple(names)


def read_speakers(path: Path) -> list[int]:
    """Who speaks in each recording, by number.

    Raises:
        UsageError: missing or damaged, or no speakers.
    """
    _, (speakers,) = read_apart(lambda: (None, [_speakers(path)]), path)
    return speakers.tolist()


def read_spikes(path: Path, indices: Iterable[int], num_units: int = NUM_UNITS) -> Iterator[Recording]:
    """The recordings of these numbers, in this order; x is the unit, y and p are 0.

    A recording without a spike is empty. Spikes are put in the order of time: the format does not promise it.

    Raises:
        UsageError: missing or damaged, a number out of range, or spikes that cannot be.
    """
    sensor = Sensor(height=1, width=num_units, num_polarities=1)
    wanted = list(indices)
    for start in range(0, len(wanted), BLOCK):
        block = wanted[start : start + BLOCK]
        _, arrays = read_apart(partial(_lists, path, block), path)
        for index, t, x in zip(block, arrays[::2], arrays[1::2], strict=True):
            zeros = np.zeros(len(x), np.uint8)
            columns = Columns(x, zeros, t, zeros, sensor, "s")
            yield recording_of(columns, f"{path}, recording {index}", sort=True, empty=True)


def _labels(path: Path) -> NDArray:
    with open_h5(path) as file:
        labels = child(file, "labels", str(path))
        times, _ = _spikes(file, path)
        if labels is None or labels.dtype.kind not in "iu" or labels.ndim != 1:
            raise UsageError(f"{path}: no list of whole numbers called labels; the file is another one")
        if len(labels) != len(times):
            raise UsageError(
                f"{path}: found {len(labels)} labels for {len(times)} recordings; the file is damaged, fetch it again"
            )
        return read_array(labels, str(path))


def _class_names(path: Path) -> list[str]:
    with open_h5(path) as file:
        keys = child(file, "extra/keys", str(path))
        if keys is None or keys.dtype.kind not in "SO" or keys.ndim != 1 or len(keys) == 0:
            raise UsageError(f"{path}: found no list of class names at extra/keys; fetch it again")
        check_size(keys, str(path))
        return [key.decode() if isinstance(key, bytes) else str(key) for key in keys[:]]


def _speakers(path: Path) -> NDArray:
    with open_h5(path) as file:
        speakers, labels = child(file, "extra/speaker", str(path)), child(file, "labels", str(path))
        shape = getattr(speakers, "shape", None)
        if shape is None or speakers.dtype.kind not in "iu" or shape != getattr(labels, "shape", None):
            raise UsageError(f"{path}: found no speaker for each label at extra/speaker; fetch it again")
        return read_array(speakers, str(path))


def _lists(path: Path, indices: Sequence[int]) -> Found:
    """Times and units of one recording after the other."""
    lists = []
    with open_h5(path) as file:
        times, units = _spikes(file, path)
        for index in indices:
            if not 0 <= index < len(times):
                raise UsageError(f"{path}: recording {index}, the file has {len(times)}; count from 0")
            lists += [_entry(times, index, path), _entry(units, index, path)]
    return None, lists


def _spikes(file: Any, path: Path) -> tuple[Any, Any]:
    found = []
    for name in ("spikes/times", "spikes/units"):
        dataset = child(file, name, str(path))
        base = None if dataset is None or not hasattr(dataset, "dtype") else _base(dataset)
        if base is None or base.kind not in "iuf" or dataset.ndim != 1:
            raise UsageError(f"{path}: no lists of numbers at {name}; the file is another one")
        check_size(dataset, str(path))
        found.append(dataset)
    if len(found[0]) != len(found[1]):
        raise UsageError(
            f"{path}: {len(found[0])} lists of times, {len(found[1])} of units; fetch the file again"
        )
    return found[0], found[1]


def _base(dataset: Any) -> np.dtype | None:
    import h5py

    base = h5py.check_vlen_dtype(dataset.dtype)
    return base if isinstance(base, np.dtype) else None


def _entry(dataset: Any, index: int, path: Path) -> NDArray:
    """One entry, once it is known that it can be in the file: the library itself believes any length."""
    length = _announced_length(dataset, index, path)
    if length * _base(dataset).itemsize > path.stat().st_size:  # type: ignore[union-attr]
        raise UsageError(
            f"{path}: recording {index} announces {length} numbers in {dataset.name}, more than the file has; "
            f"truncated or damaged, fetch it again"
        )
    return np.atleast_1d(dataset[index])


def _announced_length(dataset: Any, index: int, path: Path) -> int:
    if dataset.chunks is None:
        offset = dataset.id.get_offset()
        entries = _entries(path, offset, len(dataset) * _ENTRY.itemsize, [])
    else:
        number, index = divmod(index, dataset.chunks[0])
        info = dataset.id.get_chunk_info_by_coord((number * dataset.chunks[0],))
        plist = dataset.id.get_create_plist()
        filters = [plist.get_filter(n)[0] for n in range(plist.get_nfilters())]
        used = [name for n, name in enumerate(filters) if not info.filter_mask >> n & 1]
        entries = _entries(path, info.byte_offset, info.size, used)
    if index >= len(entries):
        raise UsageError(
            f"{path}: the lists end before recording {index}; truncated or damaged, fetch it again"
        )
    return int(entries[index]["length"])


def _entries(path: Path, offset: int | None, size: int, filters: list[int]) -> NDArray:
    """The entries that stand at an offset of the file, unpacked."""
    if offset is None:
        raise ValueError("no place in the file")
    with path.open("rb") as stream:
        stream.seek(offset)
        data = stream.read(min(size, path.stat().st_size))
    for name in reversed(filters):
        if name == _DEFLATE:
            data = zlib.decompressobj().decompress(data, len(data) * 1032)
        elif name == _SHUFFLE:
            data = np.frombuffer(data, np.uint8).reshape(_ENTRY.itemsize, -1).T.tobytes()
        else:
            raise ValueError(f"lists packed by filter {name}; h5repack -f NONE unpacks them")
    return np.frombuffer(data, _ENTRY, len(data) // _ENTRY.itemsize)
