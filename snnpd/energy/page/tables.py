"""Tables of a page: layers, classes of operations, words moved, functions without a price."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from snnpd.energy.page.figures import Part, beyond_operations_pj, done, price_pj, skipped_share, width
from snnpd.energy.page.formats import format_count, format_energy, format_exact, format_price, format_share
from snnpd.energy.page.markup import Html, breakable, element, join
from snnpd.energy.page.notes import Notes, roles_of

_NOTHING = "–"
_NARROW = 5


class Column(NamedTuple):
    """A column: its title, how it sorts, and the cost model that it belongs to, if it does."""

    title: str
    is_number: bool = True
    cost: int | None = None


class Cell(NamedTuple):
    """What a cell shows, and what it sorts by; None sorts behind everything."""

    shown: str
    value: str | float | None


def layer_table(report: Part, notes: Notes) -> Html:
    """All layers with their counts, in the order of the network until someone sorts them."""
    titles = ["firing rate", "mac", "ac", "shift", "other", "skipped"]
    columns = [Column("layer"), Column("alphabet", False), *map(Column, titles)]
    columns += _per_model("energy", report)
    rows = [_layer_row(layer, i, report, notes) for i, layer in enumerate(report["layers"])]
    caption = (
        "Operations per sample, all time steps together; other: compare, and, leading_one. "
        "Sorting by layer restores the network's order."
    )
    return _table("layers", caption, columns, rows, sorted_by=0)


def operation_table(report: Part, notes: Notes) -> Html:
    """Classes of operations with their prices, and what they come to with what memory adds."""
    columns = [Column("kind", False), Column("width"), Column("per sample"), Column("std"), Column("skipped")]
    columns += [*_per_model("price", report), *_per_model("energy", report)]
    rows = [_operation_row(operation, report, notes) for operation in report["totals"]["operations"]]
    footer = [_sum_row(name, report, notes) for name in ("memory", "total")]
    caption = "Over the whole network, by kind and by width of the words."
    return _table("operations", caption, columns, rows, footer)


def word_table(report: Part, notes: Notes) -> Html:
    """Words that are read and written, by what they hold and how wide they are."""
    sums: dict[tuple[str, str, int], float] = defaultdict(float)
    for layer in report["layers"]:
        for access in layer["accesses"]:
            sums[access["what"], access["mode"], access["bits"]] += access["words"]
    rows = [
        [
            Cell(what, what),
            Cell(mode, mode),
            Cell(notes.link(f"{bits}-bit", f"width of {what}", "words"), bits),
            _count(words, f"{mode}s of {what}, {bits}-bit", notes, "words"),
            _count(words * bits, f"bits of {what}, {mode}", notes, "words"),
        ]
        for (what, mode, bits), words in sums.items()
    ]
    columns = [Column("what", False), Column("mode", False), Column("width"), Column("words"), Column("bits")]
    if not rows:
        return _none("No words were counted.")
    return _table("words", "Per sample, all time steps together.", columns, rows)


def unpriced_table(report: Part, notes: Notes) -> Html:
    """Functions that have no price and are in no total, so that nobody takes them for free."""
    rows = [
        [
            Cell(entry["layer"], entry["layer"]),
            Cell(entry["function"], entry["function"]),
            _count(
                entry["elements"], f"elements of {entry['function']} in {entry['layer']}", notes, "unpriced"
            ),
        ]
        for entry in report["unpriced"]
    ]
    columns = [Column("layer", False), Column("function", False), Column("elements")]
    if not rows:
        return _none("Every function of this network has a price or is free by a rule below.")
    return _table("without-price", "In no count and no energy on this page.", columns, rows)


def _layer_row(layer: Part, index: int, report: Part, notes: Notes) -> list[Cell]:
    name, rate, share = layer["name"], layer["firing_rate"], skipped_share(layer)
    why = [*roles_of(layer), f"layer:{index}"]
    kinds = {"mac": ["mac"], "ac": ["ac"], "shift": ["shift"], "other": ["compare", "and", "leading_one"]}
    return [
        Cell(notes.link(breakable(name), layer["type"], f"layer:{index}", exact=name), index),
        Cell(layer["alphabet"] or "analog", layer["alphabet"]),
        Cell(_NOTHING, None)
        if rate is None
        else Cell(
            notes.link(f"{rate:.3f}", f"firing rate of {name}", "rate", exact=format_exact(rate)), rate
        ),
        *(_count(done(layer, kinds[title]), f"{title} of {name}", notes, *why) for title in kinds),
        Cell(_NOTHING, None)
        if share is None
        else Cell(notes.link(format_share(share), f"skipped in {name}", "skipped", *why), share),
        *(
            _energy(layer["energy_pj"][model["name"]], f"energy of {name}", notes, *why, f"cost:{cost}")
            for cost, model in enumerate(report["cost_models"])
        ),
    ]


def _operation_row(operation: Part, report: Part, notes: Notes) -> list[Cell]:
    name = f"{operation['kind']}, {width(operation)}"
    prices = [price_pj(model, operation) for model in report["cost_models"]]
    return [
        Cell(operation["kind"], operation["kind"]),
        Cell(notes.link(width(operation), f"width of {name}", "words"), operation["bits"]),
        _count(operation["done"], name, notes, "spread"),
        _count(operation["std"], f"standard deviation of {name}", notes, "spread"),
        _count(operation["skipped"], f"skipped of {name}", notes, "skipped"),
        *(
            Cell(notes.link(format_price(price), f"price of {name}", f"cost:{cost}"), price)
            for cost, price in enumerate(prices)
        ),
        *(
            _energy(price * operation["done"], f"energy of {name}", notes, "price", f"cost:{cost}")
            for cost, price in enumerate(prices)
        ),
    ]


def _sum_row(name: str, report: Part, notes: Notes) -> list[Cell]:
    cells = [Cell(name, None), *(Cell("", None) for _ in range(4 + len(report["cost_models"])))]
    for cost, model in enumerate(report["cost_models"]):
        energy = report["totals"]["energy_pj"][model["name"]]["mean"]
        if name == "memory":
            priced = (op["done"] * price_pj(model, op) for op in report["totals"]["operations"])
            energy = beyond_operations_pj("the network", energy, priced)
        cells.append(_energy(energy, f"energy of {name}", notes, f"cost:{cost}", "role:memory", "price"))
    return cells


def _per_model(title: str, report: Part) -> list[Column]:
    return [Column(title, cost=cost) for cost in range(len(report["cost_models"]))]


def _count(count: float, name: str, notes: Notes, *why: str) -> Cell:
    return Cell(notes.link(format_count(count), name, *why, exact=format_exact(count)), count)


def _energy(energy_pj: float, name: str, notes: Notes, *why: str) -> Cell:
    return Cell(
        notes.link(format_energy(energy_pj), name, *why, exact=f"{format_exact(energy_pj)} pJ"), energy_pj
    )


def _none(text: str) -> Html:
    return element("p", text, class_="none")


def _table(
    name: str,
    caption: str,
    columns: Sequence[Column],
    rows: Sequence[Sequence[Cell]],
    footer: Sequence[Sequence[Cell]] = (),
    sorted_by: int | None = None,
) -> Html:
    heads = [
        element(
            "th",
            element("button", column.title, type="button"),
            scope="col",
            data_sort="number" if column.is_number else "text",
            data_cost=column.cost,
            aria_sort="ascending" if i == sorted_by else None,
        )
        for i, column in enumerate(columns)
    ]
    parts = [
        element("thead", element("tr", *heads)),
        element("tbody", *(_row(row, columns) for row in rows)),
    ]
    if footer:
        parts.append(element("tfoot", *(_row(row, columns) for row in footer)))
    look = "wide" if len(columns) > _NARROW else None
    table = element("table", *parts, aria_labelledby=f"caption-{name}", class_=look)
    return join(
        [
            element("p", caption, id=f"caption-{name}", class_="caption"),
            element(
                "div", table, class_="scroll", tabindex=0, role="group", aria_labelledby=f"caption-{name}"
            ),
        ]
    )


def _row(cells: Sequence[Cell], columns: Sequence[Column]) -> Html:
    return element(
        "tr",
        *(
            element(
                "td" if i else "th",
                cell.shown,
                data_value=cell.value,
                data_cost=column.cost,
                class_=_look(cell, column) if i else None,
                scope=None if i else "row",
            )
            for i, (cell, column) in enumerate(zip(cells, columns, strict=True))
        ),
    )


def _look(cell: Cell, column: Column) -> str | None:
    if not column.is_number:
        return None
    return "number" if cell.value else "number nil"
