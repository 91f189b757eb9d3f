"""A progress bar for work that turns out to take long."""

import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress

T = TypeVar("T")


def track_slow(items: Sequence[T], what: str, *, after_s: float = 2.0) -> Iterator[T]:
    """The items, with a bar on stderr from the moment that going through them has taken `after_s` seconds."""
    began = time.monotonic()
    progress = Progress(console=Console(stderr=True))
    task = progress.add_task(what, total=len(items))
    try:
        for done, item in enumerate(items, start=1):
            yield item
            progress.update(task, completed=done)
            if time.monotonic() - began >= after_s:
                progress.start()
    finally:
        # Stopping a bar that never showed would still print an empty line.
        if progress.live.is_started:
            progress.stop()
