"""What a training shows: a bar on a terminal, one line an epoch everywhere."""

import time
from abc import ABC, abstractmethod
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from snnpd.training.metrics import EpochRecord

# Reading a loss waits for the device, so the bar asks for it a few times a second only.
_UPDATE_SECONDS = 0.25


class Display(ABC):
    """Shows a training; enter it as a context for the time that it runs."""

    def __enter__(self) -> "Display":
        """The display, shown from here on."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def wants_step(self) -> bool:
        """Whether `step` would show anything now."""
        return False

    def step(self, epoch: int, done: float, loss: float, accuracy: float, firing_rate: float | None) -> None:
        """Shows the means so far in an epoch of which the fraction `done` is over."""
        return None

    @abstractmethod
    def epoch(self, record: EpochRecord) -> None:
        """Shows an epoch that is over."""

    @abstractmethod
    def say(self, text: str) -> None:
        """Shows one line."""


class Silent(Display):
    """Shows nothing: for the processes other than the first."""

    def epoch(self, record: EpochRecord) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Nothing."""


class Lines(Display):
    """One line an epoch."""

    def __init__(self, num_epochs: int, console: Console | None = None) -> None:
        self.num_epochs = num_epochs
        self.console = console or Console()

    def epoch(self, record: EpochRecord) -> None:
        """The line of an epoch, with the time that the rest will take at its pace."""
        left = duration(record.seconds * (self.num_epochs - record.epoch))
        self.say(f"{epoch_line(record, self.num_epochs)}  {record.seconds:.1f} s  {left} left")

    def say(self, text: str) -> None:
        """One line; never wrapped, so that a log has one line for it, too."""
        self.console.print(escape(text), soft_wrap=True, highlight=False)


class Bar(Lines):
    """A line an epoch, and below them a bar with loss, accuracy, firing rate and the time left."""

    def __init__(self, num_epochs: int, console: Console | None = None) -> None:
        super().__init__(num_epochs, console)
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[figures]}"))
        self.bar = Progress(*columns, TimeRemainingColumn(compact=True), console=self.console, transient=True)
        self.task: TaskID | None = None
        self.next_update = 0.0

    def __enter__(self) -> "Bar":
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def wants_step(self) -> bool:
        """Four times a second."""
        return time.monotonic() >= self.next_update

    def step(self, epoch: int, done: float, loss: float, accuracy: float, firing_rate: float | None) -> None:
        """Moves the bar."""
        self.next_update = time.monotonic() + _UPDATE_SECONDS
        description = f"epoch {epoch}/{self.num_epochs}"
        figures = _figures(loss, accuracy, firing_rate)
        completed = epoch - 1 + done
        if self.task is None:
            # Only now: a resumed training starts where it is, and its pace is not overrated.
            self.task = self.bar.add_task(
                description, total=self.num_epochs, completed=epoch - 1, figures=figures
            )
        self.bar.update(self.task, description=description, completed=completed, figures=figures)


def make_display(num_epochs: int, *, is_first_process: bool = True) -> Display:
    """The bar on a terminal, lines elsewhere, nothing in other processes than the first."""
    if not is_first_process:
        return Silent()
    console = Console()
    return (Bar if console.is_terminal else Lines)(num_epochs, console)


def epoch_line(record: EpochRecord, num_epochs: int) -> str:
    """The figures of an epoch in one line."""
    width = len(str(num_epochs))
    line = f"epoch {record.epoch:{width}}/{num_epochs}"
    line += f"  {_figures(record.train_loss, record.train_accuracy, record.firing_rate)}"
    if record.val_accuracy is not None:
        line += f"  val {record.val_accuracy:6.1%}"
    return line


def duration(seconds: float) -> str:
    """Seconds as `m:ss` or `h:mm:ss`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _figures(loss: float, accuracy: float, firing_rate: float | None) -> str:
    text = f"loss {loss:.4f}  accuracy {accuracy:6.1%}"
    return text if firing_rate is None else f"{text}  firing {firing_rate:.3f}"
