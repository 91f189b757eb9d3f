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
    """Parameters of every row, the widths of the feed-forward layers where they were matched, and what to."""

    counts: dict[str, int]
    ratios: dict[str, float]
    references: dict[str, int]

    def is_equal(self, row: Row) -> bool:
        """Whether a row has as many parameters as its network's reference, within the tolerance."""
        reference = self.references[row.spiking_model]
        return abs(self.counts[row.key] - reference) <= TOLERANCE * reference


def match_sizes(plan: Plan) -> Sizes:
    """Widens or narrows the feed-forward layers of rows that are not within 1 % of the network with bipolar attention.

    Attention layers have more or fewer parameters than others (controls have no queries and keys); what a row lacks
    there it gets in its feed-forward layers, so that no row wins by its size. The reference does not depend on
    which methods are compared, so that others can join.
    """
    base = float(plan.base.model.options.get("mlp_ratio", _RATIO))
    grid = plan.grid
    references = {
        model: _count(plan, Row("bsa", model, grid.neurons[0], grid.time_steps[0], model), base)
        for model, _ in grid.models
    }
    sizes = Sizes({}, {}, references)
    for row in grid.rows:
        sizes.counts[row.key] = _count(plan, row, base)
        if not sizes.is_equal(row):
            slope = _count(plan, row, base + 1) - sizes.counts[row.key]
            ratio = base + (references[row.spiking_model] - sizes.counts[row.key]) / slope
            # A 32nd of the width is fine enough for 1 %, and leaves round numbers.
            sizes.ratios[row.key] = max(0.125, round(ratio * 32) / 32)
            sizes.counts[row.key] = _count(plan, row, sizes.ratios[row.key])
    return sizes


def budget_of(plan: Plan, sizes: Sizes, data: dict[str, Any]) -> list[str]:
    """What all rows share, and what was done to make it so."""
    optim, config = plan.base.optim, plan.base
    sentences = [
        f"Every row trains for {optim.epochs} epochs on the same {data['num_train']:,} samples in batches of "
        f"{optim.batch_size}, with AdamW, warm-up, cosine, label smoothing of {optim.label_smoothing:g} and an average "
        f"of weights of {optim.ema_decay:g} (recipe {plan.recipe}, settings {_words(plan.tree.get('settings', {}))}).",
        _choice(plan, data),
        _tuning(plan),
        _sizes(plan, sizes),
        f"Samples are shown with the {config.encoding} encoding; operations are counted on the first "
        f"{min(plan.samples, data['num_test'])} test samples, attention is looked at on the same.",
    ]
    sources = [row for row in plan.grid.rows if row.what.source is not None]
    if sources:
        labels = ", ".join(sorted({row.what.label for row in sources}))
        sentences.append(f"Made from a trained ANN, whose epochs come on top: {labels}.")
    if any(row.what.family == "quantised" for row in plan.grid.rows):
        sentences.append(
            "Quantised rows are trained with quantised weights and activations from the first step. Only maps whose "
            "weights and inputs are both quantised, and q k, are priced in narrow words; the first map, softmax and "
            "its product with the values, normalisations and sums are priced in floats. No spiking row has narrow "
            "weights."
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


def _sizes(plan: Plan, sizes: Sizes) -> str:
    least, most = min(sizes.counts.values()), max(sizes.counts.values())
    off = [row.key for row in plan.grid.rows if not sizes.is_equal(row)]
    text = f"Networks have {least:,} to {most:,} parameters, frozen ones counted"
    if sizes.ratios:
        changed = ", ".join(f"{key} {ratio:g}" for key, ratio in sizes.ratios.items())
        text += f", feed-forward widths matched for that (as multiples of the width: {changed})"
    within = f"all but {', '.join(off)} are" if off else "all are"
    wanted = " or ".join(f"{count:,}" for count in sizes.references.values())
    return f"{text}; {within} within {TOLERANCE:.0%} of {wanted}."


def _count(plan: Plan, row: Row, ratio: float) -> int:
    """All parameters, frozen ones too."""
    config = plan.config(row, plan.grid.seeds[0], {}, ratio)
    network = create_model(config.model.name, **model_options(config, plan.splits))
    return sum(parameter.numel() for parameter in network.parameters())


def _words(settings: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in settings.items()) or "as they are"
