"""What a comparison is made of: a recipe, a grid, and the options of the command line over both."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

import snnpd
from snnpd.cli.compose import load_splits
from snnpd.cli.options import parse_config
from snnpd.cli.recipes import find_recipe, list_recipes
from snnpd.cli.words import whole_name
from snnpd.comparison.grid import Grid, Row, Setting
from snnpd.datasets.splits import Splits
from snnpd.errors import UsageError, unknown
from snnpd.models.table import MODELS, TWINS
from snnpd.registry import accepted_options, resolve
from snnpd.training import Config
from snnpd.training.config import flatten

FOLDER = Path(snnpd.__file__).parent / "comparisons"
KEYS = ("recipe", "settings", "methods", "models", "neurons", "time_steps", "seeds", "tuning", "samples")


@dataclass(frozen=True)
class Plan:
    """A comparison before it runs.

    `base` are the settings that all share, `samples` how many test samples operations are counted on.
    """

    name: str
    recipe: str
    base: Config
    grid: Grid
    splits: Splits
    samples: int = 64
    tree: dict[str, Any] = field(default_factory=dict)

    def config(self, row: Row, seed: int, setting: Setting, mlp_ratio: float | None = None) -> Config:
        """The settings of a training."""
        model = replace(
            self.base.model,
            name=row.model,
            attention=row.what.attention,
            neuron=row.neuron,
            options=self._model_options(row, mlp_ratio),
        )
        steps = row.time_steps if row.what.family != "quantised" or self.grid.frames else 1
        return set_all(
            replace(self.base, model=model, seed=seed, time_steps=steps, name=row.key.replace("/", "-")),
            setting,
        )

    def _model_options(self, row: Row, mlp_ratio: float | None) -> dict[str, Any]:
        base, method = self.base.model, row.what
        takes = accepted_options(resolve("model", row.model, MODELS))
        options = {
            name: value for name, value in base.options.items() if name in takes
        } | method.model_options
        # Those of the recipe are for the recipe's own attention.
        own = options.pop("attention_options", {}) if method.attention == base.attention else {}
        options.pop("attention_options", None)
        if own or method.attention_options:
            options["attention_options"] = own | method.attention_options
        return options if mlp_ratio is None else options | {"mlp_ratio": mlp_ratio}


def make_plan(name: str, over: Mapping[str, Any]) -> Plan:
    """The plan of a comparison by name or file, or of a training recipe, with the core methods.

    `over` wins over what the file says.

    Raises:
        UsageError: an unknown name, key, method or setting; data that are missing.
    """
    for key in over:
        if key not in KEYS:
            raise unknown("option of a comparison", key, KEYS)
    tree = read_tree(name) | {
        key: value for key, value in over.items() if value is not None and key != "settings"
    }
    tree["settings"] = dict(tree.get("settings", {})) | dict(over.get("settings") or {})
    tree["settings"] = {whole_name(key): value for key, value in tree["settings"].items()}
    words = [f"--{key}={_word(value)}" for key, value in tree["settings"].items()]
    base = parse_config(words, find_recipe(tree["recipe"]), tree["recipe"])
    splits = load_splits(base)
    for setting in tree.get("tuning", {}):
        if setting not in flatten(base):
            raise unknown("setting to tune", setting, flatten(base))
    grid = Grid(
        models=tuple((model, _twin(model)) for model in _listed(tree.get("models", [base.model.name]))),
        methods=tuple(_listed(tree.get("methods", "core"))),
        neurons=tuple(_listed(tree.get("neurons", [base.model.neuron or "lif"]))),
        time_steps=_numbers("time_steps", tree.get("time_steps", [base.time_steps]), 1),
        seeds=_numbers("seeds", tree.get("seeds", [0, 1, 2]), 0),
        tuning=tree.get("tuning", {}),
        frames=splits.kind == "frames",
    )
    (samples,) = _numbers("samples", tree.get("samples", 64), 1)
    if len(grid.settings) > 1 and base.data.val_fraction == 0:
        raise UsageError(
            f"{name} tunes {', '.join(grid.tuning)}, but data.val_fraction is 0 and nothing is left to choose by; "
            "set it to 0.1 say"
        )
    return Plan(Path(name).stem, tree["recipe"], base, grid, splits, samples, tree)


def read_tree(name: str) -> dict[str, Any]:
    """What a comparison's file says; a training recipe stands for its comparison with the core methods."""
    shipped = {path.stem: path for path in FOLDER.glob("*.yaml")}
    path = shipped.get(name, Path(name))
    if name not in shipped and not path.is_file():
        if name in list_recipes():
            return {"recipe": name}
        raise unknown("comparison or recipe", name, (*shipped, *list_recipes()))
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise UsageError(f"{path} is no YAML: {' '.join(str(error).split())}") from None
    if isinstance(tree, Mapping) and "recipe" not in tree and "model" in tree:
        return {"recipe": str(path)}
    if not isinstance(tree, Mapping) or "recipe" not in tree:
        raise UsageError(f"{path} names no recipe; write `recipe: digits-bsa` say, then methods and seeds")
    for key in tree:
        if key not in KEYS:
            raise UsageError(f"{path}: {unknown('key', str(key), KEYS)}")
    return dict(tree)


def list_comparisons() -> list[str]:
    """The names of the comparisons that are shipped."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def set_all(config: Config, setting: Setting) -> Config:
    """The settings with some of them, by dotted name, exchanged."""
    for name, value in setting.items():
        part, _, last = name.rpartition(".")
        inner = replace(getattr(config, part), **{last: value}) if part else None
        config = replace(config, **({part: inner} if part else {last: value}))
    return config


def settings_of(config: Config) -> dict[str, Any]:
    """What can change a weight, as plain types: what a fingerprint is made of."""
    tree = asdict(config)
    for name in ("name", "out_dir", "report"):
        tree.pop(name)
    tree["runtime"] = {"precision": config.runtime.precision}
    return tree


def _word(value: Any) -> str:
    """A value as the command line takes it."""
    return value if isinstance(value, str) else json.dumps(value)


def _twin(model: str) -> str:
    if model not in TWINS:
        raise unknown("spiking network with an ANN twin", model, TWINS)
    return TWINS[model]


def _numbers(name: str, value: Any, least: int) -> tuple[int, ...]:
    try:
        found = tuple(int(number) for number in _listed(value))
    except (TypeError, ValueError):
        raise UsageError(f"{name} are {value!r}; give whole numbers, with commas between") from None
    if any(number < least for number in found):
        raise UsageError(f"{name} are {value!r}; give whole numbers from {least} upwards")
    return found


def _listed(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return list(value) if isinstance(value, list | tuple) else [value]
