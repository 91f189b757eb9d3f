"""The file of a comparison: found by name, its keys and the types of its values checked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

import snnpd
from snnpd.cli.recipes import list_recipes
from snnpd.errors import UsageError, unknown

FOLDER = Path(snnpd.__file__).parent / "comparisons"
LISTS = ("methods", "models", "neurons", "time_steps", "seeds")
KEYS = ("recipe", "settings", *LISTS, "tuning", "samples")


def list_comparisons() -> list[str]:
    """The names of the comparisons that are shipped."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def read_tree(name: str) -> dict[str, Any]:
    """What a comparison's file says; a training recipe stands for its comparison with the core methods.

    Raises:
        UsageError: neither a comparison nor a recipe, or a file with other keys or types.
    """
    path = FOLDER / f"{name}.yaml" if name in list_comparisons() else Path(name)
    if not path.is_file():
        if name in list_recipes():
            return {"recipe": name}
        raise unknown("comparison or recipe", name, (*list_comparisons(), *list_recipes()))
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no YAML: {' '.join(str(error).split())}") from None
    if isinstance(tree, Mapping) and "recipe" not in tree and "model" in tree:
        return {"recipe": str(path)}
    if not isinstance(tree, Mapping) or "recipe" not in tree:
        raise UsageError(f"{path} names no recipe; write `recipe: digits-bsa` say, then methods and seeds")
    check_tree(tree, f"{path}: ")
    return dict(tree)


def check_tree(tree: Mapping[str, Any], where: str = "") -> None:
    """Raises UsageError for an unknown key, or a value of another type than the key's."""
    for key, value in tree.items():
        if key not in KEYS:
            raise UsageError(f"{where}{unknown('key', str(key), KEYS)}")
        if key == "recipe" and not isinstance(value, str):
            raise UsageError(f"{where}recipe is {value!r}; give the name of a recipe")
        if key in ("settings", "tuning") and not isinstance(value, Mapping):
            raise UsageError(f"{where}{key} is {value!r}; give settings by name, `optim.lr: ...` say")
        if key in LISTS and not (isinstance(value, str | int | list | tuple) and value not in ("", [], ())):
            raise UsageError(
                f"{where}{key} is {value!r}; give a list, with commas between on the command line"
            )
    for name, values in tree.get("tuning", {}).items():
        if not isinstance(values, list | tuple):
            raise UsageError(f"{where}tuning of {name} is {values!r}; give a list of values to try")


def listed(value: Any) -> list[Any]:
    """A list, whether it was written as one, with commas between, or as a single value."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return list(value) if isinstance(value, list | tuple) else [value]


def numbers(name: str, value: Any, least: int) -> tuple[int, ...]:
    """Whole numbers.

    Raises:
        UsageError: something else, or a number below `least`.
    """
    found = []
    for word in listed(value):
        if isinstance(word, bool | float) or not str(word).lstrip("-").isdigit():
            raise UsageError(f"{name} is {value!r}; give whole numbers, with commas between")
        found.append(int(word))
    if any(number < least for number in found):
        raise UsageError(f"{name} is {value!r}; give whole numbers from {least} upwards")
    return tuple(found)
