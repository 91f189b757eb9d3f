"""The rules of counting, in words: for the documentation, and for whoever asks a report where a number comes from."""

from typing import NamedTuple


class Rule(NamedTuple):
    """What is computed, and what it is counted as."""

    computed: str
    counted: str


NUMBERED: dict[str, Rule] = {
    "1": Rule(
        "linear map or convolution of events",
        "`ac`: unit events × outputs that each reaches (taps beyond the border or between "
        "strides are not reached); skipped: zeros × reached",
    ),
    "2": Rule(
        "linear map or convolution of analog words",
        "`mac`: dense, real taps only",
    ),
    "3": Rule(
        "bias, batch-norm right behind a linear map, multiplication of events by a constant",
        "nothing: the accumulator starts from the bias, the rest folds into weights and thresholds",
    ),
    "4": Rule(
        "product of two event matrices (q kᵀ, scores · v), Σ_k a_nk b_ke",
        "`ac` on words of the result's width: Σ_k (Σ_n |a_nk|) · #{e: b_ke ≠ 0} when a "
        "drives; the driver is the operand whose largest letter is smaller, the left one at"
        " a tie; skipped: products in which either is zero",
    ),
    "5": Rule(
        "product of events and analog activations; of two analog ones",
        "`ac`: unit events × fan-out, skipped: zeros × fan-out; `mac`: dense",
    ),
    "6": Rule(
        "Shiftmax of scores, for each row of M present points",
        "M `ac` for the exponents (width of the scores), M `ac` for the one-hot sum Σ 2^x "
        "(width 2 · peak + 1 + ⌈log2 M⌉, peak the largest score possible), one "
        "`leading_one` on that sum",
    ),
    "7": Rule(
        "Shiftmax(scores) · V, for each query, point and channel",
        "one `shift` and one `ac` on a word of V; skipped where the shift n is at least the"
        " word's width. Dyadic rounding: one of each for every set bit of the weight, and M"
        " `ac` more a row for the mass that is missing",
    ),
    "8": Rule(
        "neuron, for each element and time step",
        "leak: nothing without one, `shift` for a decay 2^-k, `shift` and `ac` for 1 − "
        "2^-k, else `mac`; `ac` for the input; `compare`: one for each letter but zero; "
        "reset: nothing if hard, `ac` for each unit event if soft",
    ),
    "9": Rule(
        "max-pool",
        "`compare`: real taps − 1 for each window",
    ),
    "10": Rule(
        "sums and means over tokens, average pools",
        "`ac` for each addend that is not zero if events (zeros are skipped), for each "
        "addend if analog; the division is a constant, and of a single addend nothing",
    ),
    "11": Rule(
        "a + b of the same shape",
        "`ac` for each element if both are analog; for each element of the events that is "
        "not zero if one is; where neither is zero if both are events",
    ),
    "12": Rule(
        "a ⊙ b",
        "`and` for each element that is not zero of the event operand with more elements "
        "(the left one at a tie), whatever the other; `mac` for each element if both are "
        "analog",
    ),
    "13": Rule(
        "layer-norm and group-norm, for each element",
        "2 `ac`, 2 `mac`; a reciprocal root for each group, without a price",
    ),
    "14": Rule(
        "softmax, for each score",
        "`compare`, 2 `ac`, `mac`; an exponential, without a price",
    ),
    "15": Rule(
        "ReLU and comparisons, for each element",
        "`compare`",
    ),
}
# The rules behind each role of a ledger's accounts.
OF_ROLES: dict[str, str] = {
    "linear": "1 2 3",
    "product": "4 5",
    "shiftmax": "6",
    "values": "7",
    "neuron": "8 15",
    "pool": "9 10",
    "residual": "11",
    "gate": "12",
    "norm": "3 13 14",
}
OTHERS: dict[str, str] = {
    "rate": "The share of a neuron's outputs that are not zero, over all samples and time steps.",
    "skipped": "What an event-driven machine leaves out because a factor is zero, or a shift wider than the word.",
    "spread": "Means over the samples; behind ± the standard deviation from sample to sample.",
    "unpriced": "Functions without a published price: counted in elements, not in any energy here.",
    "baseline": (
        "The same linear maps and products, once and dense: T steps of spikes carry log2(T n + 1) bits an activation "
        "(n letters but zero), so an ANN of that width is the fair opponent, not one in 32-bit floats alone."
    ),
    "words": (
        "Words read and written for one sample, all time steps together, each as wide as it is stored; only the cost "
        "models that say so price them."
    ),
}


def plain(rule: Rule) -> str:
    """A rule as a sentence without marks."""
    return f"{rule.computed}: {rule.counted}".replace("`", "")


RULES: dict[str, str] = {
    **{number: plain(rule) for number, rule in NUMBERED.items()},
    **{
        f"role:{role}": " ".join(f"({number}) {plain(NUMBERED[number])}." for number in numbers.split())
        for role, numbers in OF_ROLES.items()
    },
    **OTHERS,
}


def rules_table() -> str:
    """The numbered rules as the table of docs/energy.md."""
    lines = ["| # | what is computed | counted as |", "|---|---|---|"]
    for number, rule in NUMBERED.items():
        computed, counted = (text.replace("|", "\\|") for text in rule)
        lines.append(f"| {number} | {computed} | {counted} |")
    return "\n".join(lines)
