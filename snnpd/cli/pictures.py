"""The pictures of a finished run."""

from pathlib import Path

from torch import Tensor

from snnpd.analysis import plot_attention, plot_curves, plot_raster, record_spikes
from snnpd.attention import record_attention
from snnpd.cli.compose import Parts, first_sample, show
from snnpd.datasets.splits import Batch
from snnpd.training.metrics import METRICS


def draw_pictures(parts: Parts, folder: Path, chosen_epoch: int) -> None:
    """Curves, and of the first test sample the spikes and an attention map, in `plots/`."""
    plots = folder / "plots"
    plot_curves(folder / METRICS, plots / "curves.png", chosen_epoch)
    batch = first_sample(parts.splits.test)
    with record_spikes(parts.model) as spikes, record_attention(parts.model) as maps:
        show(parts, batch)
    if spikes:
        plot_raster({name: layer[:, 0] for name, layer in spikes.items()}, plots / "raster.png")
    layer, groups = next(iter(maps.items()), ("", []))
    if groups:
        what = f"{layer}, mean over time, test sample 0 (class {parts.splits.class_names[int(batch.y[0])]})"
        plot_attention(heads_of(groups, batch), plots / "attention.png", image_of(batch), what)


def heads_of(groups: list[Tensor], batch: Batch) -> list[Tensor]:
    """One map `[N, M]` a head, the mean over time, less the padding of a series.

    Shapes:
        groups: `[T, 1, h, N, M]` each.
    """
    heads = [head for group in groups for head in group.mean(0)[0]]
    if batch.mask is None:
        return heads
    real, length = int(batch.mask.sum()), batch.mask.shape[1]
    # Pooled keys: as many as pool a real token.
    return [head[:real, : -(-head.shape[1] * real // length)] for head in heads]


def image_of(batch: Batch) -> Tensor | None:
    """The sample `[C, H, W]` as a picture (event frames summed over time); None for a series."""
    if batch.x.ndim == 3:
        return None
    return batch.x[0] if batch.x.ndim == 4 else batch.x[:, 0].sum(0)
