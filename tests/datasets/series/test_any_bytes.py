"""Series files of any bytes: read, or refused in one line."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snnpd.datasets.lra.files import read_expressions
from snnpd.datasets.lra.pathfinder_files import read_pathfinder
from snnpd.datasets.series.long_tables import read_table
from snnpd.datasets.series.ts_files import read_ts
from snnpd.errors import UsageError
from tests.datasets.files import write_ts, write_ts_text
from tests.datasets.series.timed_tables import HEADER, timed_rows


def ts_file(path: Path) -> Path:
    return write_ts(path, [(np.arange(6.0).reshape(2, 3), "low"), (np.ones((2, 2)), "high")])


def stamped_file(path: Path) -> Path:
    return write_ts_text(path, ["(0,1),(2,?):(0,5),(2,6):low", "(2024-01-01,1):(5,2):high"], timed=True)


def csv_file(path: Path) -> Path:
    path.write_text("\n".join([HEADER, *timed_rows(2)]))
    return path


def npz_file(path: Path) -> Path:
    labels = np.array(["low", "high"])
    np.savez(path, sample=[0, 1], label=labels, time=[0.0, 1.0], values=np.eye(2))
    return path


def tsv_file(path: Path) -> Path:
    path.write_text("Source\tTarget\n( ( [MAX 1 ) 2 ) ]\t2\n")
    return path


def metadata_file(path: Path) -> Path:
    path.parent.mkdir()
    path.write_text("imgs/0 sample_0.png 0 1\n")
    return path


READERS: dict[str, tuple[str, Callable, Callable]] = {
    "ts": ("a.ts", ts_file, read_ts),
    "ts with stamps": ("a.ts", stamped_file, read_ts),
    "csv": ("a.csv", csv_file, read_table),
    "npz": ("a.npz", npz_file, read_table),
    "tsv": ("a.tsv", tsv_file, read_expressions),
    "metadata": ("metadata/0.npy", metadata_file, lambda path: read_pathfinder(path.parent.parent)),
}


def refusal(read: Callable, path: Path) -> str | None:
    try:
        read(path)
    except UsageError as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    place=st.floats(0, 1),
    gone=st.integers(0, 40),
    put=st.one_of(st.binary(max_size=20), st.text('(),:?@.-e0123456789nai \t\n\r\0"', max_size=20)),
)
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, name: str, place: float, gone: int, put: bytes | str
) -> None:
    file, write, read = READERS[name]
    folder = tmp_path_factory.mktemp("any")
    path = write(folder / file)
    content = path.read_bytes()
    begin = int(place * len(content))
    new = put if isinstance(put, bytes) else put.encode()
    path.write_bytes(content[:begin] + new + content[begin + gone :])
    words = refusal(read, path)
    assert words is None or words.startswith(str(folder))
    assert words is None or "\n" not in words
