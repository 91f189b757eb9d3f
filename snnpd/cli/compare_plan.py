"""What a comparison is made of: a recipe, a grid, and the options of the command line over both."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from snnpd.cli.compare_tree import check_tree, listed, numbers, read_tree
from snnpd.cli.compose import load_splits
from snnpd.cli.options import parse_config
from snnpd.cli.recipes import find_recipe
from snnpd.cli.words import whole_name
from snnpd.comparison.grid import Grid, Row, Setting
from snnpd.datasets.splits import Splits
from snnpd.errors import UsageError, unknown
from snnpd.models.table import MODELS, TWINS
from snnpd.registry import accepted_options, resolve
from snnpd.training import Config
from snnpd.training.config import flatten


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
        UsageError: an unknown name, key, method or setting; data that are missing; a setup that cannot be compared.
    """
    over = {key: value for key, value in over.items() if value is not None}
    check_tree(over)
    tree = read_tree(name)
    settings = dict(tree.get("settings", {})) | dict(over.get("settings", {}))
    tree |= over | {"settings": {whole_name(key): value for key, value in settings.items()}}
    base = _config(tree, {})
    _check_base(name, tree, base)
    splits = load_splits(base)
    grid = Grid(
        models=tuple((model, _twin(model)) for model in listed(tree.get("models", base.model.name))),
        methods=tuple(str(method) for method in listed(tree.get("methods", "core"))),
        neurons=tuple(listed(tree.get("neurons", base.model.neuron or "lif"))),
        time_steps=numbers("time_steps", tree.get("time_steps", base.time_steps), 1),
        seeds=numbers("seeds", tree.get("seeds", [0, 1, 2]), 0),
        tuning=_tuning(tree),
        frames=splits.kind == "frames",
    )
    (samples,) = numbers("samples", tree.get("samples", 64), 1)[:1]
    if len(grid.settings) > 1 and base.data.val_fraction == 0:
        raise UsageError(
            f"{name} tunes {', '.join(grid.tuning)}, but data.val_fraction is 0 and nothing is left to choose by; "
            "set it to 0.1 say"
        )
    return Plan(Path(name).stem, tree["recipe"], base, grid, splits, samples, tree)


def _config(tree: Mapping[str, Any], setting: Setting) -> Config:
    """The settings of the recipe, with the comparison's over them, and one that is tried over both."""
    words = [f"--{key}={_word(value)}" for key, value in {**tree["settings"], **setting}.items()]
    return parse_config(words, find_recipe(tree["recipe"]), tree["recipe"])


def _check_base(name: str, tree: Mapping[str, Any], base: Config) -> None:
    """Raises UsageError where rows would not see the same: drawn encodings, or what the grid itself sets."""
    if base.encoding != "direct":
        raise UsageError(
            f"{name} has encoding {base.encoding!r}: an ANN at T = 1 would see one draw where spiking rows see T; "
            "comparisons want encoding 'direct'"
        )
    for setting in ("seed", "time_steps", "model.name", "model.attention", "model.neuron"):
        if setting in tree["settings"] or setting in tree.get("tuning", {}):
            raise UsageError(
                f"{name} sets {setting}, which the grid sets; name {setting.rpartition('.')[2]}s there"
            )


def _tuning(tree: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The values to try, each read as the command line would read it.

    Raises:
        UsageError: a setting that is none of the optimiser's, or a value of another type or out of its range.
    """
    found: dict[str, list[Any]] = {}
    for name, values in tree.get("tuning", {}).items():
        whole = whole_name(name)
        if not whole.startswith("optim."):
            raise UsageError(f"tuning names {whole}; settings of the optimiser are tuned, optim.lr say")
        found[whole] = [flatten(_config(tree, {whole: value}))[whole] for value in values]
    return found


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
