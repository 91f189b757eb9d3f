"""Assumptions: a note for each, and the links that open it beside the numbers that rest on it."""

from collections.abc import Mapping
from dataclasses import dataclass

from snnpd.energy.page.figures import MEMORY, ROLES, Part, width
from snnpd.energy.page.formats import format_count, format_price
from snnpd.energy.page.markup import Html, element, join
from snnpd.errors import UsageError

_TITLES = {
    "unpriced": "Functions without a price",
    "baseline": "Baselines",
    "spread": "Means and spread",
    "rate": "Firing rate",
    "skipped": "Skipped operations",
    "price": "Prices",
    "setting": "What was measured",
    f"role:{MEMORY}": "memory",
    "words": "Words that are moved",
}
_OWN = {
    "price": "Energy is the number of operations times the price of one, summed over all classes; the prices are "
    "the chosen cost model's.",
    "setting": "The network, its parameters, the data and the time steps are those that the report was asked for. "
    "Counts are sums over the time steps and means over the samples.",
    f"role:{MEMORY}": "What the cost model's total holds beyond its operations: reading and writing inputs, weights, "
    "potentials, outputs, scores and values, as far as the cost model prices them.",
}


@dataclass(frozen=True)
class Note:
    """One assumption; those of single layers stand in the panel alone, not in the list."""

    title: str
    body: Html
    is_listed: bool = True


@dataclass(frozen=True)
class Notes:
    """All notes of a page by their ids."""

    notes: Mapping[str, Note]

    def link(self, text: str, name: str, *ids: str, exact: str | None = None) -> Html:
        """A number that opens its notes; `name` says what it is the number of, `exact` has all its digits.

        Raises:
            UsageError: no such note.
        """
        return element(
            "a",
            text,
            href=f"#why-{ids[0]}",
            data_why=self.ids(*ids),
            data_name=name,
            data_exact=exact,
            class_="why",
        )

    def ids(self, *ids: str) -> str:
        """The ids as an attribute holds them, each checked to have its note.

        Raises:
            UsageError: no such note.
        """
        for identifier in ids:
            if identifier not in self.notes:
                raise UsageError(f"the report's rules do not explain {identifier!r}; add it to them")
        return " ".join(ids)

    def listed(self) -> Html:
        """The list of assumptions at the end of the page, and what only the panel shows."""
        return join(
            element(
                "section",
                element("h3", note.title),
                note.body,
                id=f"why-{identifier}",
                class_="note",
                hidden=None if note.is_listed else "",
            )
            for identifier, note in self.notes.items()
        )


def notes_of(report: Part) -> Notes:
    """The notes of a report: its cost models, baselines and rules, and the operations of each layer.

    The report's own words win over the page's (ids `price`, `setting`, `role:memory`).
    """
    notes = {f"cost:{i}": _cost_model(model) for i, model in enumerate(report["cost_models"])}
    for i, baseline in enumerate(report["baselines"]):
        notes[f"baseline:{i}"] = Note(baseline["name"], _list(baseline["assumptions"]))
    for identifier, text in {**_OWN, **report["rules"]}.items():
        if identifier.split() != [identifier]:
            raise UsageError(f"a rule is called {identifier!r}; leave out the spaces")
        notes[identifier] = Note(_title(identifier), element("p", text))
    for i, layer in enumerate(report["layers"]):
        notes[f"layer:{i}"] = Note(layer["name"], _itemised(layer), is_listed=False)
    return Notes(notes)


def roles_of(layer: Part) -> list[str]:
    """The notes of the roles that a layer's operations have, in the order of the roles."""
    found = {operation["role"] for operation in layer["operations"]}
    return [f"role:{role}" for role in ROLES if role in found]


def _title(identifier: str) -> str:
    if identifier in _TITLES:
        return _TITLES[identifier]
    return f"Rule {identifier}" if identifier.isdecimal() else identifier.removeprefix("role:")


def _list(items: list[str]) -> Html:
    return element("ul", *(element("li", item) for item in items))


def _cost_model(model: Part) -> Note:
    prices = [
        (f"{price['kind']}, {width(price)}", format_price(price["energy_pj"])) for price in model["prices"]
    ]
    body = [element("p", model["source"], class_="source"), _list(model["assumptions"]), _pairs(prices)]
    return Note(f"Cost model {model['name']}", join(body))


def _itemised(layer: Part) -> Html:
    lines = [
        (
            f"{operation['role']}: {operation['kind']}, {width(operation)}",
            f"{format_count(operation['done'])} ± {format_count(operation['std'])} done, "
            f"{format_count(operation['skipped'])} skipped",
        )
        for operation in layer["operations"]
    ]
    lines += [
        (
            f"{access['what']}: {access['mode']}, {access['bits']}-bit",
            f"{format_count(access['words'])} words",
        )
        for access in layer["accesses"]
    ]
    return join([element("p", layer["type"], class_="source"), _pairs(lines)])


def _pairs(lines: list[tuple[str, str]]) -> Html:
    terms = (element("div", element("dt", term), element("dd", text)) for term, text in lines)
    return element("dl", *terms, class_="pairs")
