"""Events in HDF5 files: one array a column, or one with named fields, at the top or under `events` or `CD/events`."""

import math
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from numpy.typing import NDArray

from snnpd.datasets.events import Sensor
from snnpd.datasets.readers.columns import Columns
from snnpd.datasets.readers.file_bytes import in_line, read_start, sensor_of
from snnpd.datasets.readers.names import columns_of_record, columns_of_table, order_of_names
from snnpd.datasets.readers.own_process import Found, in_own_process
from snnpd.errors import UsageError

_MAGIC = b"\x89HDF\r\n\x1a\n"
_PLACES = ("CD/events", "events", "/")
# What deflate can reach; without filters, data take at least their own size in the file.
_MOST_RATIO = 1032
_SMALL = 1 << 20
# What the library raises for damaged files and for filters that are not installed.
_ERRORS = (
    OSError, RuntimeError, KeyError, IndexError, ValueError, TypeError, AttributeError, OverflowError, zlib.error,
)  # fmt: skip


def read_h5(path: Path, columns: str | None = None, unit: str | None = None) -> Columns:
    """The events of a file with x, y, t and p (by these or the usual other names), or of an array `[E, 4]`.

    Units:
        `unit` or what the name of the time says; else integers are microseconds, floats with fractions seconds.

    Raises:
        UsageError: missing, damaged, no such arrays, arrays of the wrong type, links to other files, or h5py or
            the filter that packed the data is not installed.
    """
    (unit, size), (x, y, t, p) = read_apart(lambda: _found(path, columns, unit), path)
    return Columns(x, y, t, p, None if size is None else Sensor(*size), unit)


def _found(path: Path, columns: str | None, unit: str | None) -> Found:
    x, y, t, p, sensor, unit = _columns(path, columns, unit)
    return (unit, None if sensor is None else (sensor.height, sensor.width)), (x, y, t, p)


def _columns(path: Path, columns: str | None, unit: str | None) -> Columns:
    with open_h5(path) as file:
        if "spikes" in file:
            raise UsageError(
                f"{path}: holds many recordings of spikes; read them one by one with "
                f"snnpd.datasets.readers.spikes.read_spikes"
            )
        place, found = _find(file, str(path))
        where = f"{path}, {place}"
        sensor = _sensor(file, str(path))
        if isinstance(found, dict):
            order, named_unit = order_of_names(list(found), where)
            names = list(found)
            arrays = [read_array(found[names[order.index(letter)]], where) for letter in "xytp"]
            x, y, t, p = (array.reshape(-1) for array in arrays)
            return Columns(x, y, t, p, sensor, unit or named_unit)
        array = read_array(found, where)
    if array.dtype.names:
        return columns_of_record(array, unit, where, sensor)
    return columns_of_table(array, columns, unit, where)._replace(sensor=sensor)


def read_apart(read: Callable[[], Found], path: Path) -> Found:
    """What `read` gives, called where the library does no harm."""
    # Imported before the fork, it need not be imported after each.
    _h5py(path)
    return in_own_process(read, path)


@contextmanager
def open_h5(path: Path) -> Iterator[Any]:
    """The open file; whatever the library raises meanwhile becomes a UsageError."""
    h5py = _h5py(path)
    start = read_start(path, 520)
    if start[:8] != _MAGIC and start[512:] != _MAGIC:
        raise UsageError(f"{path}: no HDF5 file: found {start[:8]!r} at its start; fetch it again")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except UsageError:
        raise
    except _ERRORS as error:
        reason = in_line(error, 160)
        raise UsageError(
            f"{path}: damaged HDF5 file, or packed by a filter that is not installed ({reason}); fetch it again, "
            f"or pip install hdf5plugin"
        ) from error


def child(group: Any, name: str, where: str) -> Any:
    """The member of a group, None if there is none; never one of another file."""
    h5py = _h5py(Path(where))
    if name == "/":
        return group
    for part in name.split("/"):
        link = group.get(part, getlink=True) if isinstance(group, h5py.Group) else None
        if link is None:
            return None
        if not isinstance(link, h5py.HardLink):
            raise UsageError(
                f"{where}: {in_line(part)} is a link to elsewhere; copy the data into the file (h5repack)"
            )
        group = group[part]
    return group


def read_array(dataset: Any, where: str) -> NDArray:
    """All numbers of a dataset, once it is known that so many can be in the file.

    Raises:
        UsageError: no array of numbers, stored in another file, or announced larger than it can be.
    """
    dtype = dataset.dtype
    fields = [dtype[name] for name in dtype.names] if dtype.names else [dtype]
    if dataset.shape is None or any(field.kind not in "biuf" for field in fields):
        raise UsageError(
            f"{where}: {dataset.name} holds {in_line(dtype)}, expected numbers; the file is another one"
        )
    check_size(dataset, where)
    return dataset[()]


def check_size(dataset: Any, where: str) -> None:
    """Raises UsageError if a dataset is stored elsewhere or announces more than can be in the file."""
    if dataset.external or dataset.is_virtual:
        raise UsageError(
            f"{where}: {dataset.name} is stored in another file; copy the data into this one (h5repack)"
        )
    here = dataset.file.id.get_filesize()
    filtered = dataset.id.get_create_plist().get_nfilters() > 0
    limit = max(here * (_MOST_RATIO if filtered else 1), _SMALL)
    chunk = math.prod(dataset.chunks) * dataset.dtype.itemsize if dataset.chunks else 0
    claimed = max(dataset.size * dataset.dtype.itemsize, chunk)
    if claimed > limit:
        raise UsageError(
            f"{where}: {dataset.name} announces {claimed} bytes, the file has {here}; truncated or damaged, "
            f"fetch it again"
        )


def _find(file: Any, where: str) -> tuple[str, Any]:
    """Where the events are, and a dataset or the datasets of a group by name."""
    h5py = _h5py(Path(where))
    for place in _PLACES:
        found = child(file, place, where)
        if isinstance(found, h5py.Dataset):
            return place, found
        if isinstance(found, h5py.Group):
            names = [name for name in found if found.get(name, getclass=True) is h5py.Dataset]
            datasets = {name: child(found, name, where) for name in names}
            if len(datasets) >= 4:
                return place, datasets
    raise UsageError(
        f"{where}: found no x, y, t and p at its top or under events or CD/events (it has "
        f"{in_line(', '.join(list(file)[:8])) or 'nothing'}); rename them"
    )


def _sensor(file: Any, where: str) -> Sensor | None:
    """The sensor as Metavision notes it: an attribute `geometry`, width × height."""
    geometry = file.attrs.get("geometry")
    text = geometry.decode("latin-1") if isinstance(geometry, bytes) else str(geometry)
    match = re.fullmatch(r"(\d{1,6})x(\d{1,6})", text)
    return sensor_of(int(match[2]), int(match[1]), where) if match else None


def _h5py(path: Path) -> ModuleType:
    try:
        import h5py
    except ImportError as error:
        raise UsageError(f"{path}: reading HDF5 needs h5py ({error}); pip install 'snnpd[events]'") from error
    with suppress(ImportError):
        # Brings more filters (Blosc, as DSEC has it); that it is imported is all it needs.
        import hdf5plugin  # noqa: F401
    return h5py
