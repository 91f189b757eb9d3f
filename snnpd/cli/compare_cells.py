"""One cell of a comparison, from settings to figures: what a process does."""

import hashlib
import json
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
from torch import nn

import snnpd
from snnpd.atomic import write_atomic
from snnpd.cli.compare_plan import settings_of
from snnpd.cli.compose import Parts, compose
from snnpd.cli.options import CONFIG_FILE
from snnpd.comparison.converted import convert
from snnpd.comparison.grid import Row, Setting, words_of
from snnpd.comparison.inherited import inherit
from snnpd.comparison.measures import Bench, attention_figures, attention_maps, noise_curve, score
from snnpd.comparison.memory import peak_memory
from snnpd.comparison.quantised import bits_of, quantisation_off, quantise
from snnpd.energy import Word, report
from snnpd.training import Config, Fitted, fit, load_chosen, make_fabric
from snnpd.training.config import to_yaml
from snnpd.training.files import read_json, write_json
from snnpd.training.progress import Silent

# What a finished training measured, beside its checkpoints.
TRAINED = "trained.json"


@dataclass(frozen=True)
class CellOrder:
    """A trial or a cell: what is trained, in which folder, and from whose weights."""

    kind: str
    row: Row
    setting: Setting
    config: Config
    folder: Path
    samples: int
    source: tuple[Config, Path] | None = None
    with_maps: bool = False

    @property
    def fingerprint(self) -> str:
        """A hash of everything that the outcome depends on, the code apart."""
        method = self.row.what
        source = None if self.source is None else settings_of(self.source[0])
        told = [settings_of(self.config), method.family, method.letters, self.row.time_steps, source]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]

    def run(self) -> dict[str, Any]:
        """Trains, and for a cell measures on the test part."""
        fabric = make_fabric(self.config.runtime)
        parts = compose(self.config, fabric)
        parts, told = prepare(self, parts, fabric)
        figures: dict[str, Any] = {"setting": self.setting, **told}
        if self.row.what.is_trained:
            figures |= train(self, parts, fabric)
        else:
            figures |= {"train_seconds": 0.0}
        if self.kind == "trial":
            return figures
        return figures | measure(self, parts, fabric)


def prepare(order: CellOrder, parts: Parts, fabric: Fabric) -> tuple[Parts, dict[str, Any]]:
    """Makes the network what the method says: quantised, converted, or with its ANN twin's weights."""
    method = order.row.what
    if method.family == "quantised":
        assert method.letters is not None
        levels = method.letters * order.row.time_steps + 1
        quantise(parts.model, levels, is_signed=method.letters == 2)
        return parts, {"levels": levels, "bits": bits_of(parts.model)}
    if order.source is None:
        return parts, {}
    config, folder = order.source
    if method.family == "converted":
        load_chosen(parts.model, folder)
        shown_once = replace(parts.encode, time_steps=config.time_steps)
        return replace(parts, model=convert(parts.model, parts.train, shown_once)), {}
    ann = compose(config, fabric).model
    load_chosen(ann, folder)
    inherited = inherit(parts.model, ann)
    return parts, {"inherited": inherited.num_copied, "of": inherited.num_parameters}


def train(order: CellOrder, parts: Parts, fabric: Fabric) -> dict[str, Any]:
    """The training, gone on with where it was stopped; one that is finished, as a trial say, is not begun again."""
    done = order.folder / TRAINED
    if done.is_file():
        load_chosen(parts.model, order.folder)
        return read_json(done)
    order.folder.mkdir(parents=True, exist_ok=True)
    write_atomic(order.folder / CONFIG_FILE, to_yaml(order.config).encode())
    with peak_memory(fabric.device) as peak:
        fitted: Fitted = fit(
            parts.model,
            parts.train,
            parts.val,
            order.config,
            folder=order.folder,
            encode=parts.encode,
            fabric=fabric,
            resume=True,
            display=Silent(),
        )
    figures = {
        "val_accuracy": fitted.val_accuracy,
        "val_loss": fitted.val_loss,
        "chosen_epoch": fitted.epoch,
        "train_seconds": round(fitted.seconds, 2),
        "train_memory_mib": peak.mib,
    }
    write_json(done, figures)
    return figures


def measure(order: CellOrder, parts: Parts, fabric: Fabric) -> dict[str, Any]:
    """Everything that is read from the test part."""
    model = parts.model.to(fabric.device)
    bench = Bench(parts.test, parts.encode, fabric, order.config.seed)
    figures = score(model, bench)
    samples = figures.pop("samples")
    looked = attention_figures(model, bench, order.samples)
    samples |= looked.pop("samples")
    figures |= looked
    figures["noise"] = noise_curve(model, bench, figures["accuracy"])
    figures["parameters"] = sum(parameter.numel() for parameter in model.parameters())
    figures["energy"] = count(order, parts, model)
    if order.with_maps:
        figures["maps"] = attention_maps(model, bench)
    return figures | {"samples": samples}


def count(order: CellOrder, parts: Parts, model: nn.Module) -> dict[str, Any]:
    """The energy report, in short: totals, classes of operations, layers; quantised networks in words of their bits."""
    is_quantised = order.row.what.family == "quantised"
    whole: AbstractContextManager[Any] = quantisation_off(model) if is_quantised else nullcontext()
    word = Word(bits_of(model), is_float=False) if is_quantised else None
    with whole:
        counted = report(
            model,
            parts.test,
            encode=parts.encode,
            max_samples=order.samples,
            word=word,
            version=snnpd.__version__,
        ).to_dict()
    kinds: dict[str, float] = {}
    for operation in counted["totals"]["operations"]:
        kinds[operation["kind"]] = kinds.get(operation["kind"], 0.0) + operation["done"]
    return {
        "energy_pj": {name: value["mean"] for name, value in counted["totals"]["energy_pj"].items()},
        "operations": kinds,
        "layers": [{"name": layer["name"], "energy_pj": layer["energy_pj"]} for layer in counted["layers"]],
        "unpriced": sorted({row["function"] for row in counted["unpriced"]}),
        "num_samples": counted["num_samples"],
    }


def folder_of(root: Path, row: Row, seed: int, setting: Setting) -> Path:
    """Where a training has its checkpoints."""
    return root / "cells" / f"{row.key.replace('/', '-')}-seed{seed}-{words_of(setting)}"
