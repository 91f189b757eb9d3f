"""The energy report: tables of a network's operations on real data, as dictionary, text, JSON, CSV and HTML."""

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from snnpd.atomic import write_atomic
from snnpd.energy.costs import COST_MODELS, CostModel, Operation
from snnpd.energy.ledger import Account
from snnpd.energy.page.page import render
from snnpd.energy.records import Tables, dense_energy, energy_of
from snnpd.energy.rule_texts import RULES
from snnpd.energy.scene import Word
from snnpd.errors import unknown

SCHEMA = "snnpd.energy/1"
_FORMATS = {"json": "to_json", "csv": "to_csv", "html": "to_html"}


@dataclass(frozen=True)
class Headline:
    """What was counted."""

    model: str
    data: str
    num_parameters: int
    word: Word
    types: dict[str, str]
    version: str = ""


@dataclass(frozen=True)
class EnergyReport:
    """Operations and energy of one inference, as means over samples.

    Units: pJ; counts for one sample over all of its time steps.
    """

    headline: Headline
    tables: Tables
    costs: tuple[CostModel, ...]

    @cached_property
    def layers(self) -> list[str]:
        """The layers that do something, in the order of the forward pass."""
        names = [account.layer for account in self.tables.done] + list(self.tables.rates)
        return list(dict.fromkeys(names))

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON holds it; `schema` names the version of its form."""
        head = self.headline
        return {
            "schema": SCHEMA,
            "snnpd_version": head.version,
            "model": head.model,
            "data": head.data,
            "num_samples": self.tables.num_samples,
            "time_steps": self.tables.time_steps,
            "num_parameters": head.num_parameters,
            "word": head.word._asdict(),
            "cost_models": [self._cost_model(cost) for cost in self.costs],
            "layers": [self._layer(name) for name in self.layers],
            "totals": {"operations": self._totals(), "energy_pj": self._energies()},
            "baselines": self._baselines(),
            "unpriced": [
                {"layer": layer, "function": function, "elements": elements / self.tables.num_samples}
                for (layer, function), elements in self.tables.unpriced.items()
            ],
            "rules": dict(RULES),
        }

    def to_json(self) -> str:
        """JSON, indented."""
        return json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n"

    def to_csv(self) -> str:
        """A line for each layer, role and class of operation; then words moved, and functions without a price."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        names = [cost.name for cost in self.costs]
        writer.writerow(
            ["layer", "type", "role", "kind", "bits", "is_float", "done", "std", "skipped"]
            + [f"energy_pj_{name}" for name in names]
        )
        for layer in self.to_dict()["layers"]:
            for row in layer["operations"]:
                operation = Operation(row["kind"], row["bits"], row["is_float"])
                energies = [cost.energy_pj(operation) * row["done"] for cost in self.costs]
                writer.writerow([layer["name"], layer["type"], *list(row.values())[:7], *energies])
        self._write_memory(writer)
        for (layer, function), elements in self.tables.unpriced.items():
            writer.writerow([layer, "", "unpriced", function, "", "", elements / self.tables.num_samples])
        return out.getvalue()

    def _write_memory(self, writer: Any) -> None:
        for (layer, access), parts in self.tables.moved.items():
            words = float(self.tables.column(parts).samples.mean())
            row = [layer, "", "memory", f"{access.mode} {access.what}", access.bits, "", words, "", ""]
            writer.writerow(row + [cost.access_price(access) * words for cost in self.costs])

    def to_html(self) -> str:
        """One self-contained page."""
        return render(self.to_dict())

    def save(
        self, folder: Path | str, suffixes: Sequence[str] = tuple(_FORMATS), stem: str = "energy"
    ) -> list[Path]:
        """Writes energy.json, energy.csv and energy.html, or some of them, into a folder, and gives their paths.

        An older file of those that are not written is removed: it would tell of another report.
        """
        Path(folder).mkdir(parents=True, exist_ok=True)
        paths = []
        for suffix, method in _FORMATS.items():
            path = Path(folder) / f"{stem}.{suffix}"
            if suffix in suffixes:
                write_atomic(path, getattr(self, method)().encode())
                paths.append(path)
            else:
                path.unlink(missing_ok=True)
        return paths

    def _layer(self, name: str) -> dict[str, Any]:
        rate = self.tables.rates.get(name)
        return {
            "name": name,
            "type": self.headline.types.get(name, ""),
            "alphabet": None if rate is None else rate.alphabet.name,
            "firing_rate": None if rate is None else rate.spiking / max(rate.elements, 1),
            "operations": [self._operation(account) for account in self.tables.done if account.layer == name],
            "accesses": [
                {
                    "what": access.what,
                    "mode": access.mode,
                    "bits": access.bits,
                    "words": float(self.tables.column(parts).samples.mean()),
                }
                for (layer, access), parts in self.tables.moved.items()
                if layer == name
            ],
            "energy_pj": {cost.name: energy_of(self.tables, cost, name).mean for cost in self.costs},
        }

    def _operation(self, account: Account) -> dict[str, Any]:
        column = self.tables.column(self.tables.done[account])
        skipped = self.tables.column(self.tables.skipped[account])
        return {
            "role": account.role,
            **account.operation._asdict(),
            "done": float(column.samples.mean()),
            "std": float(column.samples.std()),
            "skipped": float(skipped.samples.mean()),
            "steps": (column.steps / self.tables.num_samples).tolist(),
        }

    def _totals(self) -> list[dict[str, Any]]:
        totals: dict[Operation, list[list[Any]]] = {}
        for account, parts in self.tables.done.items():
            both = totals.setdefault(account.operation, [[], []])
            both[0] += parts
            both[1] += self.tables.skipped[account]
        rows = []
        for operation, (done, skipped) in totals.items():
            column = self.tables.column(done).samples
            rows.append(
                {
                    **operation._asdict(),
                    "done": float(column.mean()),
                    "std": float(column.std()),
                    "skipped": float(self.tables.column(skipped).samples.mean()),
                }
            )
        return rows

    def _energies(self) -> dict[str, dict[str, float]]:
        return {cost.name: energy_of(self.tables, cost)._asdict() for cost in self.costs}

    def _cost_model(self, cost: CostModel) -> dict[str, Any]:
        operations = dict.fromkeys(account.operation for account in self.tables.done)
        return {
            "name": cost.name,
            "source": cost.source,
            "assumptions": list(cost.assumptions),
            "prices": [op._asdict() | {"energy_pj": cost.energy_pj(op)} for op in operations],
        }

    def _baselines(self) -> list[dict[str, Any]]:
        products = self.tables.dense_products
        bits = self.activation_bits
        kinds = {
            "ANN, 32-bit floats": (
                Operation("mac", 32, is_float=True),
                "the same linear maps and products once (T = 1), dense, in 32-bit floats",
            ),
            f"ANN, {bits}-bit": (
                Operation("mac", bits),
                f"the same, activations and weights quantised to {bits} bits ({self._why_bits}), sums in 32 bits; "
                "whether it is as accurate has to be measured",
            ),
        }
        return [
            {
                "name": name,
                "assumptions": [text, "no activation functions, no normalisation, no softmax"],
                "operations": [operation._asdict() | {"done": float(products), "std": 0.0, "skipped": 0.0}],
                "energy_pj": {cost.name: dense_energy(self.tables, cost, operation) for cost in self.costs},
            }
            for name, (operation, text) in kinds.items()
        ]

    @property
    def _why_bits(self) -> str:
        if not self.tables.rates:
            return "what ANNs are usually quantised to"
        return f"as many as the activations of T = {self.tables.time_steps} time steps tell apart"

    @property
    def activation_bits(self) -> int:
        """The bits that the spikes of T time steps carry: log2(T n + 1) for n letters but zero, rounded up.

        A network without neurons has 8, what ANNs are usually quantised to.
        """
        letters = [len(rate.alphabet.values) - 1 for rate in self.tables.rates.values()]
        return math.ceil(math.log2(self.tables.time_steps * max(letters) + 1)) if letters else 8


def costs_by_name(names: str | Sequence[str] | None) -> tuple[CostModel, ...]:
    """Cost models by name, with commas between; None is all."""
    from_name = [name.strip() for name in names.split(",")] if isinstance(names, str) else names
    if from_name is None:
        return tuple(COST_MODELS.values())
    for name in from_name:
        if name not in COST_MODELS:
            raise unknown("cost model", name, COST_MODELS)
    return tuple(COST_MODELS[name] for name in from_name)
