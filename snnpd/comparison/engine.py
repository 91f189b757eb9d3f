"""Carries a grid out: what can begin now, on which process, and what came of it."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from snnpd.comparison.grid import Grid, Row, Setting, words_of
from snnpd.comparison.store import Key, Outcome, Store
from snnpd.comparison.workers import Failed, Workers
from snnpd.errors import UsageError
from snnpd.training.progress import duration

Say = Callable[[str], None]


class Order(Protocol):
    """A piece of work as the caller describes it: what is computed, on a process of its own."""

    @property
    def fingerprint(self) -> str:
        """A hash of everything that the outcome depends on, the code apart."""

    def run(self) -> dict[str, Any]:
        """Figures, and under `samples` what was measured of every sample."""


# Kind, row, seed, setting, and the setting of the row that it is made from.
Describe = Callable[[str, Row, int, Setting, Setting], Order]


@dataclass(frozen=True)
class Piece:
    """A trial or a cell."""

    kind: str
    row: Row
    seed: int
    setting: Setting

    @property
    def key(self) -> Key:
        """Under which the store has it."""
        return Key(self.kind, self.row.key, self.seed, words_of(self.setting) if self.kind == "trial" else "")


class Engine:
    """Runs every piece of a grid that the store does not have.

    A row is tuned on the first seed: one trial a setting, of which validation chooses; all seeds then have that
    setting. Rows made from another's trained network wait for it. What fails is kept with its reason, and what needs
    it fails with it; everything else goes on.
    """

    def __init__(self, grid: Grid, store: Store, describe: Describe, say: Say) -> None:
        self.grid, self.store, self.describe, self.say = grid, store, describe, say
        self.running: set[Key] = set()
        self.began = time.monotonic()
        self.num_ended = 0
        sources = {row.key for row in map(grid.source_of, grid.rows) if row is not None}
        # What others wait for first, then the slow ones, so that no process idles at the end.
        self.rows = sorted(grid.rows, key=lambda row: (row.key not in sources, not row.what.is_spiking))

    def run(self, workers: Workers) -> None:
        """Until nothing is left."""
        while True:
            while workers.has_room and (piece := self._next()) is not None:
                order = self._order(piece)
                self.running.add(piece.key)
                workers.begin((piece, order.fingerprint), carry_out, order)
            if workers.is_idle:
                return
            for (ended, fingerprint), result in workers.ended():
                self._keep(ended, outcome_of(result, fingerprint))

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to run."""
        return self._next() is None

    def retry(self) -> None:
        """Lets what failed be tried again.

        A trial that did not fail after all may be chosen, so the cells of its row are made again, and all of what is
        made from them; trainings that are finished are on disk and are not repeated.
        """
        failed = {
            key.row for key, found in self.store.outcomes() if (key.kind, found.status) == ("trial", "failed")
        }
        for row in self.grid.rows:
            source = self.grid.source_of(row)
            if source is not None and source.key in failed:
                self.store.forget(row.key, "trial")
                self.store.forget(row.key, "cell")
            if row.key in failed:
                self.store.forget(row.key, "cell")
        self.store.forget_failed()

    def check(self) -> None:
        """Keeps how rows are tuned, and compares what the store has with what is asked for.

        Raises:
            UsageError: outcomes of other settings, or another tuning.
        """
        is_tuned = len(self.grid.settings) > 1
        tuning = {name: list(values) for name, values in self.grid.tuning.items()} if is_tuned else {}
        asked = {"tuning": tuning, "seed": self.grid.tuning_seed if tuning else None}
        kept = self.store.fact("tuning")
        mend = "choose another --out, or ask for the same"
        if kept is not None and kept != asked:
            raise UsageError(
                f"{self.store.path} was tuned over {_told(kept)}, asked for is {_told(asked)}; {mend} "
                "(the first of the seeds is the one that rows are tuned on)"
            )
        pieces = [piece for row in self.rows for piece in self.trials(row)]
        pieces += [Piece("cell", row, seed, {}) for row in self.rows for seed in self.grid.seeds]
        for piece in pieces:
            outcome = self.store.get(piece.key)
            if outcome is None or not outcome.fingerprint:
                continue
            if piece.kind == "cell" and piece.row.what.is_trained:
                # What would be chosen now, not what was: another single value is another setting.
                chosen = self.chosen(piece.row)
                kept_one = outcome.figures.get("setting", {})
                piece = replace(piece, setting=kept_one if chosen is None else chosen)
            if self._order(piece).fingerprint != outcome.fingerprint:
                raise UsageError(
                    f"{self.store.path} holds {piece.row.key}, seed {piece.seed}, under other settings than asked for; "
                    f"{mend}"
                )
        self.store.put_fact("tuning", asked)

    def _order(self, piece: Piece) -> Order:
        source = self.grid.source_of(piece.row)
        kept = None if source is None else self.store.get(Piece("cell", source, piece.seed, {}).key)
        of_source = {} if kept is None else kept.figures.get("setting", {})
        return self.describe(piece.kind, piece.row, piece.seed, piece.setting, of_source)

    def _next(self) -> Piece | None:
        for row in self.rows:
            for seed in self.grid.seeds:
                for piece in self._pieces(row, seed):
                    if piece.key not in self.running:
                        return piece
        return None

    def _pieces(self, row: Row, seed: int) -> Iterator[Piece]:
        """What a cell asks for next: nothing where it has ended, or where it has to wait."""
        cell = Piece("cell", row, seed, {})
        if self.store.get(cell.key) is not None:
            return
        source = self.grid.source_of(row)
        if source is not None and not self._has(cell, source):
            return
        if not row.what.is_trained:
            yield cell
            return
        trials = self.trials(row)
        missing = [trial for trial in trials if self.store.get(trial.key) is None]
        if missing:
            first = trials[0].seed
            if source is None or self._done(source, first):
                yield from missing
            elif self._failed(source, first):
                self._fail(
                    cell, f"cannot be tuned: {source.key}, seed {first}, which it is made from, failed"
                )
            return
        setting = self.chosen(row)
        if setting is None:
            self._fail(cell, f"no setting could be trained: {self._first_reason(trials)}")
            return
        yield Piece("cell", row, seed, setting)

    def trials(self, row: Row) -> list[Piece]:
        """The trials of a row: none where there is nothing to choose."""
        settings = self.grid.settings
        return (
            [Piece("trial", row, self.grid.tuning_seed, s) for s in settings]
            if len(settings) > 1 and row.what.is_trained
            else []
        )

    def chosen(self, row: Row) -> Setting | None:
        """The setting with the best validation accuracy, at a tie that of lower loss; None if all failed."""
        trials = self.trials(row)
        if not trials:
            return self.grid.settings[0]
        kept = [(trial, self.store.get(trial.key)) for trial in trials]
        done = [(trial, outcome.figures) for trial, outcome in kept if outcome and outcome.status == "done"]
        best = max(done, key=lambda one: (one[1]["val_accuracy"], -one[1]["val_loss"]), default=None)
        return None if best is None else best[0].setting

    def _has(self, cell: Piece, source: Row) -> bool:
        """Whether a cell's source has ended well; where it failed, so does the cell."""
        kept = self.store.get(Piece("cell", source, cell.seed, {}).key)
        if kept is not None and kept.status == "failed":
            self._fail(cell, f"made from {source.key}, which failed")
        return kept is not None and kept.status == "done"

    def _done(self, row: Row, seed: int) -> bool:
        kept = self.store.get(Piece("cell", row, seed, {}).key)
        return kept is not None and kept.status == "done"

    def _failed(self, row: Row, seed: int) -> bool:
        kept = self.store.get(Piece("cell", row, seed, {}).key)
        return kept is not None and kept.status == "failed"

    def _first_reason(self, trials: list[Piece]) -> str:
        outcomes = (self.store.get(trial.key) for trial in trials)
        return next((o.reason for o in outcomes if o is not None and o.reason), "no reason is known")

    def _fail(self, cell: Piece, reason: str) -> None:
        self._keep(cell, Outcome("failed", "", {}, reason))

    def _keep(self, piece: Piece, outcome: Outcome) -> None:
        self.store.put(piece.key, outcome)
        self.running.discard(piece.key)
        self.num_ended += 1
        self.say(
            f"{self._count()}  {piece.row.key}, seed {piece.seed}: {_headline(piece, outcome)}{self._left()}"
        )

    def _count(self) -> str:
        cells = [Piece("cell", row, seed, {}).key for row in self.rows for seed in self.grid.seeds]
        ended = sum(self.store.get(key) is not None for key in cells)
        return f"{ended:{len(str(len(cells)))}}/{len(cells)} cells"

    def _left(self) -> str:
        pieces = [trial for row in self.rows for trial in self.trials(row)]
        pieces += [Piece("cell", row, seed, {}) for row in self.rows for seed in self.grid.seeds]
        left = sum(self.store.get(piece.key) is None for piece in pieces)
        seconds = (time.monotonic() - self.began) / self.num_ended * left
        return f"  about {duration(seconds)} left" if left else ""


def carry_out(order: Order) -> dict[str, Any]:
    """What a process does with an order."""
    return order.run()


def outcome_of(result: Any, fingerprint: str) -> Outcome:
    """A result, or the failure in its place, as the store keeps it."""
    if isinstance(result, Failed):
        return Outcome("failed", fingerprint, {}, " ".join(str(result).split()))
    figures = {name: value for name, value in result.items() if name != "samples"}
    bad = [name for name, value in figures.items() if not _is_finite(value)]
    if bad:
        return Outcome("failed", fingerprint, {}, f"not finite: {', '.join(bad)}")
    return Outcome("done", fingerprint, figures, None, result.get("samples"))


def _is_finite(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


def _told(asked: Mapping[str, Any]) -> str:
    tried = "; ".join(f"{name} in {values}" for name, values in asked["tuning"].items())
    return f"{tried} on seed {asked['seed']}" if tried else "nothing"


def _headline(piece: Piece, outcome: Outcome) -> str:
    if outcome.status == "failed":
        return f"failed: {outcome.reason}"
    if piece.kind == "trial":
        return f"{words_of(piece.setting)}, validation {outcome.figures['val_accuracy']:.1%}"
    return f"{outcome.figures['accuracy']:.1%}  ({duration(outcome.figures['train_seconds'])})"
