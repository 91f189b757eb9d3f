"""Work on several processes, each with its own device; one that dies takes only its own piece of work with it."""

import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Self

from snnpd.errors import UsageError

Function = Callable[..., Any]
_PATIENCE_S = 3.0
_READY = "ready"


class Failed(Exception):
    """A piece of work raised something: its name and its text, which pickle whatever it was."""


class Died(Failed):
    """The process of a piece of work ended before it did."""


class _Worker:
    """A process that does one piece of work after another."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, dict(environment)), daemon=True)
        with _deaf_to_interrupts():
            self.process.start()
        theirs.close()
        self.key: Any = None
        self.is_ready = False

    def begin(self, key: Any, function: Function, arguments: tuple[Any, ...]) -> None:
        self.key = key
        self.pipe.send((function, arguments))

    def outcome(self) -> Any:
        """What came through the pipe: that it is ready, or what a piece of work ended with."""
        try:
            message = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            self.process.join()
            code = self.process.exitcode or 0
            how = f"killed by signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            if not self.is_ready:
                raise UsageError(
                    f"a process ended before it did anything ({how}); in a script, put what starts it under "
                    'if __name__ == "__main__":'
                ) from None
            return Died(f"its process ended ({how}); out of memory?")
        self.is_ready = True
        return message

    def stop(self) -> None:
        """Asks first, an idle one by the end of its pipe: a process that is killed leaves its semaphores to others."""
        self.pipe.close()
        if self.key is not None:
            self.process.terminate()
        self.process.join(_PATIENCE_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


class Workers:
    """As many processes as environments are given; each gets its own variables, the visible GPU say.

    Use as a context: at its end, also when a signal or an error ends it, no process is left.
    """

    def __init__(self, environments: Sequence[Mapping[str, str]]) -> None:
        self.environments = environments
        self.workers: dict[int, _Worker] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self.workers.values():
            worker.stop()

    @property
    def has_room(self) -> bool:
        """Whether a process is idle."""
        return self._idle() is not None

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being done."""
        return all(worker.key is None for worker in self.workers.values())

    def begin(self, key: Any, function: Function, *arguments: Any) -> None:
        """Gives an idle process something to do; `function` is importable, its arguments and result pickle."""
        slot = self._idle()
        assert slot is not None, "begin is for when there is room"
        if slot not in self.workers:
            self.workers[slot] = _Worker(self.environments[slot])
        try:
            self.workers[slot].begin(key, function, arguments)
        except OSError:  # killed while it was idle
            self.workers.pop(slot).stop()
            self.workers[slot] = _Worker(self.environments[slot])
            self.workers[slot].begin(key, function, arguments)

    def ended(self) -> Iterator[tuple[Any, Any]]:
        """Waits until something happens; gives what has ended, which may be nothing: key and result, or `Failed`."""
        busy = {worker.pipe: slot for slot, worker in self.workers.items() if worker.key is not None}
        for pipe in wait(list(busy)):
            slot = busy[pipe]  # type: ignore[index]
            worker = self.workers[slot]
            outcome = worker.outcome()
            if outcome == _READY:
                continue
            key, worker.key = worker.key, None
            if isinstance(outcome, Died):
                self.workers.pop(slot).stop()
            yield key, outcome

    def _idle(self) -> int | None:
        slots = range(len(self.environments))
        return next((i for i in slots if i not in self.workers or self.workers[i].key is None), None)


def _serve(pipe: Connection, environment: Mapping[str, str]) -> None:
    os.environ.update(environment)
    signal.signal(signal.SIGTERM, lambda signum, frame: sys.exit(0))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    pipe.send(_READY)
    while True:
        try:
            function, arguments = pipe.recv()
        except EOFError:
            return
        try:
            result: Any = function(*arguments)
        except Exception as error:  # whatever it is, it is the outcome of that piece of work
            result = Failed(f"{type(error).__name__}: {error}")
        _send(pipe, result)


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """A process begun in the block never hears the terminal's Ctrl-C: the first one does, and ends the others."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _send(pipe: Connection, result: Any) -> None:
    try:
        pipe.send(result)
    except (TypeError, AttributeError, ValueError, pickle.PicklingError) as error:
        pipe.send(Failed(f"the result, a {type(result).__name__}, does not pickle ({error})"))


def _end_with_parent() -> None:
    """A killed parent closes no pipe that the others hold open, too: without this its children would live on."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
