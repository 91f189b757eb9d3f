"""Equal sizes for all rows of a comparison, and its budget in plain sentences."""

from dataclasses import dataclass
from typing import Any

from snnpd import create_model
from snnpd.cli.compare_plan import Plan
from snnpd.cli.compose import model_options
from snnpd.comparison.grid import Row

# A row may have so many more or fewer parameters than the reference.
TOLERANCE = 0.01
_RATIO = 4.0


@dataclass(frozen=True)
class Sizes:
    """Parameters of every row, and the width of the feed-forward layers, as a multiple, where it was matched."""

    counts: dict[str, int]
    ratios: dict[str, float]
    reference: int


def match_sizes(plan: Plan) -> Sizes:
    """Widens or narrows the feed-forward layers of rows that are not within 1 % of the first spiking row, or first row.

    Attention layers have more or fewer parameters than others (controls have no queries and keys); what a row lacks
    there it gets in its feed-forward layers, so that no row wins by its size.
    """
    rows = plan.grid.rows
    first = next((row for row in rows if row.what.is_spiking), rows[0])
    base = float(plan.base.model.options.get("mlp_ratio", _RATIO))
    reference = _count(plan, first, base)
    counts, ratios = {}, {}
    for row in rows:
        counts[row.key] = _count(plan, row, base)
        if abs(counts[row.key] - reference) > TOLERANCE * reference:
            slope = _count(plan, row, base + 1) - counts[row.key]
            # An eighth of the width is fine enough for 1 %, and leaves round numbers.
            ratio = base + (reference - counts[row.key]) / slope
            ratios[row.key] = max(0.125, round(ratio * 32) / 32)
            counts[row.key] = _count(plan, row, ratios[row.key])
    return Sizes(counts, ratios, reference)


def budget_of(plan: Plan, sizes: Sizes, data: dict[str, Any]) -> list[str]:
    """What all rows share, and what was done to make it so."""
    optim, config = plan.base.optim, plan.base
    sentences = [
        f"Every row trains for {optim.epochs} epochs on the same {data['num_train']:,} samples in batches of "
        f"{optim.batch_size}, with AdamW, warm-up and cosine (recipe {plan.recipe}, settings "
        f"{_words(plan.tree.get('settings', {}))}).",
        _choice(plan, data),
        _tuning(plan),
        _sizes(sizes),
        f"Samples are shown with the {config.encoding} encoding; operations are counted on the first "
        f"{min(plan.samples, data['num_test'])} test samples, attention is looked at on the same.",
    ]
    sources = [row for row in plan.grid.rows if row.what.source is not None]
    if sources:
        labels = ", ".join(sorted({row.what.label for row in sources}))
        sentences.append(f"Made from a trained ANN, whose epochs come on top: {labels}.")
    if any(row.what.family == "quantised" for row in plan.grid.rows):
        sentences.append(
            "Quantised rows are trained with quantised weights and activations from the first step; softmax and "
            "normalisations stay in floats, and their energy is priced at their width."
        )
    return sentences


def _choice(plan: Plan, data: dict[str, Any]) -> str:
    if not data["num_val"]:
        return f"The last epoch counts; the {data['num_test']:,} test samples are read once."
    return (
        f"The epoch is chosen by the {data['num_val']:,} validation samples; the {data['num_test']:,} test samples are "
        "read once, with the chosen weights (robustness is measured on them afterwards and chooses nothing)."
    )


def _tuning(plan: Plan) -> str:
    if len(plan.grid.settings) == 1:
        return "Nothing is tuned: all rows have the same settings, which may suit some better than others."
    tried = "; ".join(f"{name} in {list(values)}" for name, values in plan.grid.tuning.items())
    return (
        f"Each row is tuned over the same grid ({tried}) by validation accuracy on seed {plan.grid.seeds[0]}; all of "
        "its seeds have the setting that won."
    )


def _sizes(sizes: Sizes) -> str:
    least, most = min(sizes.counts.values()), max(sizes.counts.values())
    off = [key for key, n in sizes.counts.items() if abs(n - sizes.reference) > TOLERANCE * sizes.reference]
    text = f"Networks have {least:,} to {most:,} parameters"
    if sizes.ratios:
        changed = ", ".join(f"{key} {ratio:g}" for key, ratio in sizes.ratios.items())
        text += f", feed-forward widths matched for that (as multiples of the width: {changed})"
    within = f"all but {', '.join(off)} are" if off else "all are"
    return f"{text}; {within} within {TOLERANCE:.0%} of {sizes.reference:,}."


def _count(plan: Plan, row: Row, ratio: float) -> int:
    """All parameters, frozen ones too."""
    config = plan.config(row, plan.grid.seeds[0], {}, ratio)
    network = create_model(config.model.name, **model_options(config, plan.splits))
    return sum(parameter.numel() for parameter in network.parameters())


def _words(settings: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in settings.items()) or "as they are"
