"""The page docs/attention_cost.md, from recorded rows alone."""

from collections.abc import Sequence

from attention_cost_fit import (
    LINEAR,
    RATIO,
    SUBQUADRATIC,
    TARGETS,
    Growth,
    Row,
    by_layer,
    growth,
    is_met,
    num_tokens,
)
from attention_cost_plot import FAMILIES, OTHER, family_of

# The two kinds of rows.
FORWARD, FUSED = "attention_forward", "fused_attention"
SHOWN_SIZE = 4096
# Of times, with the C library's allocator told to keep what is freed, or as it comes.
FAULTS = {
    True: "While time is taken, the C library keeps what is freed, so times have no page faults in them.",
    False: "Times include page faults, which jump where tensors outgrow what the C library keeps (glibc: 32 MiB).",
}
REMARKS = {
    "attention_sh": "heads see N, N/2, N/4 and N/8 pooled tokens: 0.47 of the pairs, still quadratic",
    "between_datapoints": "one row in the batch: the layer within, softmax, is what it costs",
    "bsa, explicit": "the map is written out, in float64 where rows are counted exactly",
    "bsa, random features": "256 features, so linear; no good approximation of dense spikes",
    "bsa, truncated features": "1 + 2 D² = 8,193 features of each point and head: dear",
    "cat_alter": "the layer of even index, which is softmax; those of odd index are `cat`",
    "dssa": "a neuron for each pair of query and support point: the map is written out",
    "hyla": "a value network for each pair of tokens: N² D numbers per time step",
    "rpc": "four rounds of softmax attention",
    "sparse": "PyTorch's kernel under an N x N mask: the pairs left out save nothing",
}


def page(costs: Sequence[Row], fused: Sequence[Row], command: str) -> str:
    """The whole page, of the rows of one run of the layers and one of the fused form."""
    about = [*costs, *fused][0]
    seconds, memory_gib = about["limit_seconds"], about["limit_memory_mib"] / 1024
    return f"""# What attention costs as tokens grow in number

Written by `{command}`; do not edit.

Forward passes in evaluation mode without gradients, T = 1, B = 1, width {about["width"]} in {about["heads"]} heads,
float32, N = 64 to 16,384 tokens, projections and neurons included. Each layer runs in a process of its own, in one
thread. *Time* is the median of {about["calls_range"]}, in processor time; *memory* is how far a forward pass raised the
resident set (Linux, `VmHWM`), weights and input not counted.
{FAULTS[about["keeps_freed_memory"]]}
A size foretold to break the limits ({seconds:.0f} s a layer, {memory_gib:.0f} GiB a pass) is left out.
Device: {about["device"]}; PyTorch {about["torch"]}; commit
`{about["commit"]}`; {about["date"]}. Other work ran on the machine's other core at the same time: read ratios and
exponents, not milliseconds.

Exponents are least-squares slopes of log cost over log N, on the upper half of the sizes measured; in brackets, the
exponent of the last doubling. *Linear* is below {LINEAR} (so with N log N), *sub-quadratic* below {SUBQUADRATIC}:
projections cost O(N) and attention O(N²), so a quadratic layer shows less than 2 here, and more with each doubling.

![Time and memory of every attention against the number of tokens](images/attention_cost.png)

## Targets

{targets(costs)}
{fused_verdict(fused)}

## Every layer

{cost_table(costs)}

{skipped(costs)}

## The fused bipolar attention against PyTorch's

The expansion alone on ternary q and k, D = 64, H = 8: one thread, the two alternating in one process, medians of
processor time. What ours adds is the row gain of Shiftmax, exact where a row's mass is a power of two: at rate 0 every
row's mass is one, and at a few thousandths many rows lie on one or next to it.

{fused_table(fused)}
"""


def targets(costs: Sequence[Row]) -> str:
    """One line per target: what was asked, what was found."""
    layers, lines = by_layer(costs), []
    for target in TARGETS:
        found = growth(layers.get(target.label, []), target.figure)
        what = "memory" if target.figure == "peak_memory_mib" else "time"
        verdict = "not measured" if found is None else f"{found.exponent:.2f}, {found.order}"
        mark = "–" if found is None else "met" if is_met(target, found) else "**missed**"
        lines.append(f"- `{target.label}` {what}, {target.order}: exponent {verdict} ({mark})")
    return "\n".join(lines)


def fused_verdict(fused: Sequence[Row]) -> str:
    """The largest ratio of the fused form to PyTorch's attention at N = 4,096 against its target."""
    asked = [row for row in fused if num_tokens(row) == SHOWN_SIZE and row["mode"] == "forward"]
    ratios = [row["ratio"] for row in asked if "ratio" in row]
    if not ratios:
        return f"- fused BSA against PyTorch's attention, at most {RATIO}: not measured (–)"
    mark = "met" if max(ratios) <= RATIO else "**missed**"
    span = f"{min(ratios):.2f} to {max(ratios):.2f} over the firing rates below"
    return f"- fused BSA against PyTorch's attention, N = {SHOWN_SIZE:,}, forward, at most {RATIO}: {span} ({mark})"


def cost_table(costs: Sequence[Row]) -> str:
    """Markdown, one row a layer: by family, then by time at a size that most of them reach."""
    lines = [
        "| attention | runs as | ms at 4,096 | MiB at 4,096 | largest N | ms there | MiB there | time N^ | memory N^ "
        "| in time | in memory | remark |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|---|---|---|",
    ]
    order = [*FAMILIES, OTHER]
    layers = by_layer(costs)
    for label in sorted(
        layers, key=lambda label: (order.index(family_of(label)), layers[label][-1]["p50_ms"])
    ):
        rows = layers[label]
        at = next((row for row in rows if num_tokens(row) == SHOWN_SIZE), {})
        time, memory = growth(rows, "p50_ms"), growth(rows, "peak_memory_mib")
        cells = [
            *(
                f"`{label}`",
                rows[-1]["form"] or "–",
                number(at.get("p50_ms")),
                number(at.get("peak_memory_mib")),
            ),
            *(f"{num_tokens(rows[-1]):,}", number(rows[-1]["p50_ms"]), number(rows[-1]["peak_memory_mib"])),
            *(exponent(time), exponent(memory), time.order if time else "–", memory.order if memory else "–"),
            REMARKS.get(label, ""),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def number(value: float | None) -> str:
    """Three digits that count."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def exponent(found: Growth | None) -> str:
    """The exponent, and that of the last doubling."""
    return "–" if found is None else f"{found.exponent:.2f} ({found.last:.2f})"


def skipped(costs: Sequence[Row]) -> str:
    """Which sizes were left out, and why."""
    left_out = [row for row in costs if "skipped" in row]
    if not left_out:
        return "No size was left out."
    lines = [
        f"- `{row['implementation']}` from N = {num_tokens(row):,}: {row['skipped']}" for row in left_out
    ]
    return "Left out:\n\n" + "\n".join(lines)


def fused_table(fused: Sequence[Row]) -> str:
    """Markdown, one row for each firing rate and mode."""
    if not fused:
        return "Not measured."
    lines = [
        f"{fused[0]['rounds']} rounds; PyTorch {fused[0]['torch']}; commit `{fused[0]['commit']}`; {fused[0]['date']}.",
        "",
        "| tokens | firing rate | mode | PyTorch, ms | fused, ms | ratio of medians | by round | PyTorch, MiB | ours |",
        "|--:|--:|---|--:|--:|--:|--:|--:|--:|",
    ]
    theirs = {case_of(row): row for row in fused if "ratio" not in row}
    for row in (row for row in fused if "ratio" in row):
        peer = theirs[case_of(row)]
        span = " to ".join(f"{ratio:.2f}" for ratio in row["ratio_range"])
        cells = [
            *(f"{num_tokens(row):,}", f"{row['input_rate']:g}", row["mode"]),
            *(number(peer["p50_ms"]), number(row["p50_ms"]), f"{row['ratio']:.2f}", span),
            *(number(peer["peak_memory_mib"]), number(row["peak_memory_mib"])),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def case_of(row: Row) -> tuple[int, float, str]:
    """Tokens, firing rate and mode."""
    return num_tokens(row), row["input_rate"], row["mode"]
