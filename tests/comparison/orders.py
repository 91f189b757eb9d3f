"""Work that needs no training, for the engine: what it gives is a function of row, seed and setting."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from snnpd.comparison.engine import Describe
from snnpd.comparison.grid import Row, Setting, words_of
from snnpd.comparison.workers import Died, Failed

NUM_SAMPLES = 8


@dataclass(frozen=True)
class ToyOrder:
    """Raises, dies or gives figures, as the plan of the test says."""

    kind: str
    row: str
    seed: int
    setting: Setting
    of_source: Setting
    fate: str = "done"
    version: str = ""

    @property
    def fingerprint(self) -> str:
        return f"{self.row} {self.seed} {words_of(self.setting)} {self.version}"

    def run(self) -> dict[str, Any]:
        if self.fate == "raises":
            raise Failed("TrainingError: the loss is not finite at epoch 1;\nlower optim.lr")
        if self.fate == "dies":
            raise Died("its process ended (killed by signal SIGKILL); out of memory?")
        lr = self.setting.get("optim.lr", 0.0)
        figures = {
            "setting": self.setting,
            # 0.1 is the better of both settings, by its loss alone.
            "val_accuracy": 0.5,
            "val_loss": abs(lr - 0.1),
            "accuracy": (1 + self.seed) / 8,
            "train_seconds": 1.0,
            "of_source": self.of_source,
        }
        correct = np.arange(NUM_SAMPLES) <= self.seed
        return figures if self.kind == "trial" else figures | {"samples": {"accuracy": correct}}


def describer(fates: dict[tuple[str | int, ...], str] | None = None, version: str = "") -> Describe:
    """Orders whose fate is that of their (kind, method, seed), or with their setting in words behind it."""

    def describe(kind: str, row: Row, seed: int, setting: Setting, of_source: Setting) -> ToyOrder:
        place = (kind, row.method, seed)
        fate = (fates or {}).get(place) or (fates or {}).get((*place, words_of(setting)), "done")
        return ToyOrder(kind, row.key, seed, setting, of_source, fate, version)

    return describe


class Here:
    """What `Workers` is to the engine, in this process: pieces end in the order in which they began, one at a time."""

    def __init__(self, num: int) -> None:
        self.num = num
        self.begun: list[tuple[Any, Callable[..., Any], Any]] = []

    @property
    def has_room(self) -> bool:
        return len(self.begun) < self.num

    @property
    def is_idle(self) -> bool:
        return not self.begun

    def begin(self, key: Any, function: Callable[..., Any], *arguments: Any) -> None:
        assert self.has_room
        self.begun.append((key, function, arguments))

    def ended(self) -> Iterator[tuple[Any, Any]]:
        key, function, arguments = self.begun.pop(0)
        try:
            yield key, function(*arguments)
        except Failed as error:
            yield key, error
