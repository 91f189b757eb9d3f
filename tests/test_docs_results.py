"""docs/results: the table of its README is that of the summaries beside it, and their pages are theirs."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from snnpd.comparison.page import render
from snnpd.comparison.tables import to_csv, to_markdown

FOLDER = Path(__file__).parents[1] / "docs/results"
SHOWN = ("softmax", "quantised_ternary", "ssa", "bsa", "bipolar_bn_sh", "frozen_bsa", "bsa_inherited")

pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="no docs beside these tests")


def summaries() -> dict[str, dict[str, Any]]:
    return {path.parent.name: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*/summary.json"))}


def results_table() -> str:
    """A line a comparison: its command, its size, and the test accuracy of some rows."""
    lines = [
        f"| comparison | command | rows × seeds | minutes, two processes | {' | '.join(f'`{m}`' for m in SHOWN)} |",
        f"|---|---|---|---|{'---|' * len(SHOWN)}",
    ]
    for name, summary in summaries().items():
        rows = {row["key"].split("/")[0]: row for row in summary["rows"]}
        cells = [accuracy(rows[method]) if method in rows else "–" for method in SHOWN]
        size = f"{len(rows)} × {len(summary['seeds'])}"
        minutes = f"{summary['seconds']['total'] / 60:.0f}"
        head = [f"[{name}]({name}/table.md)", f"`{summary['command']}`", size, minutes]
        lines.append(f"| {' | '.join([*head, *cells])} |")
    return "\n".join(lines)


def accuracy(row: dict[str, Any]) -> str:
    found = row["measures"]["accuracy"]
    return f"{100 * found['mean']:.1f} ± {100 * found['std']:.1f}"


def test_the_table_of_the_readme() -> None:
    text = (FOLDER / "README.md").read_text()
    (written,) = re.findall(r"<!-- results -->\n(.*)\n<!-- /results -->", text, flags=re.DOTALL)
    assert written == results_table()


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
