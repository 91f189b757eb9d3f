"""`snnpd datasets inspect NAME`: a look at a data set without training."""

import argparse
from collections.abc import Mapping, Sequence
from inspect import cleandoc, signature
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from rich.console import Console
from rich.table import Table
from torch import Tensor

from snnpd import create_dataset
from snnpd.analysis import plot_samples
from snnpd.datasets.progress import track_slow
from snnpd.datasets.splits import Splits
from snnpd.datasets.table import DATASETS
from snnpd.errors import UsageError
from snnpd.registry import resolve

# Statistics are of this many samples at most, at equal distance: an epoch of a large set takes minutes.
_LOOKED_AT = 512
_CLASSES_SHOWN = 12
_MOST_DRAWN = 64


def inspect(argv: Sequence[str]) -> int:
    """Statistics and a picture of samples of one data set, without training."""
    parser = argparse.ArgumentParser(prog="snnpd datasets inspect", description=inspect.__doc__)
    parser.add_argument("name", help="a name that `snnpd datasets` lists")
    parser.add_argument("--root", help="folder of its files")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="OPTION=VALUE", help="options of the data set"
    )
    parser.add_argument("--samples", type=int, default=8, help="how many the picture shows (default 8)")
    parser.add_argument("--out", type=Path, help="the picture (default NAME.png)")
    if set(argv) & {"-h", "--help"} and set(argv) & set(DATASETS):
        return explain(next(word for word in argv if word in DATASETS))
    options = parser.parse_args(argv)
    if not 1 <= options.samples <= _MOST_DRAWN:
        raise UsageError(f"--samples is {options.samples}; give 1 to {_MOST_DRAWN}")
    png = _picture(options.out or Path(f"{options.name}.png"))
    given = _options(options.set) | ({} if options.root is None else {"root": options.root})
    splits = create_dataset(options.name, **given)
    console = Console()
    console.print(f"[bold]{splits.name}[/bold]: {splits.kind}, {splits.num_classes} classes", highlight=False)
    console.print(_parts(splits), "")
    console.print("as a network gets them, without augmentation")
    console.print(_statistics(splits), "")
    draw(splits, options.samples, png)
    train: Any = splits.train
    print(f"{min(options.samples, len(train))} samples of the train part: {png}")
    return 0


def _picture(path: Path) -> Path:
    if path.suffix != ".png" or path.is_dir() or not path.parent.is_dir():
        raise UsageError(f"--out is {path}; give a file that ends in .png, in a folder that is there")
    return path


def explain(name: str) -> int:
    """Prints what a data set is, and its options with their defaults."""
    factory = resolve("data set", name, DATASETS)
    print(cleandoc(factory.__doc__ or ""), end="\n\n")
    print(f"options of {name}, as --set OPTION=VALUE here and --data.options.OPTION VALUE in training:")
    for option in signature(factory).parameters.values():
        print(f"  {option.name} = {option.default!r}")
    return 0


def _options(words: Sequence[str]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for word in words:
        key, is_pair, value = word.partition("=")
        if not is_pair:
            raise UsageError(f"--set {word!r}; write OPTION=VALUE")
        *path, last = key.split(".")
        place = options
        for part in path:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise UsageError(f"--set {word!r}: {part!r} has a value already")
        try:
            place[last] = _number(yaml.safe_load(value))
        except yaml.YAMLError as error:
            raise UsageError(
                f"--set {word!r}: its value is no YAML; quote it or close its brackets"
            ) from error
    return options


def _number(value: object) -> object:
    """To YAML 1e-3, without a point, is text."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _parts(splits: Splits) -> Table:
    """How many samples of each class each part has."""
    table = Table(box=None)
    parts = {name: part for name in ("train", "val", "test") if (part := getattr(splits, name)) is not None}
    table.add_column("class")
    for name in parts:
        table.add_column(name, justify="right")
    counts = {n: np.bincount(part.labels, minlength=splits.num_classes) for n, part in parts.items()}
    for number, name in islice(enumerate(splits.class_names), _CLASSES_SHOWN):
        table.add_row(name, *(str(count[number]) for count in counts.values()))
    if splits.num_classes > _CLASSES_SHOWN:
        rest = [f"{count.min()} to {count.max()} each" for count in counts.values()]
        table.add_row(f"... {splits.num_classes - _CLASSES_SHOWN} more", *rest)
    table.add_row("[bold]all[/bold]", *(f"[bold]{len(part)}[/bold]" for part in parts.values()))
    return table


def _statistics(splits: Splits) -> Table:
    """Shapes and values of samples as a network gets them, without augmentation."""
    source: Any = splits.val or splits.test
    chosen = np.linspace(0, len(source) - 1, min(_LOOKED_AT, len(source))).round().astype(int).tolist()
    seen = _Seen()
    for i in track_slow(chosen, f"reading {splits.name}"):
        seen.add(source[i][0])
    table = Table(box=None, show_header=False, pad_edge=False)
    for key, value in seen.figures().items():
        table.add_row(key, value)
    return table


class _Seen:
    """Figures of samples that are seen one after the other: a few hundred large ones would fill the memory."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.num = self.zeros = 0
        self.total = self.squares = 0.0
        self.low, self.high = float("inf"), -float("inf")
        self.by_step: list[Tensor] = []

    def add(self, sample: Tensor) -> None:
        """Counts one sample."""
        values = sample.double()
        self.shapes.append(tuple(sample.shape))
        self.num += values.numel()
        self.zeros += int((values == 0).sum())
        self.total += float(values.sum())
        self.squares += float(values.square().sum())
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        if sample.ndim == 4:
            self.by_step.append((sample != 0).double().mean((1, 2, 3)))

    def figures(self) -> Mapping[str, str]:
        """The figures in words."""
        mean = self.total / self.num
        deviation = max(self.squares / self.num - mean**2, 0.0) ** 0.5
        lengths = sorted({shape[0] for shape in self.shapes})
        figures = {"samples looked at": str(len(self.shapes))}
        if len(set(self.shapes)) == 1:
            figures["shape"] = " × ".join(map(str, self.shapes[0]))
        else:
            rest = " × ".join(map(str, self.shapes[0][1:]))
            what = "tokens" if len(self.shapes[0]) == 2 else "steps"
            figures["shape"] = f"{lengths[0]} to {lengths[-1]} {what} × {rest}"
        figures["mean, deviation"] = f"{mean:.3f}, {deviation:.3f}"
        figures["range"] = f"{self.low:.3f} to {self.high:.3f}"
        figures["zeros"] = f"{self.zeros / self.num:.1%}"
        if self.by_step and len(lengths) == 1:
            shares = torch.stack(self.by_step).mean(0).tolist()
            figures["not zero, by step"] = "  ".join(f"{share:.1%}" for share in shares)
        return figures


def draw(splits: Splits, count: int, png: Path) -> None:
    """The first samples of the train part, one class after the other, in the units that they had."""
    train: Any = splits.train
    by_class = [np.flatnonzero(train.labels == number).tolist() for number in range(splits.num_classes)]
    rounds = (indices[turn] for turn in range(len(train)) for indices in by_class if turn < len(indices))
    chosen = list(islice(rounds, count))
    samples = [train[i][0] for i in chosen]
    if hasattr(train, "standard"):
        # Undone, so that pictures have their colours and series their units.
        samples = [train.standard.undo(sample) for sample in samples]
    plot_samples(samples, [splits.class_names[int(train.labels[i])] for i in chosen], png)
