"""Looking at runs and networks: curves, spike rasters, attention maps."""

from snnpd.analysis.plots import plot_curves
from snnpd.analysis.plots_attention import plot_attention
from snnpd.analysis.plots_raster import plot_raster, record_spikes
from snnpd.analysis.plots_samples import plot_samples

__all__ = ["plot_attention", "plot_curves", "plot_raster", "plot_samples", "record_spikes"]
