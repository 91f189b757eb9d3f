"""docs/comparison.md: its table of methods is the library's own."""

import re
from pathlib import Path

import pytest

from snnpd.cli.compare_tree import list_comparisons
from snnpd.comparison.methods import METHOD_SETS, METHODS

PAGE = Path(__file__).parents[1] / "docs/comparison.md"

pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="no docs beside these tests")


def method_table() -> str:
    lines = ["| method | what | family | beside | in |", "|---|---|---|---|---|"]
    for name, method in METHODS.items():
        beside = (
            ", ".join(f"`{other}`" for other in dict.fromkeys(other for _, other in method.beside)) or "–"
        )
        sets = ", ".join(f"`{one}`" for one, names in METHOD_SETS.items() if name in names)
        lines.append(f"| `{name}` | {method.label} | {method.family} | {beside} | {sets} |")
    return "\n".join(lines)


def test_the_table_of_methods() -> None:
    (written,) = re.findall(r"<!-- methods -->\n(.*)\n<!-- /methods -->", PAGE.read_text(), flags=re.DOTALL)
    assert written == method_table()


def test_comparisons_named_in_the_text_are_shipped() -> None:
    named = set(re.findall(r"snnpd compare ((?:core|ablation)[a-z0-9-]+)", PAGE.read_text()))
    assert named
    assert named <= set(list_comparisons())
