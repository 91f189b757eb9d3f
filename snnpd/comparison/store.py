"""What a comparison knows so far, in one SQLite file that a kill leaves whole."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnpd.errors import UsageError

_TABLES = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS outcomes (
    kind TEXT NOT NULL, row TEXT NOT NULL, seed INTEGER NOT NULL, setting TEXT NOT NULL,
    fingerprint TEXT NOT NULL, status TEXT NOT NULL, reason TEXT, figures TEXT NOT NULL,
    PRIMARY KEY (kind, row, seed, setting)
);
CREATE TABLE IF NOT EXISTS samples (
    row TEXT NOT NULL, seed INTEGER NOT NULL, measure TEXT NOT NULL, figures BLOB NOT NULL,
    PRIMARY KEY (row, seed, measure)
);
"""

_OUTCOMES = "SELECT kind, row, seed, setting, status, fingerprint, figures, reason FROM outcomes"


@dataclass(frozen=True)
class Key:
    """Which piece of work: a trial (training under one setting, validated) or a cell (the chosen one, tested)."""

    kind: str
    row: str
    seed: int
    setting: str


@dataclass(frozen=True)
class Outcome:
    """How it ended; `figures` are what was measured, `samples` what was measured of every sample alone."""

    status: str
    fingerprint: str
    figures: dict[str, Any]
    reason: str | None = None
    samples: dict[str, NDArray[np.float32]] | None = None


class Store:
    """The file of a comparison; each outcome is written in one transaction, so that it is there or not.

    Raises:
        UsageError: another process has it open, or it is no such file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connection = sqlite3.connect(path, timeout=0.5, isolation_level=None)
        try:
            # Taken with the first write, given back by the system even when this process is killed.
            self.connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self.connection.execute("PRAGMA synchronous = FULL")
            self.connection.executescript(f"BEGIN EXCLUSIVE; {_TABLES} COMMIT;")
        except sqlite3.OperationalError as error:
            mend = "is another comparison running there? Wait, or choose another --out"
            raise UsageError(f"{path}: {error}; {mend}") from error
        except sqlite3.DatabaseError as error:
            mend = "move it away, or choose another --out"
            raise UsageError(f"{path} is no file of a comparison ({error}); {mend}") from error

    def close(self) -> None:
        """Gives the file back."""
        self.connection.close()

    def put_fact(self, name: str, value: Any) -> None:
        """Keeps a fact about the comparison as a whole."""
        self.connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, json.dumps(value)))

    def fact(self, name: str) -> Any:
        """A fact, None if it is not known."""
        row = self.connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    def put(self, key: Key, outcome: Outcome) -> None:
        """Keeps an outcome, in the place of an older one."""
        figures = json.dumps(outcome.figures, allow_nan=False)
        with self.connection:
            self.connection.execute("BEGIN")
            self.connection.execute(
                "INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    key.kind,
                    key.row,
                    key.seed,
                    key.setting,
                    outcome.fingerprint,
                    outcome.status,
                    outcome.reason,
                    figures,
                ),
            )
            for measure, values in (outcome.samples or {}).items():
                content = np.asarray(values, dtype="<f4").tobytes()
                row = (key.row, key.seed, measure, content)
                self.connection.execute("INSERT OR REPLACE INTO samples VALUES (?, ?, ?, ?)", row)

    def get(self, key: Key) -> Outcome | None:
        """An outcome without its samples; None if there is none."""
        place = "kind = ? AND row = ? AND seed = ? AND setting = ?"
        found = self.connection.execute(
            f"{_OUTCOMES} WHERE {place}", (key.kind, key.row, key.seed, key.setting)
        )
        return next((outcome for _, outcome in map(_read, found)), None)

    def cells(self) -> Iterator[tuple[Key, Outcome]]:
        """All cells that have ended."""
        yield from map(_read, self.connection.execute(f"{_OUTCOMES} WHERE kind = 'cell'"))

    def outcomes(self) -> Iterator[tuple[Key, Outcome]]:
        """All trials and cells that have ended."""
        yield from map(_read, self.connection.execute(_OUTCOMES).fetchall())

    def forget_failed(self) -> None:
        """Lets what failed be tried again."""
        self.connection.execute("DELETE FROM outcomes WHERE status = 'failed'")

    def forget(self, row: str, kind: str) -> None:
        """Lets the trials or the cells of a row be made again."""
        self.connection.execute("DELETE FROM outcomes WHERE row = ? AND kind = ?", (row, kind))

    def samples(self, row: str, seed: int, measure: str) -> NDArray[np.float64] | None:
        """A measure of every sample of a cell."""
        query = "SELECT figures FROM samples WHERE row = ? AND seed = ? AND measure = ?"
        found = self.connection.execute(query, (row, seed, measure)).fetchone()
        return None if found is None else np.frombuffer(found[0], dtype="<f4").astype(np.float64)


def _read(line: tuple[Any, ...]) -> tuple[Key, Outcome]:
    kind, row, seed, setting, status, fingerprint, figures, reason = line
    return Key(kind, row, seed, setting), Outcome(status, fingerprint, json.loads(figures), reason)
