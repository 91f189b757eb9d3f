"""Imports only point down, rooms on one floor do not know each other, and the root folders have no other name."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = [
    {"errors"},
    {"atomic", "shapes", "registry", "jit", "cuda_code"},
    {"spikes", "expansion"},
    {"neurons"},
    {"projections"},
    {"attention", "blocks"},
    {"training", "energy", "analysis"},
    {"comparison"},
    {"models", "datasets"},
    {"cli"},
    {"__main__", "__init__"},
]
SOURCES = sorted(p for folder in ("snnpd", "models", "datasets") for p in (ROOT / folder).rglob("*.py"))


def room_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[1] if parts[0] == "snnpd" else parts[0]


def floor_of(room: str) -> int:
    return next(i for i, rooms in enumerate(FLOORS) if room in rooms)


def imported(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "say the whole name of the module"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_only_point_down(path: Path) -> None:
    here = room_of(path)
    names = imported(ast.parse(path.read_text()))
    if here not in ("cli", "__main__", "__init__"):
        assert not {n for n in names if n == "snnpd" or n.startswith(("snnpd.create_", "snnpd.list_"))}
    assert not {n.split(".")[0] for n in names} & {"models", "datasets"}, "say snnpd.models, snnpd.datasets"
    rooms = {n.split(".")[1] for n in names if n.startswith("snnpd.") and n.split(".")[1] != here}
    rooms &= set().union(*FLOORS)  # `from snnpd import create_model` names no room
    assert not [room for room in rooms if floor_of(room) >= floor_of(here)]


def test_every_source_stands_on_a_floor() -> None:
    assert len(SOURCES) > 30
    assert {room_of(p) for p in SOURCES} <= set().union(*FLOORS)
    assert not (ROOT / "models/__init__.py").exists()
    assert not (ROOT / "datasets/__init__.py").exists()
