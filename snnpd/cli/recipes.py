"""Recipes: settings that reproduce a number, by name, and the numbers that they reached."""

from collections.abc import Mapping
from pathlib import Path
from statistics import mean
from typing import Any

import yaml

import snnpd
from snnpd.errors import UsageError, unknown
from snnpd.training.files import read_json

DEFAULT = "digits-bsa"
FOLDER = Path(snnpd.__file__).parent / "recipes"
RESULTS = FOLDER / "results.json"


def list_recipes() -> list[str]:
    """The names of all recipes that are shipped."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def find_recipe(name_or_path: str) -> Path:
    """The file of a recipe, given by its name or as a path.

    Raises:
        UsageError: neither a recipe's name (the nearest ones are given) nor a file.
    """
    path = Path(name_or_path)
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        if not path.is_file():
            raise UsageError(
                f"recipe {name_or_path}: no such file; `snnpd recipes` lists those that are shipped"
            )
        return path
    if name_or_path not in list_recipes():
        raise unknown("recipe", name_or_path, list_recipes())
    return FOLDER / f"{name_or_path}.yaml"


def shipped_results() -> dict[str, Any]:
    """By recipe, what was reached when the recipes were made: seeds, test accuracies, the twin's recipe."""
    return read_json(RESULTS) if RESULTS.exists() else {}


def twin_figure(summary: Mapping[str, Any]) -> tuple[str, float, int] | None:
    """The recipe of a run's twin, its shipped mean test accuracy, and over how many seeds; None if none is shipped.

    A run that overrode its recipe's data set, network or sizes has no twin.
    """
    results = shipped_results()
    twin = results.get(summary["recipe"], {}).get("twin")
    if twin not in results:
        return None
    tree = yaml.safe_load(find_recipe(summary["recipe"]).read_text(encoding="utf-8"))
    model = tree["model"]
    if (summary["data"], summary["model"]["name"], summary["model"]["options"]) != (
        tree["data"]["name"],
        model["name"],
        model.get("options", {}),
    ):
        return None
    accuracies = results[twin]["test_accuracy"]
    return twin, mean(accuracies), len(accuracies)
