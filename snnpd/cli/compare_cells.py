"""One cell of a comparison, from settings to figures: what a process does."""

import hashlib
import json
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from lightning_fabric import Fabric
from torch import nn

import snnpd
from snnpd.atomic import write_atomic
from snnpd.cli.compare_plan import settings_of
from snnpd.cli.compose import Parts, compose
from snnpd.cli.options import CONFIG_FILE
from snnpd.comparison.converted import convert
from snnpd.comparison.grid import Row, Setting
from snnpd.comparison.inherited import inherit
from snnpd.comparison.measures import Bench, attention_figures, attention_maps, noise_curve, score, warm_up
from snnpd.comparison.memory import peak_memory
from snnpd.comparison.quantised import bits_of, quantisation_off, quantise
from snnpd.comparison.quantised_energy import narrowed
from snnpd.energy import report
from snnpd.training import Config, Fitted, fit, load_chosen, make_fabric
from snnpd.training.config import to_yaml
from snnpd.training.files import read_json, write_json
from snnpd.training.metrics import METRICS, read_metrics
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
    root: Path
    samples: int
    source: "CellOrder | None" = None
    with_maps: bool = False

    @property
    def training(self) -> str:
        """A hash of everything that the trained weights depend on, the code apart."""
        method = self.row.what
        source = None if self.source is None else self.source.training
        told = [settings_of(self.config), method.family, method.letters, self.row.time_steps, source]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def fingerprint(self) -> str:
        """That hash, and for a cell what else its figures depend on."""
        return self.training if self.kind == "trial" else f"{self.training}-{self.samples}"

    @property
    def folder(self) -> Path:
        """Where the training has its checkpoints: another folder for other settings."""
        return training_folder(self.root, self.row, self.config, self.training)

    def run(self) -> dict[str, Any]:
        """Trains, and for a cell measures on the test part."""
        fabric = make_fabric(self.config.runtime)
        parts = compose(self.config, fabric)
        parts, told = prepare(self, parts, fabric)
        warm_up(parts.model.to(fabric.device), Bench(parts.train, parts.encode, fabric))
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
    source = order.source
    if method.family == "converted":
        load_chosen(parts.model, source.folder)
        shown_once = replace(parts.encode, time_steps=source.config.time_steps)
        return replace(parts, model=convert(parts.model, parts.train, shown_once)), {}
    ann = compose(source.config, fabric).model
    load_chosen(ann, source.folder)
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
    seconds = [epoch["seconds"] for epoch in read_metrics(order.folder / METRICS)]
    figures = {
        "val_accuracy": fitted.val_accuracy,
        "val_loss": fitted.val_loss,
        "chosen_epoch": fitted.epoch,
        "train_seconds": round(median(seconds) * len(seconds), 2),
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
    in_floats: AbstractContextManager[Any] = quantisation_off(model) if is_quantised else nullcontext()
    with in_floats:
        found = report(
            model, parts.test, encode=parts.encode, max_samples=order.samples, version=snnpd.__version__
        )
    counted = (narrowed(found, model) if is_quantised else found).to_dict()
    kinds: dict[str, float] = {}
    for operation in counted["totals"]["operations"]:
        kinds[operation["kind"]] = kinds.get(operation["kind"], 0.0) + operation["done"]
    return {
        "energy_pj": {name: value["mean"] for name, value in counted["totals"]["energy_pj"].items()},
        "operations": kinds,
        "layers": [{"name": layer["name"], "energy_pj": layer["energy_pj"]} for layer in counted["layers"]],
        "unpriced": sorted(
            {row["function"] for row in counted["unpriced"] if not _is_looked_up(row["layer"])}
        ),
        "num_samples": counted["num_samples"],
    }


def _is_looked_up(layer: str) -> bool:
    """Whether a layer only hands out weights, through a quantiser that is off while operations are counted."""
    return ".parametrizations." in layer


def training_folder(root: Path, row: Row, config: Config, training: str) -> Path:
    """The folder of a training below that of the comparison."""
    return root / "cells" / f"{row.key.replace('/', '-')}-seed{config.seed}-{training}"
