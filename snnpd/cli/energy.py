"""`snnpd report`: operations and energy of a finished run, or of a network by name."""

import time
from argparse import ArgumentError
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import NamedTemporaryFile

from jsonargparse import ArgumentParser
from rich.console import Console

import snnpd
from snnpd.cli.compose import Parts, compose
from snnpd.cli.energy_table import print_energy
from snnpd.cli.options import CONFIG_FILE, read_config
from snnpd.energy import EnergyReport, Word, report
from snnpd.energy.costs import COST_MODELS
from snnpd.energy.report import costs_by_name
from snnpd.errors import UsageError, unknown
from snnpd.models.table import MODELS
from snnpd.registry import accepted_options, resolve
from snnpd.training import Config, load_chosen, make_fabric
from snnpd.training.config import DataConfig, ModelConfig, RuntimeConfig
from snnpd.training.seeding import seed_everything

# What reading a few samples never reaches shows no progress.
_QUIET_SECONDS = 2.0


@dataclass(frozen=True)
class Request:
    """What is asked for."""

    target: str
    config: Config
    folder: Path | None
    costs: tuple[str, ...]
    samples: int | None
    has_page: bool
    word: Word

    @property
    def stem(self) -> str:
        """The name of the files: another one in a run's folder for a part of the samples, or for other data."""
        if self.folder is None or not (self.folder / CONFIG_FILE).is_file():
            return "energy"
        own = read_config(self.folder / CONFIG_FILE).data.name
        parts = [f"{self.samples}-samples"] if self.samples else []
        parts += [self.config.data.name] if own != self.config.data.name else []
        return "-".join(["energy", *parts])


def main(argv: Sequence[str]) -> int:
    """Counts a run's operations on its test part, prints the table, and writes JSON, CSV and, if asked, the page."""
    request = parse_report(argv)
    config = request.config
    if request.folder is not None:
        check_writable(request.folder)
    fabric = make_fabric(replace(config.runtime, devices=1, strategy="auto"))
    parts = compose(config, fabric)
    is_trained = request.folder is not None and (request.folder / CONFIG_FILE).is_file()
    if is_trained:
        assert request.folder is not None
        load(parts, request.folder, config)
    else:
        Console(stderr=True).print(
            f"snnpd: {request.target} is not trained: firing rates are those of its first weights, seed {config.seed}",
            style="yellow",
            soft_wrap=True,
        )
    parts.model.to(fabric.device)
    name = request.target if is_trained else f"{request.target}, not trained"
    counted = count(config, parts, name, request.costs, request.samples, request.word)
    written = []
    if request.folder is not None:  # before the table, whose reader may have enough of it
        written = save(counted, request.folder, request.has_page, request.stem)
    print_energy(counted)
    if written:
        print(told(written))
    return 0


def load(parts: Parts, folder: Path, config: Config) -> None:
    """The weights of a run.

    Raises:
        UsageError: other data than the run's, that do not fit them.
    """
    trained_on = read_config(folder / CONFIG_FILE).data.name
    try:
        load_chosen(parts.model, folder)
    except UsageError as error:
        if trained_on == config.data.name:
            raise
        raise UsageError(
            f"--data {config.data.name}: inputs {parts.splits.input_shape} of {parts.splits.num_classes} classes do "
            f"not fit {folder}, which was trained on {trained_on}"
        ) from error


def count(
    config: Config,
    parts: Parts,
    name: str,
    costs: Sequence[str] | None = None,
    samples: int | None = None,
    word: Word | None = None,
) -> EnergyReport:
    """The report of a network on the test part, with a line of progress when it takes long."""
    seed_everything(config.seed)
    console, start = Console(stderr=True), time.monotonic()
    everything = len(parts.splits.test)  # type: ignore[arg-type]
    total = min(samples or everything, everything)
    with console.status("") as status:
        status.stop()

        def show(done: int) -> None:
            if time.monotonic() - start > _QUIET_SECONDS:
                status.start()
                status.update(f"counting operations: {done:,} of {total:,} samples")

        return report(
            parts.model,
            parts.test,
            encode=parts.encode,
            name=name,
            data=f"{parts.splits.name}, test part",
            version=snnpd.__version__,
            costs=costs,
            word=word,
            max_samples=samples,
            progress=show,
        )


def save(counted: EnergyReport, folder: Path, has_page: bool, stem: str = "energy") -> list[Path]:
    """Writes the files of a report.

    Raises:
        UsageError: they cannot be written, and where.
    """
    try:
        return counted.save(folder, ("json", "csv", "html") if has_page else ("json", "csv"), stem)
    except OSError as error:
        raise UsageError(
            f"{folder}: the report cannot be written ({error.strerror}); mend that, or choose --out"
        ) from error


def told(paths: Sequence[Path]) -> str:
    """Where the files are."""
    return "written: " + ", ".join(str(path) for path in paths)


def check_writable(folder: Path) -> None:
    """Raises UsageError, before anything is counted, where no files can be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(
            f"{folder}: no files can be made there ({error.strerror}); choose another --out"
        ) from error


def parse_report(argv: Sequence[str]) -> Request:
    """What the command line asks for.

    Raises:
        UsageError: neither a run nor a network, an unknown option, cost model or number.
    """
    try:
        given = make_parser().parse_args(list(argv))
    except ArgumentError as error:
        raise UsageError(
            f"{error}; say `snnpd report RUN`, RUN the folder of a run, or `snnpd report MODEL`"
        ) from error
    for option in ("samples", "bits", "time_steps"):
        number = getattr(given, option)
        if number is not None and number < 1:
            raise UsageError(f"--{option} {number}; give a whole number from 1 upwards")
    if given.bits is not None and not 2 <= given.bits <= 64:
        raise UsageError(f"--bits {given.bits}; words of 2 to 64 bits are offered")
    word = Word() if given.bits is None else Word(given.bits, is_float=False)
    config, run = find(given.target, given)
    folder = Path(given.out) if given.out else run
    has_page = given.html or False
    if has_page and folder is None:
        folder = Path(f"report-{given.target}")
    costs = tuple(dict.fromkeys(cost.name for cost in costs_by_name(given.costs)))
    if run is not None and folder != run:
        raise UsageError("--out is for networks by name; the report of a run goes into its folder")
    return Request(str(given.target), config, folder, costs, given.samples, has_page, word)


def find(target: str, given: object) -> tuple[Config, Path | None]:
    """The settings of a run, and its folder; or those of a network by name."""
    changes = {name: getattr(given, name) for name in ("data", "attention", "neuron", "time_steps")}
    folder = Path(target)
    if (folder / CONFIG_FILE).is_file():
        config = read_config(folder / CONFIG_FILE)
        fixed = [name for name in ("attention", "neuron", "time_steps") if changes[name] is not None]
        if fixed:
            raise UsageError(f"--{fixed[0]} is for networks by name; {target} was trained as it is")
        if changes["data"]:
            config = replace(config, data=replace(DataConfig(), name=changes["data"]))
        return config, folder
    if target not in MODELS:
        if folder.is_dir():
            raise UsageError(f"{target}: no {CONFIG_FILE} in it; give the folder of a run, runs/NAME")
        raise unknown("run or network", target, MODELS)
    model = ModelConfig(target, changes["attention"], changes["neuron"])
    config = Config(
        model=model, data=DataConfig(changes["data"] or "digits"), runtime=RuntimeConfig(devices=1)
    )
    has_time = "neuron" in accepted_options(resolve("model", target, MODELS))
    return replace(config, time_steps=changes["time_steps"] or (config.time_steps if has_time else 1)), None


def make_parser() -> ArgumentParser:
    """The parser of `snnpd report`."""
    parser = ArgumentParser(
        prog="snnpd report",
        description="Counts the operations of a network on real data and prices them. docs/energy.md has the rules.",
        exit_on_error=False,
    )
    parser.add_argument(
        "target", metavar="RUN|MODEL", type=str, help="Folder of a run, or a network by name."
    )
    parser.add_argument("--data", type=str, help="Data set by name. (default: that of the run; digits)")
    parser.add_argument(
        "--costs", type=str, help=f"Cost models, with commas between: {','.join(COST_MODELS)}. (default: all)"
    )
    parser.add_argument("--html", action="store_true", help="Write the page, too.")
    parser.add_argument(
        "--out", type=str, help="Folder of the files of a network by name. (default: no files)"
    )
    parser.add_argument(
        "--samples", type=int, help="Count so many samples only. (default: the whole test part)"
    )
    parser.add_argument(
        "--bits", type=int, help="Words are whole numbers of so many bits. (default: 32-bit floats)"
    )
    parser.add_argument("--attention", type=str, help="Attention of a network by name.")
    parser.add_argument("--neuron", type=str, help="Neuron of a network by name.")
    parser.add_argument(
        "--time_steps",
        "--time-steps",
        type=int,
        help="Time steps of a network by name. (default: 4; an ANN: 1)",
    )
    return parser
