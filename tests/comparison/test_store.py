"""The file of a comparison: outcomes come back as they went in, and a kill leaves it whole."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from snnpd.comparison.store import Key, Outcome, Store
from snnpd.errors import UsageError

KEY = Key("cell", "bsa/lif/T4", 1, "")
WRITES_FOR_EVER = """
import sys
from pathlib import Path
from snnpd.comparison.store import Key, Outcome, Store
import numpy as np
store = Store(Path(sys.argv[1]))
seed = 0
while True:
    figures = {"accuracy": np.full(50_000, seed % 7)}
    store.put(Key("cell", "bsa", seed, ""), Outcome("done", "f", {"accuracy": seed / 4}, None, figures))
    seed += 1
    print(seed, flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results.sqlite"


def test_an_outcome_comes_back(path: Path) -> None:
    store = Store(path)
    figures = {"accuracy": 0.1 + 0.2, "noise": {"levels": [0, 1]}, "note": "µ"}
    store.put(KEY, Outcome("done", "abc", figures, None, {"accuracy": np.array([1, 0, 1], dtype=np.float32)}))
    store.put(Key("trial", "bsa/lif/T4", 1, "lr=1"), Outcome("failed", "d", {}, "why"))
    store.put_fact("seconds", {"total": 1.5})
    store.close()
    store = Store(path)
    assert store.get(KEY) == Outcome("done", "abc", figures)
    assert [key for key, _ in store.cells()] == [KEY]
    assert store.samples(KEY.row, 1, "accuracy").tolist() == [1, 0, 1]  # type: ignore[union-attr]
    assert store.samples(KEY.row, 2, "accuracy") is None
    assert store.get(Key("trial", "bsa/lif/T4", 1, "lr=1")).reason == "why"  # type: ignore[union-attr]
    assert store.get(Key("trial", "bsa/lif/T4", 1, "lr=2")) is None
    assert (store.fact("seconds"), store.fact("other")) == ({"total": 1.5}, None)
    store.close()


def test_a_later_outcome_takes_the_place_of_an_older_one(path: Path) -> None:
    store = Store(path)
    for accuracy in (0.25, 0.5):
        store.put(
            KEY, Outcome("done", "abc", {"accuracy": accuracy}, None, {"accuracy": np.full(4, accuracy)})
        )
    assert store.get(KEY).figures == {"accuracy": 0.5}  # type: ignore[union-attr]
    assert store.samples(KEY.row, 1, "accuracy").mean() == 0.5  # type: ignore[union-attr]
    store.close()


def test_figures_that_are_not_finite_are_refused(path: Path) -> None:
    store = Store(path)
    with pytest.raises(ValueError, match="JSON"):
        store.put(KEY, Outcome("done", "abc", {"accuracy": float("nan")}))
    assert store.get(KEY) is None
    store.close()


def test_two_comparisons_do_not_share_a_file(path: Path) -> None:
    store = Store(path)
    with pytest.raises(UsageError, match=r"is another comparison running there\?"):
        Store(path)
    store.close()
    Store(path).close()


def test_another_file_is_left_alone(path: Path) -> None:
    path.write_bytes(b"no database, but something that somebody wants to keep" * 30)
    with pytest.raises(UsageError, match="is no file of a comparison"):
        Store(path)
    assert path.read_bytes().startswith(b"no database")


def test_a_kill_in_the_midst_of_writing_leaves_whole_outcomes(path: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITES_FOR_EVER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    written = [int(writer.stdout.readline()) for _ in range(20)][-1]
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    store = Store(path)
    kept = dict(store.cells())
    assert len(kept) >= written
    for key, outcome in kept.items():
        assert outcome.figures["accuracy"] == key.seed / 4
        assert store.samples("bsa", key.seed, "accuracy").tolist() == [key.seed % 7] * 50_000  # type: ignore[union-attr]
    store.close()
