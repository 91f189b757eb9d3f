"""docs/results: the tables of its README are those of the summaries beside it, and their pages are theirs."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from snnpd.comparison.page import render
from snnpd.comparison.tables import to_csv, to_markdown
from tests.results_tables import ABLATION, ablation_table, bn_sh_table, results_table

FOLDER = Path(__file__).parents[1] / "docs/results"

pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="no docs beside these tests")


def summaries() -> dict[str, dict[str, Any]]:
    return {path.parent.name: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*/summary.json"))}


def tables() -> dict[str, str]:
    """Every generated table of the README by the name of its mark."""
    found = summaries()
    return {
        "results": results_table(found),
        "ablation": ablation_table(found[ABLATION]),
        "bn_sh": bn_sh_table(found),
    }


@pytest.mark.parametrize("name", ["results", "ablation", "bn_sh"])
def test_the_tables_of_the_readme(name: str) -> None:
    text = (FOLDER / "README.md").read_text()
    (written,) = re.findall(rf"<!-- {name} -->\n(.*)\n<!-- /{name} -->", text, flags=re.DOTALL)
    assert written == tables()[name]


def test_pages_and_tables_are_those_of_the_summaries() -> None:
    assert summaries()
    for name, summary in summaries().items():
        for file, write in (("page.html", render), ("table.md", to_markdown), ("table.csv", to_csv)):
            assert (FOLDER / name / file).read_text() == write(summary), (
                f"{name}/{file}: snnpd compare --report-only"
            )


def test_every_row_has_its_seeds() -> None:
    for summary in summaries().values():
        assert {row["status"] for row in summary["rows"]} == {"done"}
