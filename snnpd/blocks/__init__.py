"""What networks are built of besides attention: stems, time encodings, the pre-activation residual block."""

from snnpd.blocks.block import FeedForward, PreActivationBlock
from snnpd.blocks.series import SeriesStem, TimedSeriesStem
from snnpd.blocks.stems import ConvStem, Stage, token_grid
from snnpd.blocks.time_encoding import BochnerEncoding, MercerEncoding, TimeEncoding

__all__ = [
    "BochnerEncoding",
    "ConvStem",
    "FeedForward",
    "MercerEncoding",
    "PreActivationBlock",
    "SeriesStem",
    "Stage",
    "TimeEncoding",
    "TimedSeriesStem",
    "token_grid",
]
