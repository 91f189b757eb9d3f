"""Two trainings in processes of their own, to be sent signals: `python victims.py FOLDER`.

One calls `fit`, the other the command line. Prints their process ids in one line, then how each ended.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from snnpd.cli import main
from snnpd.datasets.table import DATASETS
from tests.training.toys import ToyData, toy_config, toy_fit

NUM_EPOCHS = 14
WORDS = [
    *("train", "--data", "toy_series", "--data.options.pause_seconds", "0.1", "--epochs", str(NUM_EPOCHS)),
    *("--model.options", "{dim: 16, depth: 1, num_heads: 2}", "--accelerator", "cpu", "--name", "cli"),
]


class Slow(ToyData):
    def set_epoch(self, epoch: int) -> None:
        time.sleep(0.1)


def by_library() -> int:
    toy_fit(Path("library"), toy_config(epochs=NUM_EPOCHS), data=Slow())
    return 0


def by_command_line() -> int:
    DATASETS["toy_series"] = "tests.training.toys:toy_series"
    return main(WORDS)


def begin(work: Callable[[], int]) -> int:
    # Everything is imported once, before the fork: that is what takes seconds.
    process = os.fork()
    if process == 0:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # what is printed here is the ids alone
        os._exit(work())
    return process


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    victims = [begin(by_library), begin(by_command_line)]
    print(*victims, flush=True)
    for victim in victims:
        print(os.waitstatus_to_exitcode(os.waitpid(victim, 0)[1]), flush=True)
