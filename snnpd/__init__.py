"""snnpd: spiking transformers as support vector expansions.

The names that scripts begin with; everything else lives in the subpackages `expansion`, `neurons`,
`attention`, `blocks`, `training`, `energy`, `analysis`, `models` and `datasets`.
"""

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from torch import nn

from snnpd.datasets.splits import Splits
from snnpd.datasets.table import DATASETS
from snnpd.models.table import MODELS
from snnpd.registry import create, resolve

if TYPE_CHECKING:
    from snnpd.energy import EnergyReport

# Imported when asked for, so that other scripts do not wait for it.
_LATE = {"report": "snnpd.energy:report", "compare": "snnpd.cli.compare:compare"}

try:
    __version__ = version("snnpd")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0+checkout"

__all__ = [
    "__version__",
    "compare",
    "create_dataset",
    "create_model",
    "list_datasets",
    "list_models",
    "report",
]


def create_model(name: str, /, **options: Any) -> nn.Module:
    """A network by name: `[T, B, ...]` inputs to `[T, B, num_classes]` logits, one row per time step.

    Example:
        >>> model = create_model("spikingformer_tiny", attention="bsa", input_shape=(1, 8, 8), num_classes=10)

    Raises:
        UsageError: unknown model, attention, neuron or option, with the nearest names.
    """
    return create("model", name, MODELS, **options)


def list_models() -> list[str]:
    """The names that `create_model` takes."""
    return sorted(MODELS)


def create_dataset(name: str, /, **options: Any) -> Splits:
    """The train, validation and test parts of a data set by name.

    Example:
        >>> create_dataset("digits", seed=0).num_classes
        10

    Raises:
        UsageError: unknown data set or option, or files that are missing or damaged.
    """
    return create("data set", name, DATASETS, **options)


def list_datasets() -> list[str]:
    """The names that `create_dataset` takes."""
    return sorted(DATASETS)


def report(model: nn.Module, loader: Iterable[Any], **options: Any) -> "EnergyReport":
    """Operations and energy of one inference, counted on all samples of a loader: see `snnpd.energy.report`.

    Example:
        >>> import torch
        >>> model = create_model("spikingformer_tiny", input_shape=(1, 8, 8), num_classes=10)
        >>> counted = report(model, [torch.rand(4, 2, 1, 8, 8)])  # [T, B, C, h, w]
        >>> counted.to_dict()["totals"]["energy_pj"]["horowitz45"]["mean"] > 0
        True
    """
    counted: EnergyReport = resolve("function", "report", _LATE)(
        model, loader, **({"version": __version__} | options)
    )
    return counted


def compare(name: str, folder: str | None = None, **options: Any) -> dict[str, Any]:
    """Spiking networks beside their ANN twins under one budget, and what their figures show: `snnpd compare`.

    Begin a script that calls it with `if __name__ == "__main__":`, for it starts processes.

    Example:
        >>> summary = compare("core-digits", methods="softmax,bsa", seeds=[0, 1, 2])  # doctest: +SKIP
        >>> summary["reading"][0]  # doctest: +SKIP

    Args:
        name: a comparison or a training recipe, by name or as a YAML file.
        folder: where it is kept, and gone on with; None: `comparisons/NAME`.
        options: `methods`, `neurons`, `time_steps`, `seeds`, `tuning`, `settings`, `samples` over what the file says;
            `jobs` and `devices`.

    Raises:
        UsageError: unknown names, or a folder with the outcomes of other settings.
    """
    summary: dict[str, Any] = resolve("function", "compare", _LATE)(name, folder, **options)
    return summary
