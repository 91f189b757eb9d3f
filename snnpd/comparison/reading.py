"""What the statistics of a comparison say, in plain sentences that are generated from them and from nothing else."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from snnpd.comparison.columns import reasons_of
from snnpd.comparison.statistics import pareto

Summary = Mapping[str, Any]
Row = Mapping[str, Any]
Pair = Mapping[str, Any]

# Beside so many rows pairs without a difference are still told one by one.
MANY = 3
# Whose energy is set beside the reference's; controls only answer for attention.
PRICED = ("quantised", "snn", "converted", "inherited")
COMPARED = {
    "accuracy": {"higher": "to be more accurate than", "lower": "to be less accurate than"},
    "head_distance": {"higher": "to have heads less alike than", "lower": "to have heads more alike than"},
}
NAMES = {"accuracy": "accuracy", "head_distance": "how alike heads are"}


def read(summary: Summary) -> list[str]:
    """Sentences on every question, on energy, on what attention was needed for, on what is missing and on limits.

    A difference is claimed only where the verdict of its pair is one; where none is shown, that is what is said, with
    the interval that tells how large a difference may hide.
    """
    sentences = [_how_to_read(summary)]
    for question, text in summary["questions"].items():
        for measure in COMPARED:
            asked = [p for p in summary["pairs"] if (p["question"], p["measure"]) == (question, measure)]
            if asked:
                sentences.append(f"{text} {_answer(summary, asked, measure)}")
    sentences += _controls(summary)
    sentences += _energy(summary)
    sentences += _front(summary)
    sentences += _missing(summary)
    sentences += _tuning_edge(summary)
    sentences += _unpriced(summary)
    sentences.append(_limits(summary))
    return sentences


def _how_to_read(summary: Summary) -> str:
    if not summary["pairs"]:
        return "No two rows were compared: none that a question asks about have a seed in common yet."
    return (
        "Differences stand with their 95 % intervals over seeds and samples, and with the larger p of the tests over "
        "samples and over seeds after Holm's correction over all pairs of a question; one counts as shown where "
        "p < 0.05 and the interval leaves out 0."
    )


def _answer(summary: Summary, asked: Sequence[Pair], measure: str) -> str:
    """Shown differences one by one, then those not shown, each time by what they are set beside."""
    parts = []
    for verdict, words in COMPARED[measure].items():
        for second, pairs in _grouped([p for p in asked if p["verdict"] == verdict], "second").items():
            told = "; ".join(f"{_label(summary, p['first'])} ({_evidence(p)})" for p in pairs)
            parts.append(f"Shown {words} {_label(summary, second)}: {told}.")
    undecided = [p for p in asked if p["verdict"] == "no difference shown"]
    if len(undecided) == len(asked) and len({p["second"] for p in asked}) > MANY:
        told = _on_seeds(summary, min(p["seeds"] for p in asked))
        parts.append(
            f"No difference shown in {NAMES[measure]} in any of its {len(asked)} pairs{told}; {_range(asked)}."
        )
        return " ".join([*parts, *_before_correction(summary, undecided)])
    for number in sorted({p["seeds"] for p in undecided}, reverse=True):
        told = _on_seeds(summary, number)
        for second, pairs in _grouped([p for p in undecided if p["seeds"] == number], "second").items():
            hidden = _room(summary, pairs)
            parts.append(
                f"No difference shown in {NAMES[measure]} from {_label(summary, second)}{told}: {hidden}."
            )
    return " ".join([*parts, *_before_correction(summary, undecided)])


def _before_correction(summary: Summary, undecided: Sequence[Pair]) -> list[str]:
    """Pairs that are not shown to differ though their own interval leaves out 0: a hint, and said to be no more."""
    hints = [p for p in undecided if p["seeds"] > 1 and (p["interval"][0] > 0 or p["interval"][1] < 0)]
    told = "; ".join(
        f"{_label(summary, p['first'])} less {_label(summary, p['second'])} ({_evidence(p)})" for p in hints
    )
    return (
        [f"By itself an interval leaves out 0, which the corrected test does not bear out, of {told}."]
        if told
        else []
    )


def _on_seeds(summary: Summary, number: int) -> str:
    """On how many seeds a pair was compared, where it is not on all."""
    if number == len(summary["seeds"]) > 1:
        return ""
    return " on one seed, over samples alone" if number == 1 else f" on {number} seeds"


def _controls(summary: Summary) -> list[str]:
    """What each learned attention is worth beside controls that cannot have learned where to look."""
    asked = [p for p in summary["pairs"] if (p["question"], p["measure"]) == ("control", "accuracy")]
    sentences = []
    for first, pairs in _grouped(asked, "first").items():
        label = _label(summary, first)
        beaten, even, ahead = (
            _labels(summary, (p["second"] for p in pairs if p["verdict"] == verdict))
            for verdict in ("higher", "no difference shown", "lower")
        )
        if beaten and not even and not ahead:
            sentences.append(
                f"On this data the learned attention of {label} pays: it beats all controls beside it, {beaten}."
            )
            continue
        parts = [f"is not shown to beat {even}"] if even else []
        parts += [f"is beaten by {ahead}"] if ahead else []
        scope = f"; what it does beat is {beaten}" if beaten else ""
        sentences.append(
            f"On this data the learned attention of {label} {' and '.join(parts)}{scope}: that attention has to be "
            f"learned is not shown here, so the accuracy of {label} is no evidence for its attention."
        )
    return sentences


def _energy(summary: Summary) -> list[str]:
    """Energies beside the reference's, rows together whose verdicts agree under every cost model."""
    reference = _rows(summary).get(summary["reference"])
    costs = [model["name"] for model in summary["cost_models"]]
    if reference is None or not _prices(reference, costs):
        return ["No row of softmax attention has a known energy, so there is no ratio to give."]
    groups: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = {}
    base = _prices(reference, costs)
    for row in summary["rows"]:
        ratios = {cost: price / base[cost] for cost, price in _prices(row, costs).items() if base.get(cost)}
        if row["family"] not in PRICED or costs[0] not in ratios:
            continue
        cheaper, dearer = (
            tuple(cost for cost, ratio in ratios.items() if is_so(ratio))
            for is_so in (lambda ratio: ratio < 1, lambda ratio: ratio > 1)
        )
        groups.setdefault((cheaper, dearer), []).append(f"{row['label']} ({ratios[costs[0]]:.2g})")
    head = f"Energy as a share of what {reference['label']} takes, under {costs[0]}."
    parts = [f"{_prices_verdict(*where, costs)}: {'; '.join(told)}." for where, told in groups.items()]
    families = {row["family"] for row in summary["rows"] if row["measures"]}
    if {"quantised", "snn"} <= families:
        parts.append(
            "Quantised rows have weights and activations of a few bits, spiking rows weights and sums in floats: what "
            "is between these two is word width as much as spikes."
        )
    return [" ".join([head, *parts])] if groups else []


def _prices_verdict(cheaper: Sequence[str], dearer: Sequence[str], costs: Sequence[str]) -> str:
    if len(costs) == 1:
        return "Cheaper" if cheaper else "Dearer" if dearer else "The same"
    told = [(word, names) for word, names in (("Cheaper", cheaper), ("Dearer", dearer)) if names]
    if len(told) == 2:
        return (
            f"The verdict hangs on the cost model (cheaper under {', '.join(cheaper)}; "
            f"dearer under {', '.join(dearer)})"
        )
    for word, names in told:
        return f"{word} under {'every cost model' if len(names) == len(costs) else ', '.join(names)}"
    return "The same under every cost model"


def _front(summary: Summary) -> list[str]:
    cost = f"energy_pj.{summary['cost_models'][0]['name']}"
    rows = [row for row in summary["rows"] if {"accuracy", cost} <= row["measures"].keys()]
    if not rows:
        return []
    points = [(row["measures"][cost]["mean"], row["measures"]["accuracy"]["mean"]) for row in rows]
    told = "; ".join(f"{rows[place]['label']} ({100 * points[place][1]:.1f} %)" for place in pareto(points))
    return [
        f"By their means no row is at once cheaper under {summary['cost_models'][0]['name']} and more accurate than "
        f"these (the Pareto front, cheapest first, which no test stands behind): {told}."
    ]


def _missing(summary: Summary) -> list[str]:
    absent = [row for row in summary["rows"] if not row["seeds"]]
    groups = {
        "Failed, and in none of the comparisons": [row for row in absent if row["reasons"]],
        "Not trained yet, and in none of the comparisons": [row for row in absent if not row["reasons"]],
        "Compared on fewer seeds than the others": [
            row for row in summary["rows"] if row["seeds"] and row["status"] == "partial"
        ],
    }
    told = [f"{words}: {'; '.join(map(_with_reasons, rows))}." for words, rows in groups.items() if rows]
    tuned = [
        f"{row['label']} (without {', '.join(row['failed_trials'])})"
        for row in summary["rows"]
        if row["failed_trials"]
    ]
    if tuned:
        told.append(f"Tuned over fewer settings than the others, for trainings failed: {'; '.join(tuned)}.")
    return told


def _tuning_edge(summary: Summary) -> list[str]:
    """For how many rows the best of the values tried is the largest or the smallest of them."""
    sentences = []
    for name, values in summary["tuning"].items():
        tuned = [row for row in summary["rows"] if name in row["setting"]]
        ends = {"largest": max(values), "smallest": min(values)} if len(values) > 2 else {}
        for word, end in ends.items():
            at_end = [row for row in tuned if row["setting"][name] == end]
            if at_end:
                labels = "; ".join(row["label"] for row in at_end)
                sentences.append(
                    f"For {len(at_end)} of {len(tuned)} rows the best {name} is the {word} that was tried, {end:g}: a "
                    f"wider grid may raise them ({labels})."
                )
    return sentences


def _unpriced(summary: Summary) -> list[str]:
    """Functions that no cost model has a price for, by the rows that compute them."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for row in summary["rows"]:
        if row["unpriced"]:
            groups.setdefault(tuple(row["unpriced"]), []).append(str(row["label"]))
    told = [f"{', '.join(functions)} ({'; '.join(labels)})" for functions, labels in groups.items()]
    return [f"In no energy, for want of a price: {'. '.join(told)}."] if told else []


def _with_reasons(row: Row) -> str:
    parts = [f"seeds {', '.join(map(str, row['seeds']))}"] if row["seeds"] else []
    parts += [reason.rstrip(".") for reason in reasons_of(row)]
    return f"{row['label']} ({'; '.join(parts)})" if parts else str(row["label"])


def _limits(summary: Summary) -> str:
    seeds, data = len(summary["seeds"]), summary["data"]
    trained = "One seed: nothing is known of other trainings" if seeds == 1 else f"{seeds} seeds"
    return (
        f"Limits: {trained}; one data set ({data['name']}, {data['num_train']:,} training and "
        f"{data['num_test']:,} test samples); the budget stated above. Other data, larger networks or longer training "
        "may order the rows otherwise."
    )


def _evidence(pair: Pair) -> str:
    if pair["difference"] == 0 == pair["interval"][0] == pair["interval"][1]:
        return "the same on every sample"
    p = "p < 0.001" if pair["p_holm"] < 0.001 else f"p = {pair['p_holm']:.2g}"
    return f"{_size(pair['difference'], pair['measure'])} {_span(pair)}, {p}"


def _room(summary: Summary, pairs: Sequence[Pair]) -> str:
    """Pairs that show no difference, with how large a one their intervals leave room for."""
    if len(pairs) == 1:
        return f"{_label(summary, pairs[0]['first'])} ({_evidence(pairs[0])})"
    return f"{_labels(summary, (p['first'] for p in pairs))}; {_range(pairs)}"


def _range(pairs: Sequence[Pair]) -> str:
    low, high = min(p["interval"][0] for p in pairs), max(p["interval"][1] for p in pairs)
    ends = f"{_size(low, pairs[0]['measure'], '')} to {_size(high, pairs[0]['measure'])}"
    return f"their intervals leave room for anything from {ends}"


def _span(pair: Pair) -> str:
    low, high = (_size(end, pair["measure"], "") for end in pair["interval"])
    return f"[{low}, {high}]"


def _size(difference: float, measure: str, unit: str = " points") -> str:
    """A difference with its sign: in percentage points for accuracies, else as it is."""
    is_share = measure == "accuracy"
    number = round(100 * difference, 1) if is_share else round(difference, 3)
    shown = f"{number:+.{1 if is_share else 3}f}" if number else "0"
    return shown.replace("-", "−") + (unit if is_share else "")


def _rows(summary: Summary) -> dict[str | None, Row]:
    return {row["key"]: row for row in summary["rows"]}


def _prices(row: Row, costs: Iterable[str]) -> dict[str, float]:
    named = {cost: row["measures"].get(f"energy_pj.{cost}") for cost in costs}
    return {cost: found["mean"] for cost, found in named.items() if found}


def _label(summary: Summary, key: str) -> str:
    return str(_rows(summary)[key]["label"])


def _labels(summary: Summary, keys: Iterable[str]) -> str:
    return "; ".join(_label(summary, key) for key in keys)


def _grouped(pairs: Iterable[Pair], side: str) -> dict[str, list[Pair]]:
    groups: dict[str, list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(pair[side], []).append(pair)
    return groups
