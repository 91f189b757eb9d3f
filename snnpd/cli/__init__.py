"""The command line: `snnpd train | evaluate | report | compare | models | datasets | recipes | doctor`."""

import os
import sys
from collections.abc import Sequence

from snnpd.cli.stopping import Stopped, raise_on_signals
from snnpd.errors import TrainingError, UsageError
from snnpd.registry import resolve

__all__ = ["main"]

# Imported when asked for, so that a listing does not wait for the libraries of a training.
COMMANDS: dict[str, str] = {
    "train": "snnpd.cli.train:main",
    "evaluate": "snnpd.cli.evaluate:main",
    "report": "snnpd.cli.energy:main",
    "compare": "snnpd.cli.compare:main",
    "models": "snnpd.cli.listing:models",
    "datasets": "snnpd.cli.datasets:main",
    "recipes": "snnpd.cli.listing:recipes",
    "doctor": "snnpd.cli.doctor:main",
}

USAGE = """usage: snnpd COMMAND [options]

commands:
  train      train a network: a recipe, its options overridden on the command line (--help lists them)
  evaluate   read the test accuracy of a finished run again, to the last sample
  report     operations and energy of a finished run, or of a network by name
  compare    spiking networks beside their ANN twins: a grid of trainings, statistics, tables, a page
  models     networks, attentions and neurons by name
  datasets   data sets by name; `datasets inspect NAME` shows statistics and a picture of one
  recipes    recipes by name
  doctor     versions, devices, and which neuron implementation runs
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command and gives its exit code: 0, 2 for bad input or a failed training, 128 + n after signal n."""
    command, *rest = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    if command in ("-h", "--help"):
        print(USAGE, end="")
        return 0
    try:
        with raise_on_signals():
            return resolve("command", command, COMMANDS)(rest)
    except BrokenPipeError:  # whoever read the output has enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # as a shell says of one that ended so
    except SystemExit as end:  # --help and --print_config end in the parser
        return int(end.code or 0)
    except Stopped as stop:
        _complain(str(stop))
        return 128 + stop.signum
    except (UsageError, TrainingError, OSError) as error:
        _complain(f"error: {_in_a_line(error)}")
        return 2


def _in_a_line(error: BaseException) -> str:
    text = str(error)
    if text.startswith("Caught UsageError in"):
        # A loader's worker sends its whole traceback; the message stands at the end.
        text = text.rpartition(f"{UsageError.__module__}.{UsageError.__name__}: ")[2]
    return " ".join(text.split())


def _complain(line: str) -> None:
    # With several processes each meets the error; the first one reports it.
    if os.environ.get("LOCAL_RANK", "0") == "0":
        print(f"snnpd: {line}", file=sys.stderr)
