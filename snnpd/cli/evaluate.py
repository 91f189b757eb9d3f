"""`snnpd evaluate`."""

from argparse import ArgumentError
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from jsonargparse import ArgumentParser

from snnpd.cli.compose import compose
from snnpd.cli.options import CONFIG_FILE, read_config
from snnpd.cli.report import SUMMARY
from snnpd.errors import UsageError
from snnpd.training import evaluate, load_chosen, make_fabric
from snnpd.training.files import read_json


def main(argv: Sequence[str]) -> int:
    """Reads the test accuracy of a run again; 0 if it is that of `summary.json`, else 1."""
    folder = parse_run(argv)
    if not (folder / CONFIG_FILE).is_file():
        raise UsageError(f"{folder}: no {CONFIG_FILE} in it; give the folder of a run, runs/NAME")
    config = read_config(folder / CONFIG_FILE)
    summary = read_json(folder / SUMMARY)
    # One process whatever the training had: the same samples in the same batches every time.
    runtime = replace(config.runtime, devices=1, strategy="auto")
    fabric = make_fabric(runtime)
    parts = compose(config, fabric)
    chosen = load_chosen(parts.model, folder)
    model = parts.model.to(fabric.device)
    test = evaluate(model, parts.test, parts.encode, fabric=fabric, seed=config.seed)
    told = (summary["test_correct"], summary["test_total"])
    print(
        f"test accuracy {test.accuracy:.2%} ({test.correct} of {test.total}), weights of epoch {chosen.epoch}"
    )
    if (test.correct, test.total) == told:
        print(f"the same as in {folder / SUMMARY}")
        return 0
    print(
        f"{folder / SUMMARY} has {told[0]} of {told[1]}: another device, version or data than in the training?"
    )
    return 1


def parse_run(argv: Sequence[str]) -> Path:
    """The folder that is named."""
    parser = ArgumentParser(
        prog="snnpd evaluate",
        description="Reads the test accuracy of a finished run again, to the last sample.",
        exit_on_error=False,
    )
    parser.add_argument("run", metavar="RUN", type=str, help="Folder of the run.")
    try:
        return Path(parser.parse_args(list(argv)).run)
    except ArgumentError as error:
        raise UsageError(f"{error}; say `snnpd evaluate RUN`, RUN the folder of a run") from error
