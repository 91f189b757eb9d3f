"""What the page shows, worked out from the report: energies by role, what memory adds, shares."""

from collections.abc import Iterable, Mapping
from typing import Any

from snnpd.errors import UsageError, unknown

Part = Mapping[str, Any]

SCHEMA = "snnpd.energy/1"
ROLES = ("linear", "product", "shiftmax", "values", "neuron", "pool", "residual", "gate", "norm")
MEMORY = "memory"
_ROUNDING = 1e-6


def check_schema(report: Part) -> None:
    """Raises UsageError where the report is none that this version draws."""
    if report.get("schema") != SCHEMA:
        raise UsageError(
            f"a report of schema {report.get('schema')!r}, not {SCHEMA!r}; make the report again"
        )


def price_pj(model: Part, operation: Part) -> float:
    """What one such operation costs.

    Raises:
        UsageError: the cost model lists no price of it.
    """
    for price in model["prices"]:
        if all(price[key] == operation[key] for key in ("kind", "bits", "is_float")):
            return float(price["energy_pj"])
    wanted = f"{operation['kind']} on {width(operation)} words"
    raise UsageError(f"cost model {model['name']!r} lists no price of {wanted}; add it to its prices")


def width(operation: Part) -> str:
    """The width of the words, such as `8-bit` or `32-bit float`."""
    return f"{operation['bits']}-bit{' float' if operation['is_float'] else ''}"


def energy_by_role_pj(layer: Part, model: Part) -> dict[str, float]:
    """A layer's energy by what it is spent on; what its total holds beyond its operations is memory's.

    Raises:
        UsageError: a role that nobody knows, or operations that cost more than the layer's total.
    """
    spent = dict.fromkeys(ROLES, 0.0)
    for operation in layer["operations"]:
        if operation["role"] not in spent:
            raise unknown("role", operation["role"], ROLES)
        spent[operation["role"]] += operation["done"] * price_pj(model, operation)
    memory = beyond_operations_pj(
        f"layer {layer['name']!r}", layer["energy_pj"][model["name"]], spent.values()
    )
    return {role: energy for role, energy in {**spent, MEMORY: memory}.items() if energy}


def beyond_operations_pj(where: str, total_pj: float, operations_pj: Iterable[float]) -> float:
    """What a total holds beyond the energies of its operations; 0 within rounding.

    Raises:
        UsageError: the operations cost more than the total.
    """
    spent = sum(operations_pj)
    if spent > total_pj * (1 + _ROUNDING):
        raise UsageError(
            f"{where} has operations of {spent:g} pJ in a total of {total_pj:g}; make the report again"
        )
    return total_pj - spent if total_pj > spent * (1 + _ROUNDING) else 0.0


def done(layer: Part, kinds: Iterable[str]) -> float:
    """How many operations of these kinds a layer does."""
    return sum(operation["done"] for operation in layer["operations"] if operation["kind"] in kinds)


def skipped_share(layer: Part) -> float | None:
    """Skipped operations among those done and skipped; None where there are neither."""
    skipped = sum(operation["skipped"] for operation in layer["operations"])
    total = skipped + sum(operation["done"] for operation in layer["operations"])
    return skipped / total if total else None
