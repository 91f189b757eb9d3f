"""The measures that a page shows: their titles, how they are written, and what they mean."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from snnpd.comparison.page.formats import plain, spread_energy, spread_per_cent, spread_plain
from snnpd.comparison.page.rows import Part, Spread

ENERGY = "energy_pj"


class Measure(NamedTuple):
    """A column of the results: its name in the summary, its title, how it is written, what it means."""

    name: str
    title: str
    write: Callable[[Spread], str]
    meaning: str
    cost: int | None = None


def _count(spread: Spread) -> str:
    return f"{spread.mean:,.0f}" if not spread.std else spread_plain(spread)


def _mean(spread: Spread) -> str:
    return plain(spread.mean)


_FIRST = Measure(
    "accuracy",
    "accuracy",
    spread_per_cent,
    "Share of the test samples classified rightly at the epoch that the budget says: mean ± standard "
    "deviation over the seeds, and in brackets the 95 % interval of the mean, bootstrapped over seeds and samples.",
)
_REST = (
    Measure("parameters", "parameters", _count, "All parameters, frozen ones too."),
    Measure(
        "firing_rate",
        "firing rate",
        spread_plain,
        "Share of the outputs of the neurons that are not zero, mean over layers, on the samples that are counted, "
        "without their padding.",
    ),
    Measure(
        "ece",
        "ECE",
        spread_per_cent,
        "Expected calibration error: how far confidence stands from accuracy, in the mean over bins of confidence. "
        "Label smoothing teaches too little confidence: with it, more accurate networks may have more of this error.",
    ),
    Measure(
        "nll",
        "NLL",
        spread_plain,
        "Mean negative log-likelihood of the right class on the test samples, in nats.",
    ),
    Measure(
        "brier",
        "Brier score",
        spread_plain,
        "Mean squared distance of the predicted probabilities from the right class.",
    ),
    Measure(
        "head_distance",
        "head distance",
        spread_plain,
        "Relative distance of the heads of one layer from each other; larger means less redundant heads.",
    ),
    Measure("row_sum_min", "row sums from", spread_plain, "Least sum of one query's attention weights."),
    Measure("row_sum_max", "row sums to", spread_plain, "Greatest sum of one query's attention weights."),
    Measure(
        "attention_entropy",
        "attention entropy",
        spread_plain,
        "Entropy of one query's attention weights as a share of log M, the most that M keys allow.",
    ),
    Measure(
        "train_seconds",
        "training, s",
        _mean,
        "Seconds that the training of one seed took, that of the network it is made from included.",
    ),
    Measure(
        "inference_ms", "inference, ms", _mean, "Milliseconds of the network alone a test sample, in batches."
    ),
    Measure("train_memory_mib", "training, MiB", _mean, "What memory grew by, at most, during training."),
    Measure(
        "inference_memory_mib", "inference, MiB", _mean, "What memory grew by, at most, during inference."
    ),
)


def measures_of(summary: Part) -> list[Measure]:
    """The columns of the results of a summary: energy stands once for each of its cost models."""
    return [_FIRST, *_energies(summary["cost_models"]), *_REST]


def _energies(models: Sequence[Part]) -> Iterator[Measure]:
    for cost, model in enumerate(models):
        name = model["name"]
        yield Measure(
            f"{ENERGY}.{name}", "energy", spread_energy, f"Energy of one test sample, priced by {name}.", cost
        )
