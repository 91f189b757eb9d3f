"""The options of `snnpd train`: a recipe, then the command line, read into the one typed tree."""

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import yaml
from jsonargparse import ActionConfigFile, ArgumentParser, set_parsing_settings

from snnpd.cli.recipes import DEFAULT, find_recipe
from snnpd.cli.words import expand, value_of, without
from snnpd.errors import UsageError, unknown
from snnpd.training.config import Config, config_from, differences, flatten
from snnpd.training.files import newest_run_folder

CONFIG_FILE = "config.yaml"


@dataclass(frozen=True)
class Request:
    """What `snnpd train` is asked for; `folder` is the run to resume, None for a new one."""

    config: Config
    recipe: str
    folder: Path | None


def parse_train(argv: Sequence[str]) -> Request:
    """The settings that the recipe and, over it, the command line give.

    Raises:
        UsageError: an unknown option, recipe or value, a run that cannot be resumed or has other settings.
    """
    words = expand(argv)
    recipe, resume = value_of(words, "recipe"), value_of(words, "resume")
    if resume:
        base = Path(resume) / CONFIG_FILE
        if not base.is_file():
            raise UsageError(f"--resume {resume}: no {CONFIG_FILE} in it; give the folder of a run")
    else:
        base = find_recipe(recipe or DEFAULT)
    name = recipe_name(recipe, base)
    config = parse_config(words, base, name)
    if resume is None:
        return Request(config, name, None)
    folder = Path(resume) if resume else newest_run_folder(Path(config.out_dir), str(config.name))
    if not resume and recipe is None and (folder / CONFIG_FILE).is_file():
        # No recipe was named: the run's own settings are the base, so that its name is enough to go on.
        config = parse_config(words, folder / CONFIG_FILE, name)
    check_same(folder, config)
    return Request(config, name, folder)


def parse_config(words: Sequence[str], base: Path, recipe: str) -> Config:
    """The settings in file `base`, overridden by `words`; the name of the run is by default that of recipe and seed.

    Raises:
        UsageError: an unknown key in the file, or a value of another type or out of its range.
    """
    check_keys(base)
    parser = make_parser()
    rest = without(words, ("recipe", "resume"))
    try:
        tree = parser.parse_args([f"--recipe={base}", *rest]).as_dict()
    except argparse.ArgumentError as error:
        raise explain(str(error)) from error
    tree.pop("recipe")
    config: Config = config_from(tree)
    return config if config.name else config_from(tree | {"name": f"{recipe}-seed{config.seed}"})


def make_parser() -> ArgumentParser:
    """The parser of `snnpd train`; its help is the documentation of all settings."""
    set_parsing_settings(docstring_parse_attribute_docstrings=True)
    parser = ArgumentParser(
        prog="snnpd train",
        description="Trains a network. The last part of a name is enough where it is unique: --epochs 5, --lr 1e-3.",
        exit_on_error=False,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--recipe",
        action=ActionConfigFile,
        help=f"Recipe, by name (`snnpd recipes` lists them) or as a YAML file; other options override it. "
        f"(default: {DEFAULT})",
    )
    parser.add_argument(
        "--resume",
        nargs="?",
        metavar="RUN",
        default=argparse.SUPPRESS,
        help="Go on with a run that was stopped: its folder, or, without a value, the newest of that --name.",
    )
    parser.add_class_arguments(Config)
    return parser


def recipe_name(recipe: str | None, base: Path) -> str:
    """The name that a run has from its recipe; a resumed run's own file is none."""
    return Path(recipe or DEFAULT).stem if base.name != CONFIG_FILE else base.parent.name


def check_keys(path: Path) -> None:
    """Raises UsageError, naming the nearest key, unless a YAML file holds settings only."""
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise UsageError(f"{path} is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(tree, Mapping):
        raise UsageError(f"{path} holds no settings; write one a line, `seed: 0` say")
    for key, value in tree.items():
        part = get_type_hints(Config).get(key)
        inner = (
            [f"{key}.{name}" for name in value]
            if is_dataclass(part) and isinstance(value, Mapping)
            else [key]
        )
        for name in inner:
            if name not in {*flatten(Config()), *get_type_hints(Config)}:
                raise UsageError(f"{path}: {unknown('setting', str(name), flatten(Config()))}")


def read_config(path: Path) -> Config:
    """The settings in a run's own file.

    Raises:
        UsageError: it is damaged.
    """
    check_keys(path)
    return config_from(yaml.safe_load(path.read_text(encoding="utf-8")))


def check_same(folder: Path, config: Config) -> None:
    """Raises UsageError, with the list, if a run was begun with settings that could give other weights."""
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise UsageError(f"{folder} has no {CONFIG_FILE}; it was stopped before it began, so train anew")
    changed = differences(read_config(path), config)
    if changed:
        raise UsageError(
            f"cannot resume {folder} with other settings: {'; '.join(changed)} (its own → asked for); "
            f"leave them out, or train anew without --resume"
        )


def explain(message: str) -> UsageError:
    """One line for what the parser refused: the setting, the value found, what it takes."""
    found = re.search(r'[Kk]ey "([\w.]+)".*(?:Got|Given) value: (.*?)(?:\n|$)', message, flags=re.DOTALL)
    name = found[1] if found else ""
    if not found or name not in flatten(Config()):
        return UsageError(" ".join(message.split()))
    choices = get_args(_type_of(name))
    if choices and all(isinstance(choice, str) for choice in choices):
        return unknown(name, found[2], choices)
    words = {int: "a whole number", float: "a number", str: "a word"}
    kinds = [words.get(kind, str(kind)) for kind in (choices or (_type_of(name),)) if kind is not type(None)]
    return UsageError(f"{name} is {found[2]!r}; give {' or '.join(kinds)}")


def _type_of(name: str) -> Any:
    kind: Any = Config
    for part in name.split("."):
        kind = get_type_hints(kind)[part]
    return kind
