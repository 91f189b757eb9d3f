"""What is measured: scores, the record of an epoch, and the log that it goes to."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from snnpd.atomic import write_atomic

METRICS = "metrics.jsonl"


@dataclass(frozen=True)
class Score:
    """How a network did on one part of the data; `firing_rates` by layer, if they were asked for."""

    correct: int
    total: int
    loss: float
    firing_rates: dict[str, float] = field(default_factory=dict)

    @property
    def accuracy(self) -> float:
        """Fraction of the samples whose class was found."""
        return self.correct / self.total


@dataclass(frozen=True)
class EpochRecord:
    """One line of `metrics.jsonl`.

    `train_*` are means over the epoch's batches as they were trained on (augmented, mixed: a blend counts for
    both its classes by their shares, while the weights changed); `firing_rate` is the mean over layers at the
    epoch's first batch, None without neurons; `lr` that of its last step.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float | None
    val_accuracy: float | None
    lr: float
    firing_rate: float | None
    seconds: float


class MetricsLog:
    """Epoch records as JSON lines in `metrics.jsonl` and as curves in `tensorboard/`, both of one run folder.

    Lines past `last_epoch`, the epoch that a resumed training begins behind, are dropped first.
    """

    def __init__(self, folder: Path, last_epoch: int = 0) -> None:
        self.path = folder / METRICS
        kept = [row for row in read_metrics(self.path) if row["epoch"] <= last_epoch]
        write_atomic(self.path, "".join(f"{json.dumps(row)}\n" for row in kept).encode())
        self.seconds = sum(row["seconds"] for row in kept)
        self.board = SummaryWriter(str(folder / "tensorboard"), purge_step=last_epoch + 1)

    def write(self, record: EpochRecord) -> None:
        """Adds a record to both."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(asdict(record))}\n")
        self.seconds += record.seconds
        for name, value in asdict(record).items():
            if name != "epoch" and value is not None:
                part, _, what = name.partition("_")
                tag = f"{what}/{part}" if part in ("train", "val") else name
                self.board.add_scalar(tag, value, record.epoch)

    def close(self) -> None:
        """Writes what TensorBoard still holds back."""
        self.board.close()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The rows of `metrics.jsonl`; none if it does not exist, all but the last if a kill cut that one off."""
    rows: list[dict[str, Any]] = []
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:
                break
    return rows
