"""`snnpd train`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric

from snnpd.atomic import write_atomic
from snnpd.cli.compose import Parts, compose
from snnpd.cli.energy import count, save, told
from snnpd.cli.energy_table import print_energy
from snnpd.cli.options import CONFIG_FILE, Request, parse_train
from snnpd.cli.pictures import draw_pictures
from snnpd.cli.report import SUMMARY, environment, headline, print_table, summarise
from snnpd.cli.stopping import Stopped
from snnpd.training import Checkpoints, evaluate, fit, make_fabric
from snnpd.training.config import to_yaml
from snnpd.training.files import new_run_folder, read_json, write_json
from snnpd.training.loop import CHECKPOINTS

ENVIRONMENT = "environment.json"


def main(argv: Sequence[str]) -> int:
    """Trains, tests once, draws, and prints the table."""
    request = parse_train(argv)
    fabric = make_fabric(request.config.runtime)
    try:
        run(request, fabric, list(argv))
    finally:
        end_other_processes(fabric)
    return 0


def run(request: Request, fabric: Fabric, argv: list[str]) -> None:
    """The whole of a training, as one of the processes that share it."""
    if request.folder and (request.folder / SUMMARY).exists():
        if fabric.is_global_zero:
            print(f"{request.folder} is finished already")
            print_table(read_json(request.folder / SUMMARY), request.folder)
        return
    parts = compose(request.config, fabric)
    if fabric.is_global_zero:
        print(headline(request.config, parts, fabric))
    folder = Path(fabric.broadcast(str(open_folder(request, argv)) if fabric.is_global_zero else ""))
    try:
        summary = train_and_test(request, parts, fabric, folder)
    except Stopped as stop:
        kept = Checkpoints(folder / CHECKPOINTS).kept()
        raise Stopped(stop.signum, f"; {kept}; go on with: snnpd train --resume {folder}") from None
    if fabric.is_global_zero:
        write_json(folder / SUMMARY, summary)
        draw_pictures(parts, folder, summary["chosen_epoch"])
        print_table(summary, folder)
        if request.config.report:
            counted = count(request.config, parts, str(folder))
            written = save(counted, folder, has_page=True)
            print_energy(counted)
            print(told(written))


def open_folder(request: Request, argv: list[str]) -> Path:
    """The folder of the run: that which is resumed, or a new one with its settings and environment."""
    if request.folder:
        return request.folder
    config = request.config
    folder = new_run_folder(Path(config.out_dir), str(config.name))
    write_json(folder / ENVIRONMENT, environment() | {"recipe": request.recipe, "command": ["train", *argv]})
    write_atomic(folder / CONFIG_FILE, to_yaml(config).encode())
    return folder


def train_and_test(request: Request, parts: Parts, fabric: Fabric, folder: Path) -> dict[str, Any]:
    """Trains, then reads the test part, once, and gives the summary."""
    config = request.config
    fitted = fit(
        parts.model,
        parts.train,
        parts.val,
        config,
        folder=folder,
        encode=parts.encode,
        fabric=fabric,
        resume=request.folder is not None,
    )
    test = evaluate(parts.model, parts.test, parts.encode, fabric=fabric, seed=config.seed, rates=True)
    recipe = read_json(folder / ENVIRONMENT)["recipe"]
    return summarise(config, recipe, parts, fitted, test)


def end_other_processes(fabric: Fabric) -> None:
    """After an error or a signal the other processes would wait for this one for ever."""
    if sys.exc_info()[0] is not None:
        for process in getattr(fabric.strategy.launcher, "procs", []):
            process.terminate()
