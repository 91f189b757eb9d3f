"""The table of a comparison as text, CSV, Markdown and LaTeX."""

import csv
import io
import json
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from snnpd.comparison.columns import COLUMNS, Column, Scale, caption, cells_of, head_of, notes, scale_of

Summary = Mapping[str, Any]

MIN_LABEL = 16
GAP = 2
_MARKDOWN = {sign: f"\\{sign}" for sign in "\\`*_{}[]<>#|~"} | {"\n": " ", "\r": " "}
_LATEX = {sign: f"\\{sign}" for sign in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "\n": " ",
    "\r": " ",
    "±": r"$\pm$",
    "−": "$-$",
    "×": r"$\times$",
    "µ": r"$\mu$",
    "²": r"\textsuperscript{2}",
    "–": "--",
    "’": "'",
}


def to_text(summary: Summary, width: int = 80, cost: str | None = None) -> Group:
    """The table for a terminal of `width` columns, without the columns that it has no room for."""
    scale = scale_of(summary, cost)
    columns, cells = _fitting(summary, scale, width)
    table = Table(
        title=Text(caption(summary, scale)),
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1),
    )
    table.add_column(columns[0].head, overflow="fold", min_width=MIN_LABEL)
    for column in columns[1:]:
        table.add_column(head_of(column, scale), justify="right", no_wrap=True)
    for line in cells:
        table.add_row(*map(Text, line))
    return Group(table, *(Text(note) for note in notes(summary)))


def to_csv(summary: Summary) -> str:
    """One line a row: every measure's mean and standard deviation, the status and its reasons.

    Units: end the names; accuracies, their intervals and calibration errors are fractions of one.
    """
    rows = summary["rows"]
    names = list(dict.fromkeys(name for row in rows for name in row["measures"]))
    plain = ("key", "label", "family", "model", "attention", "neuron", "time_steps", "status")
    head = [*plain, "setting", "seeds", "accuracy_low", "accuracy_high"]
    head += [f"{name}.{what}" for name in names for what in ("mean", "std")]
    lines: list[list[Any]] = [[*head, "reasons"]]
    for row in rows:
        low, high = row.get("accuracy_interval") or (None, None)
        line = [row[name] for name in plain]
        line += [json.dumps(row["setting"], sort_keys=True), " ".join(map(str, row["seeds"])), low, high]
        line += [row["measures"].get(name, {}).get(what) for name in names for what in ("mean", "std")]
        lines.append([*line, "; ".join(row["reasons"])])
    return _csv(lines)


def pairs_csv(summary: Summary) -> str:
    """One line a pair: difference, interval, p values and verdict.

    Units: differences of accuracy are fractions of one.
    """
    names = (
        "question",
        "measure",
        "first",
        "second",
        "difference",
        "p",
        "p_seeds",
        "p_holm",
        "seeds",
        "verdict",
    )
    lines: list[list[Any]] = [[*names, "low", "high"]]
    lines += [[*(pair[name] for name in names), *pair["interval"]] for pair in summary["pairs"]]
    return _csv(lines)


def to_markdown(summary: Summary, cost: str | None = None) -> str:
    """The table in Markdown, with every column."""
    scale = scale_of(summary, cost)
    lines = [
        [head_of(column, scale) for column in COLUMNS],
        [":--", *["--:"] * (len(COLUMNS) - 1)],
        *([_escaped(cell, _MARKDOWN) for cell in line] for line in cells_of(summary, scale, COLUMNS)),
    ]
    parts = [
        _escaped(caption(summary, scale), _MARKDOWN),
        "\n".join(f"| {' | '.join(line)} |" for line in lines),
    ]
    if remarks := notes(summary):
        parts.append("\n".join(f"- {_escaped(note, _MARKDOWN)}" for note in remarks))
    return "\n\n".join(parts) + "\n"


def to_latex(summary: Summary, cost: str | None = None) -> str:
    r"""The table in LaTeX, with every column; it needs `\usepackage{booktabs}` and nothing else."""
    scale = scale_of(summary, cost)
    heads = [latex(head_of(column, scale)) for column in COLUMNS]
    lines = [" & ".join(map(latex, line)) + r" \\" for line in cells_of(summary, scale, COLUMNS)]
    remarks = [rf"\par\smallskip {{\footnotesize {latex(note)}\par}}" for note in notes(summary)]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering\small",
            rf"\caption{{{latex(caption(summary, scale))}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(COLUMNS) - 1)}}}",
            r"\toprule",
            " & ".join(heads) + r" \\",
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            *remarks,
            r"\end{table}",
            "",
        ]
    )


def latex(text: str) -> str:
    """Any text as LaTeX prints it; letters that a plain font has not lose their accents or become `?`."""
    shown = _escaped(text, _LATEX)
    if shown.isascii():
        return shown
    plain = unicodedata.normalize("NFKD", shown)
    return "".join(sign if sign.isascii() else "?" for sign in plain if not unicodedata.combining(sign))


def _fitting(summary: Summary, scale: Scale, width: int) -> tuple[list[Column], list[list[str]]]:
    columns = list(COLUMNS)
    while True:
        cells = cells_of(summary, scale, columns)
        heads = [head_of(column, scale) for column in columns]
        wide = [max(map(len, texts)) for texts in zip(heads, *cells, strict=True)]
        if MIN_LABEL + sum(wide[1:]) + GAP * len(columns) <= width or not any(c.dropped for c in columns):
            return columns, cells
        columns.remove(max(columns, key=lambda column: column.dropped))


def _escaped(text: str, signs: Mapping[str, str]) -> str:
    return "".join(signs.get(sign, sign) for sign in text)


def _csv(lines: Sequence[Sequence[Any]]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(lines)
    return file.getvalue()
