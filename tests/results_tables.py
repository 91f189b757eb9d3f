"""The tables of docs/results/README.md, made from the summaries beside it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Summary = Mapping[str, Any]
Pair = Mapping[str, Any]

SHOWN = ("softmax", "quantised_ternary", "ssa", "bsa", "bipolar_bn_sh", "frozen_bsa", "bsa_inherited")
ABLATION = "ablation-fashion-mnist"
BN_SH = ("bn-sh-digits", "bn-sh-japanese-vowels")
# First, second, and by how many points the first is ahead: CIFAR100, Spikingformer, table of BSA's ablation; where the
# paper gives an order without a figure, the side.
PUBLISHED: tuple[tuple[str, str, float | str], ...] = (
    ("ternary_none", "ssa", 79.27 - 79.13),
    ("ternary_softmax", "ssa", 80.76 - 79.13),
    ("ternary_shiftmax", "ssa", 80.48 - 79.13),
    ("binary_softmax", "ssa", "slightly lower"),
    ("binary_shiftmax", "ssa", "slightly lower"),
    ("ternary_softmax", "ternary_none", 80.76 - 79.27),
    ("ternary_shiftmax", "ternary_none", 80.48 - 79.27),
    ("ternary_softmax", "binary_softmax", "higher"),
    ("ternary_shiftmax", "binary_shiftmax", "higher"),
    ("ternary_shiftmax", "ternary_softmax", 80.48 - 80.76),
)


def results_table(summaries: Mapping[str, Summary]) -> str:
    """A line a comparison: its command, its size, and the test accuracy of some rows."""
    lines = []
    for name, summary in summaries.items():
        rows = {_method(row["key"]): row for row in summary["rows"]}
        head = [
            f"[{name}]({name}/table.md)",
            f"`{summary['command']}`",
            f"{len(rows)} × {len(summary['seeds'])}",
        ]
        cells = [_accuracy(rows[method]) if method in rows else "–" for method in SHOWN]
        lines.append([*head, f"{summary['seconds']['total'] / 60:.0f}", *cells])
    return _markdown(["comparison", "command", "rows × seeds", "minutes", *(f"`{m}`" for m in SHOWN)], lines)


def ablation_table(summary: Summary) -> str:
    """What is published of bipolar attention's parts, beside the same differences here."""
    found = {
        (_method(p["first"]), _method(p["second"])): p for p in summary["pairs"] if p["measure"] == "accuracy"
    }
    lines = []
    for first, second, published in PUBLISHED:
        pair = found[first, second]
        told = published if isinstance(published, str) else _signed(published, 2)
        lines.append(
            [
                f"`{first}`",
                f"`{second}`",
                told,
                _difference(pair),
                f"{pair['p_holm']:.2g}",
                _answer(pair, published),
            ]
        )
    return _markdown(
        ["first", "second", "published, points", "here", "p (Holm)", "the published order is"], lines
    )


def bn_sh_table(summaries: Mapping[str, Summary]) -> str:
    """Attention-BN and -SH less their twins without, in accuracy and in the distance between heads; shown ones bold."""
    found: dict[tuple[str, str], dict[tuple[str, str], str]] = {}
    for name in BN_SH:
        for pair in summaries[name]["pairs"]:
            if pair["question"] == "bn_sh":
                who = (_method(pair["first"]), _method(pair["second"]))
                found.setdefault(who, {})[name, pair["measure"]] = _bold(pair, _difference(pair))
    columns = [(name, measure) for name in BN_SH for measure in ("accuracy", "head_distance")]
    heads = [f"{name.removeprefix('bn-sh-')}: {measure.replace('_', ' ')}" for name, measure in columns]
    lines = [
        [f"`{first}`", f"`{second}`", *(cells[c] for c in columns)]
        for (first, second), cells in found.items()
    ]
    return _markdown(["first", "second", *heads], lines)


def _answer(pair: Pair, published: float | str) -> str:
    expected = (
        "lower"
        if published == "slightly lower" or (isinstance(published, float) and published < 0)
        else "higher"
    )
    return {expected: "confirmed", "no difference shown": "undecided"}.get(pair["verdict"], "refuted")


def _method(key: str) -> str:
    return key.split("/")[0]


def _accuracy(row: Mapping[str, Any]) -> str:
    found = row["measures"]["accuracy"]
    return f"{100 * found['mean']:.1f} ± {100 * found['std']:.1f}"


def _difference(pair: Pair) -> str:
    scale, digits = (100, 1) if pair["measure"] == "accuracy" else (1, 3)
    low, high = (_signed(scale * end, digits) for end in pair["interval"])
    return f"{_signed(scale * pair['difference'], digits)} [{low}, {high}]"


def _bold(pair: Pair, text: str) -> str:
    return text if pair["verdict"] == "no difference shown" else f"**{text}**"


def _signed(number: float, digits: int) -> str:
    shown = f"{number:+.{digits}f}".replace("-", "−")
    return shown if shown.strip("+−0.") else "0"


def _markdown(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *lines])
