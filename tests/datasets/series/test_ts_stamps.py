"""`.ts` files with time stamps."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from snnpd.datasets.series.ts import ts_folder
from snnpd.datasets.series.ts_files import read_ts
from snnpd.errors import UsageError
from tests.datasets.files import write_ts_text


def test_a_published_file_with_dates() -> None:
    data = Path(pytest.importorskip("aeon.datasets").__file__).parent / "data"
    found = read_ts(data / "UnitTest/UnitTestTimeStamps_TRAIN.ts")
    assert {one.shape for one in found.series} == {(4, 1)}
    first = datetime(2007, 1, 1, tzinfo=UTC).timestamp()
    assert found.times[0].tolist() == [first, first + 60, first + 120, first + 180]
    assert found.series[0][0].item() == pytest.approx(241.97)
    assert set(found.names) == {"1", "2"}


@pytest.mark.parametrize(
    ("body", "times", "values"),
    [
        ("(0,1),(2.5,-3),(7,4e1):low", [0, 2.5, 7], [[1], [-3], [40]]),
        ("( 0 , 1 ) , ( 2 , ? ) : ( 0 , 5 ) , ( 2 , 6 ) : low", [0, 2], [[1, 5], [None, 6]]),
        # Channels with stamps of their own: the moments of both.
        ("(0,1),(3,2):(1,5),(3,6):low", [0, 1, 3], [[1, None], [None, 5], [2, 6]]),
        ("(1970-01-02,1),(1970-01-02T00:00:01.5+00:00,2):low", [86400, 86401.5], [[1], [2]]),
        ("(-5,1),(-5,2):low", [-5, -5], [[1], [2]]),
    ],
)
def test_stamps_and_values(tmp_path: Path, body: str, times: list, values: list) -> None:
    found = read_ts(write_ts_text(tmp_path / "Toy_TRAIN.ts", [body], timed=True))
    assert found.times[0].tolist() == times
    got = [[None if value != value else value for value in row] for row in found.series[0].tolist()]
    assert got == values


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("(0,1),(2,3),(1,4):low", "time stamps that go back: token 2 has 1.0 after 2.0"),
        ("(noon,1):low", "has the time stamp 'noon', which is no number and no date"),
        ("(1_0,1):low", "has the time stamp '1_0', which is no number and no date"),
        ("(1e999,1):low", "time stamp '1e999', which is not finite"),
        ("(nan,1):low", "time stamp 'nan', which is not finite"),
        ("(0,1),(2,:low", "has '' where a number belongs"),
        ("(0,1),(2:low", "has the time stamp ''"),
        ("0,1:low", "has '0,1' where .time,value. belongs"),
        (":low", "has '' where .time,value. belongs"),
        ("(0,1),(0,2):(1,5),(3,6):low", "two values at one time, and channels with other times"),
        ("(0,1)", "has '' where .time,value. belongs"),
        ("(0,1):lo", "ends in 'lo', expected one of the header's classes"),
    ],
)
def test_stamps_that_are_wrong(tmp_path: Path, body: str, message: str) -> None:
    path = write_ts_text(tmp_path / "Toy_TRAIN.ts", ["(0,1):low", body], timed=True)
    with pytest.raises(UsageError, match=message) as caught:
        read_ts(path)
    assert str(caught.value).startswith(f"{path}: case 2 ")
    assert "\n" not in str(caught.value)


def test_stamps_reach_the_samples(tmp_path: Path) -> None:
    for part in ("TRAIN", "TEST"):
        write_ts_text(tmp_path / f"Toy_{part}.ts", ["(5,1),(7,2):low", "(3,4),(4,1):high"], timed=True)

    def first(**options: object) -> tuple:
        return ts_folder(root=str(tmp_path), problem="Toy", val_fraction=0, **options).train[0]

    assert first().times.tolist() == [5, 7]
    assert first(from_start=True).times.tolist() == [0, 2]
    assert len(first(times=False)) == 2


@pytest.mark.parametrize(
    ("timed", "options", "message"),
    [
        ((True, False), {}, "only train has time stamps"),
        ((False, True), {}, "only test has time stamps"),
        ((False, False), {"from_start": True}, "from_start, but the series have no time stamps"),
        ((True, True), {"from_start": True, "times": False}, "from_start without time stamps"),
    ],
)
def test_stamps_that_do_not_fit(tmp_path: Path, timed: tuple, options: dict, message: str) -> None:
    for part, stamped in zip(("TRAIN", "TEST"), timed, strict=True):
        body = "(5,1),(7,2)" if stamped else "1,2"
        write_ts_text(tmp_path / f"Toy_{part}.ts", [f"{body}:low", f"{body}:high"], timed=stamped)
    with pytest.raises(UsageError, match=message):
        ts_folder(root=str(tmp_path), problem="Toy", val_fraction=0, **options)
