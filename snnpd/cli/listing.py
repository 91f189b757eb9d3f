"""`snnpd models`, `snnpd recipes`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from snnpd.attention.table import ANALOG, SPIKING
from snnpd.cli.recipes import find_recipe, list_recipes, shipped_results
from snnpd.errors import UsageError
from snnpd.models.table import MODELS
from snnpd.neurons.table import NEURONS
from snnpd.registry import resolve

Rows = Iterable[Sequence[str]]


def models(argv: Sequence[str]) -> int:
    """Lists networks, attentions and neurons."""
    _no_options("models", argv)
    _show("networks: --model.name", _described(MODELS))
    _show("attentions of spiking networks: --model.attention", _described(SPIKING))
    _show("attentions of ANN twins: --model.attention", _described(ANALOG))
    _show("neurons: --model.neuron", _described(NEURONS))
    return 0


def recipes(argv: Sequence[str]) -> int:
    """Lists recipes, with what each reached when it was made."""
    _no_options("recipes", argv)
    results = shipped_results()
    _show("recipes: snnpd train --recipe NAME", ([name, *_recipe(name, results)] for name in list_recipes()))
    return 0


def _recipe(name: str, results: Mapping[str, Any]) -> tuple[str, str]:
    tree = yaml.safe_load(find_recipe(name).read_text(encoding="utf-8"))
    what = f"{tree['model']['name']}, {tree['model'].get('attention', 'default')}, {tree['data']['name']}"
    accuracies = results.get(name, {}).get("test_accuracy", [])
    if not accuracies:
        return what, ""
    return what, f"{sum(accuracies) / len(accuracies):.2%} of test, mean of {len(accuracies)} seeds"


def _described(table: Mapping[str, str]) -> Rows:
    for name in sorted(table):
        yield name, _first_line(resolve("name", name, table))


def _first_line(target: Callable[..., Any]) -> str:
    sizes = ""
    if isinstance(target, partial):
        sizes = ", ".join(
            f"{key} {value}" for key, value in target.keywords.items() if isinstance(value, int)
        )
        target = target.func
    line = (target.__doc__ or "").strip().splitlines()[0]
    return f"{line} ({sizes})" if sizes else line


def _show(title: str, rows: Rows) -> None:
    table = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, overflow="ignore")
    for row in rows:
        table.add_row(f"[bold]{row[0]}[/bold]", *row[1:])
    Console(soft_wrap=False).print(table, "")


def _no_options(command: str, argv: Sequence[str]) -> None:
    if argv and argv[0] in ("-h", "--help"):
        print(f"usage: snnpd {command}")
        raise SystemExit(0)
    if argv:
        raise UsageError(f"snnpd {command} takes no options, got {argv[0]!r}")
