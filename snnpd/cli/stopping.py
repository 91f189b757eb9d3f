"""Ctrl-C and SIGTERM as one exception."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(KeyboardInterrupt):
    """The process was asked to stop; `signum` says by which signal."""

    def __init__(self, signum: int, hint: str = "") -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}{hint}")
        self.signum = signum


@contextmanager
def raise_on_signals() -> Iterator[None]:
    """Within the block SIGINT and SIGTERM raise `Stopped` in the main thread, wherever it is.

    Nothing needs to be finished first: files are replaced whole, and the last checkpoint stands.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return

    def stop(signum: int, frame: FrameType | None) -> None:
        raise Stopped(signum)

    before = {signum: signal.signal(signum, stop) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
