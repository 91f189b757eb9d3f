"""Tables hold what the summary says, in every form, whatever the rows are called."""

import csv
import io
import re

import pytest
from rich.console import Console

from snnpd.comparison.tables import latex, pairs_csv, to_csv, to_latex, to_markdown, to_text
from snnpd.errors import UsageError
from tests.comparison.summaries import make_pair, make_row, make_summary

HOSTILE = r"50%_of {A&B} \end{table} $x^2$ ~#|<b> [red]" + "\nnext"


def planted():
    rows = [
        make_row(
            "softmax", family="ann", accuracy=0.971, pj=2.5e6, other_pj=9e6, ece=0.015, parameters=25866
        ),
        make_row(
            "bsa", "BSA", accuracy=0.9583, pj=0.5e6, other_pj=10e6, firing_rate=0.1534, head_distance=0.8
        ),
        make_row("ssa", "A²OS²A", seeds=1, accuracy=0.94, pj=3e6),
        make_row("qk", "QK", seeds=0),
    ]
    rows[2]["reasons"] = ["seed 1: TrainingError: the loss is not finite", "seed 2: no memory, none"]
    rows[3] |= {"status": "failed", "reasons": [f"seed {seed}: no gradient" for seed in range(3)]}
    return make_summary(rows, [make_pair("twin", "bsa", "softmax", (-0.03, 0.01), "no difference shown")])


def shown(summary, width, **options):
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    console.print(to_text(summary, width, **options))
    return console.file.getvalue()


def cells(line):
    return re.split(r"\s{2,}", line.strip())


def test_text_of_a_wide_screen_has_every_column():
    lines = shown(planted(), 150).splitlines()
    assert cells(next(line for line in lines if "method" in line))[-6:] == [
        "energy, µJ",
        "ratio",
        "firing rate",
        "ECE, %",
        "head distance",
        "parameters",
    ]
    bsa = next(line for line in lines if line.lstrip().startswith("BSA"))
    assert cells(bsa) == ["BSA", "4", "95.8 ± 1.0", "93.8–97.8", "0.500", "0.200", "0.153", "–", "0.80", "–"]
    softmax = next(line for line in lines if line.lstrip().startswith("softmax"))
    assert cells(softmax)[4:] == ["2.50", "1.00", "–", "1.5", "–", "25,866"]


@pytest.mark.parametrize("width", [40, 60, 80, 100])
def test_text_stays_within_the_screen_and_keeps_the_columns_that_matter(width):
    text = shown(planted(), width)
    assert max(map(len, text.splitlines())) <= width
    for word in ("method", "accuracy, %", "95.8 ± 1.0", "failed"):
        assert word in text
    assert ("ratio" in text.partition("method")[2]) == (width >= 80)


def test_what_is_not_whole_stands_below_the_table_with_its_reason():
    below = shown(planted(), 150).splitlines()[-2:]
    assert below == [
        "A²OS²A: 1 of 3 seeds (seed 1: TrainingError: the loss is not finite; seed 2: no memory, none)",
        "QK: failed (seeds 0, 1, 2: no gradient)",
    ]


def test_another_cost_model_changes_energies_and_ratios():
    text = shown(planted(), 150, cost="far")
    bsa = next(line for line in text.splitlines() if line.lstrip().startswith("BSA"))
    assert cells(bsa)[4:6] == ["10.0", "1.11"]
    assert "under far" in text
    with pytest.raises(UsageError, match="unknown cost model 'farr'; did you mean 'far'"):
        to_markdown(planted(), "farr")


def test_csv_has_every_measure_of_every_row():
    lines = list(csv.DictReader(io.StringIO(to_csv(planted()))))
    assert [line["status"] for line in lines] == ["done", "done", "partial", "failed"]
    assert float(lines[1]["energy_pj.far.mean"]) == 10e6
    assert float(lines[1]["accuracy_low"]) == pytest.approx(0.9383)
    assert [lines[2][name] for name in ("seeds", "accuracy.std", "energy_pj.far.mean")] == ["0", "", ""]
    assert lines[3]["reasons"].count("no gradient") == 3
    measures = {name for row in planted()["rows"] for name in row["measures"]}
    assert {name.removesuffix(".mean") for name in lines[0] if name.endswith(".mean")} == measures


def test_csv_of_pairs_has_interval_p_values_and_verdict():
    (line,) = csv.DictReader(io.StringIO(pairs_csv(planted())))
    assert [line[name] for name in ("first", "second", "low", "high")] == ["bsa", "softmax", "-0.03", "0.01"]
    assert [line[name] for name in ("p", "p_holm", "p_seeds", "verdict")] == [
        "0.4",
        "0.8",
        "0.4",
        "no difference shown",
    ]


def test_markdown_is_a_table_of_equal_lines():
    text = to_markdown(planted())
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + 4
    assert {line.count("|") for line in lines} == {11}
    assert "| BSA | 4 | 95.8 ± 1.0 | 93.8–97.8 | 0.500 | 0.200 | 0.153 | – | 0.80 | – |" in lines
    assert "- QK: failed (seeds 0, 1, 2: no gradient)" in text


def tokens(text):
    """LaTeX as commands, escaped signs and single signs; comments would swallow a line."""
    return re.findall(r"\\[A-Za-z]+|\\.|[^\\]", text, re.DOTALL)


@pytest.mark.parametrize("name", ["BSA", HOSTILE, "naïve ≤ 漢", "–− ± ²"])
def test_latex_balances_and_says_only_what_a_font_has(name):
    summary = planted()
    for row in summary["rows"][1:]:
        row["label"] = name
    summary["rows"][3]["reasons"] = [f"seed 0: {name}"]
    text = to_latex(summary)
    found = tokens(text)
    assert text.isascii()
    assert found.count("{") == found.count("}")
    assert found.count("$") % 2 == 0
    assert not {"%", "#", "_", "^", "~"} & set(found)
    assert [token for token in found if token in (r"\begin", r"\end")] == [r"\begin"] * 2 + [r"\end"] * 2
    rows = [line for line in text.splitlines() if line.endswith(r" \\")]
    assert len(rows) == 1 + 4
    assert {tokens(row).count("&") for row in rows} == {9}
    assert all(text.count(rf"\{rule}rule") == 1 for rule in ("top", "mid", "bottom"))


def test_latex_keeps_what_a_name_says():
    assert latex("A²OS²A, 5 % ± 1") == r"A\textsuperscript{2}OS\textsuperscript{2}A, 5 \% $\pm$ 1"
    assert latex("naïve ≤") == "naive ?"


def test_hostile_names_stay_names():
    summary = planted()
    summary["rows"][1]["label"] = HOSTILE
    markdown = [line for line in to_markdown(summary).splitlines() if line.startswith("| 50%")]
    assert len(markdown) == 1
    assert len(re.findall(r"(?<!\\)\|", markdown[0])) == 11
    assert "[red]" in shown(summary, 200)
    assert list(csv.DictReader(io.StringIO(to_csv(summary))))[1]["label"] == HOSTILE


def test_a_comparison_without_figures_is_a_table_of_what_is_missing():
    summary = make_summary([make_row("bsa", seeds=0)], reference=None)
    assert "bsa: not trained yet" in shown(summary, 80)
    assert "ratio to" not in to_latex(summary)
    assert pairs_csv(summary).count("\n") == 1
