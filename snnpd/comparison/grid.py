"""The grid of a comparison: rows, the cells of each (one a seed), and the settings that are tried."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from snnpd.comparison.methods import METHODS, Method, expand_methods
from snnpd.errors import UsageError

Setting = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """A method on a network with a neuron at T: what a table has a line for.

    `spiking_model` is the spiking network, `model` that or its twin; `network` tells it apart from the grid's first.
    """

    method: str
    model: str
    neuron: str | None
    time_steps: int
    spiking_model: str
    network: str | None = None

    @property
    def what(self) -> Method:
        """Its method."""
        return METHODS[self.method]

    @property
    def key(self) -> str:
        """Its name in tables and folders; the network's is left out where it is the first of the grid."""
        parts = [self.network, self.method, self.neuron, f"T{self.time_steps}"]
        return "/".join(part for part in parts if part is not None)


@dataclass(frozen=True)
class Grid:
    """What is compared: models × methods × neurons × T × seeds, and the settings that every row is tuned over.

    `models` are spiking networks and their ANN twins by name. ANN rows have no neuron, and T = 1 unless the data come
    in frames (`frames` is then True). Quantised rows have a T for the number of levels.
    """

    models: tuple[tuple[str, str], ...]
    methods: tuple[str, ...]
    neurons: tuple[str, ...] = ("lif",)
    time_steps: tuple[int, ...] = (4,)
    seeds: tuple[int, ...] = (0, 1, 2)
    tuning: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    frames: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "methods", expand_methods(self.methods))
        for name in ("models", "neurons", "time_steps", "seeds"):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values):
                raise UsageError(f"{name} of the comparison are {list(values)}; give at least one, each once")
        for name, choices in self.tuning.items():
            if not choices:
                raise UsageError(f"tuning of {name} has no value; give some, or leave it out")

    @property
    def settings(self) -> list[Setting]:
        """The settings that are tried: one, empty, where nothing is tuned."""
        return [dict(zip(self.tuning, values, strict=True)) for values in product(*self.tuning.values())]

    @property
    def tuning_seed(self) -> int:
        """The seed on which settings are tried."""
        return self.seeds[0]

    @property
    def rows(self) -> list[Row]:
        """All rows, in the order of the methods."""
        rows: list[Row] = []
        for name in self.methods:
            method = METHODS[name]
            if self.frames and method.family == "converted":
                continue  # rate coding wants a sample that is shown at every step
            for spiking, twin in self.models:
                model = spiking if method.is_spiking and method.family != "converted" else twin
                neurons = self.neurons if method.is_spiking and method.family != "converted" else (None,)
                has_time = self.frames or method.is_spiking or method.family == "quantised"
                network = None if spiking == self.models[0][0] else spiking
                for neuron, steps in product(neurons, self.time_steps if has_time else (1,)):
                    rows.append(Row(name, model, neuron, steps, spiking, network))
        return rows

    def source_of(self, row: Row) -> Row | None:
        """The row whose trained network this one is made from."""
        if row.what.source is None:
            return None
        return self._partner(row, row.what.source)

    def beside(self, row: Row) -> list[tuple[str, Row]]:
        """The questions that a row answers, each with the row that it is looked at beside."""
        pairs = ((question, self._partner(row, other)) for question, other in row.what.beside)
        return [(question, other) for question, other in pairs if other is not None]

    def _partner(self, row: Row, method: str) -> Row | None:
        """The row of another method on the same network at the same T, or at the one T that it has."""
        same = [r for r in self.rows if r.method == method and r.spiking_model == row.spiking_model]
        same = [r for r in same if r.neuron in (None, row.neuron) or row.neuron is None]
        return next((r for r in same if r.time_steps == row.time_steps), same[0] if same else None)


def words_of(setting: Setting) -> str:
    """A setting in a few words: the key of a trial."""
    return ",".join(f"{name.rpartition('.')[2]}={value}" for name, value in setting.items()) or "untuned"
